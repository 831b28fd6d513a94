# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container gets: its command line and its variables, out of the pod's spec, ConfigMaps and Secrets."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .container import base_environment
from .kinds import CONFIGMAP, SECRET, SERVICE, Kind
from .store import Store

Object = dict[str, Any]
_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")


class ConfigError(Exception):
    """A container that cannot be made: CreateContainerConfigError with this text."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` replaced by a variable that is known; ``$$`` stands for ``$``."""
    return _REFERENCE.sub(lambda m: "$" if m[0] == "$$" else variables.get(m[1], m[0]), text)


def command(container: Object, image: Object, variables: Mapping[str, str]) -> list[str]:
    """The argv: the image's, or the spec's command and args."""
    argv = [*container.get("command", image["argv"]), *container.get("args", [])]
    return [expand(word, variables) for word in argv]


def field(pod: Object, path: str) -> str:
    """A fieldRef's value."""
    if match := re.match(r"^metadata\.(labels|annotations)\['(.+)'\]$", path):
        return str(pod["metadata"].get(match[1], {}).get(match[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


class Environment:
    """Reads variables for the containers of one pod."""

    def __init__(self, store: Store, pod: Object) -> None:
        """Look references up in the pod's namespace of ``store``."""
        self.store, self.pod = store, pod
        self.namespace = pod["metadata"]["namespace"]

    def of(self, container: Object, image: Object) -> dict[str, str]:
        """Every variable of a container as the kubelet makes it: image, services, envFrom, env."""
        built_in = {"POD_IP": self.pod["status"].get("podIP", "")}
        variables = base_environment() | {"HOSTNAME": self.pod["metadata"]["name"]}
        variables |= {key: expand(str(value), built_in) for key, value in image.get("env", {}).items()}
        if self.pod["spec"].get("enableServiceLinks", True):
            variables |= dict(self._services())
        for source in container.get("envFrom", []):
            prefix = source.get("prefix", "")
            variables |= {f"{prefix}{key}": value for key, value in self._all_of(source).items()}
        for entry in container.get("env", []):
            value = self._value_from(entry["valueFrom"]) if "valueFrom" in entry else entry.get("value", "")
            if value is not None:
                variables[entry["name"]] = value if "valueFrom" in entry else expand(value, variables)
        return variables

    def _services(self) -> Iterator[tuple[str, str]]:
        for service in self.store.list(SERVICE, self.namespace):
            address = service["spec"].get("clusterIP")
            if address and address != "None":
                name = service["metadata"]["name"].upper().replace("-", "_")
                yield f"{name}_SERVICE_HOST", address
                yield f"{name}_SERVICE_PORT", str(service["spec"]["ports"][0]["port"])

    def _data(self, kind: Kind, name: str, optional: bool) -> Object | None:
        found = self.store.find(kind, self.namespace, name)
        if found is None and not optional:
            raise ConfigError(f'{kind.kind.lower()} "{name}" not found')
        if found is None:
            return None
        data = found.get("data") or {}
        return {k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()} if kind is SECRET else data

    def _all_of(self, source: Object) -> Object:
        ref, kind = (source["configMapRef"], CONFIGMAP) if "configMapRef" in source else (source["secretRef"], SECRET)
        return self._data(kind, ref["name"], ref.get("optional", False)) or {}

    def _value_from(self, source: Object) -> str | None:
        if "fieldRef" in source:
            return field(self.pod, source["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in source:
            return "0"
        key, kind = ("configMapKeyRef", CONFIGMAP) if "configMapKeyRef" in source else ("secretKeyRef", SECRET)
        ref = source[key]
        data = self._data(kind, ref["name"], ref.get("optional", False))
        if data is None:
            return None
        if ref["key"] not in data:
            if ref.get("optional"):
                return None
            named = "ConfigMap" if kind is CONFIGMAP else "Secret"
            raise ConfigError(f"couldn't find key {ref['key']} in {named} {self.namespace}/{ref['name']}")
        return str(data[ref["key"]])
