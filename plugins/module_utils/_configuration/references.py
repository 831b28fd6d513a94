# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from a pod template which ConfigMaps and Secrets it uses, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONFIG_MAP, SECRET = "ConfigMap", "Secret"
ENVIRONMENT, FILES = "environment", "files"
VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
REVEALING = re.compile(r"passw|secret|token|credential|private|api.?key|access.?key", re.I)
ROOT_CA = "kube-root-ca.crt"
"""Every namespace has it, and the cluster keeps it: no configuration of a release."""


@dataclass(frozen=True)
class Use:
    """One use of an object: by the environment of ``container``, or by files (an init container's counts as such).

    Files and init containers can only be judged by when the pod started.
    """

    kind: str
    name: str
    how: str
    container: str = ""


Data = Mapping[tuple[str, str], Mapping[str, str]]
"""Values by (kind, name)."""


def references(template: Mapping[str, Any]) -> list[Use]:
    """Every use in a pod template, without repetition. Pull secrets and service account tokens are none."""
    spec = template.get("spec") or {}
    found = [use for volume in spec.get("volumes") or [] for use in _of_volume(volume)]
    for container in spec.get("initContainers") or []:
        found += [Use(kind, name, FILES) for kind, name, _source in _of_container(container)]
    for container in spec.get("containers") or []:
        found += [Use(kind, name, ENVIRONMENT, container["name"]) for kind, name, _source in _of_container(container)]
    return [use for use in dict.fromkeys(found) if use.name != ROOT_CA]


def _of_volume(volume: Mapping[str, Any]) -> Iterator[Use]:
    sources = [volume, *((volume.get("projected") or {}).get("sources") or [])]
    for source in sources:
        if source.get("configMap"):
            yield Use(CONFIG_MAP, source["configMap"]["name"], FILES)
        secret = source.get("secret") or {}
        if secret.get("secretName") or secret.get("name"):
            yield Use(SECRET, secret.get("secretName") or secret["name"], FILES)


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Kind, name and the reference of every variable, in the order in which the kubelet makes them."""
    for source in container.get("envFrom") or []:
        for field, kind in (("configMapRef", CONFIG_MAP), ("secretRef", SECRET)):
            if source.get(field):
                yield kind, source[field]["name"], source
    for entry in container.get("env") or []:
        for field, kind in (("configMapKeyRef", CONFIG_MAP), ("secretKeyRef", SECRET)):
            reference = (entry.get("valueFrom") or {}).get(field)
            if reference:
                yield kind, reference["name"], {"variable": entry["name"], "key": reference["key"]}


def expected_environment(container: Mapping[str, Any], data: Data) -> dict[str, str]:
    """Variables that ``container`` must have when ``data`` is what its ConfigMaps and Secrets hold.

    A variable that something else sets later is not expected, as its value says nothing about the configuration.
    """
    expected: dict[str, str] = {}
    named = {entry["name"] for entry in container.get("env") or []}
    for kind, name, source in _of_container(container):
        values = data.get((kind, name), {})
        if "variable" in source:
            if source["key"] in values:
                expected[source["variable"]] = values[source["key"]]
            continue
        prefix = source.get("prefix") or ""
        all_of = {prefix + key: value for key, value in values.items() if VARIABLE.fullmatch(prefix + key)}
        expected |= {key: value for key, value in all_of.items() if key not in named}
    return expected


def revealing(template: Mapping[str, Any]) -> list[str]:
    """Variables with a value in the template itself whose name says that it is a secret."""
    spec = template.get("spec") or {}
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    entries = [entry for container in containers for entry in container.get("env") or []]
    return sorted({entry["name"] for entry in entries if entry.get("value") and REVEALING.search(entry["name"])})
