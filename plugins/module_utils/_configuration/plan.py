# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides, without asking anybody, whether ConfigMaps and Secrets can be brought back, and what to write."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._digest import content_digest, digest
from .._kubernetes.model import LAST_APPLIED, Json
from .._module import RollbackError
from .._release.model import ClusterConfiguration, Content
from .encryption import Safe
from .keeper import keeper_of
from .references import CONFIG_MAP

RELEASE, PREVIOUS, MISSING, OTHER, BROUGHT = "release", "previous", "missing", "other", "brought"
SHOWN = 12  # hexadecimal digits of a hash in a diff


@dataclass(frozen=True)
class Payload:
    """An object's content as the API has it: ``data`` (of a Secret in base64) and a ConfigMap's ``binaryData``."""

    data: Mapping[str, str] = field(repr=False)
    binary_data: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def keys(self) -> dict[str, str]:
        """Every key with its value; ``data`` and ``binaryData`` share no key."""
        return {**self.data, **self.binary_data}


@dataclass(frozen=True)
class Seen:
    """One configuration of the manifest beside what the cluster has; ``live`` is ``None`` where there is none."""

    item: ClusterConfiguration
    live: Json | None = field(repr=False)
    position: str
    wanted: Payload | None = field(repr=False)
    problems: tuple[str, ...] = ()
    kept_by: str = ""
    """The controller that keeps the live object: it is as it has to be, whatever is recorded, and left alone."""

    @property
    def writes(self) -> bool:
        """Whether a rollback has something to write."""
        return self.position in (RELEASE, MISSING) and not self.problems

    @property
    def target(self) -> Payload:
        """What is to be written, where :attr:`writes` is true."""
        return self.wanted or Payload({})

    @property
    def change(self) -> tuple[list[str], list[str], list[str]]:
        """Keys that bringing it back adds, removes and changes."""
        before = payload_of(self.live).keys if self.live else {}
        after = self.wanted.keys if self.wanted and self.position != BROUGHT else before
        added, removed = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
        return added, removed, sorted(key for key in after.keys() & before.keys() if after[key] != before[key])

    def as_result(self) -> Json:
        """What a module returns about it: names and hashes, no value."""
        added, removed, changed = self.change
        return {
            "kind": self.item.kind,
            "name": self.item.name,
            "namespace": self.item.namespace,
            "consumers": list(self.item.consumers),
            "position": self.position,
            "equal": self.position in (PREVIOUS, BROUGHT),
            "keys_added": added,
            "keys_removed": removed,
            "keys_changed": changed,
            "problems": list(self.problems),
            "kept_by": self.kept_by or None,
        }


def payload_of(live: Json) -> Payload:
    """The content of a live object."""
    return Payload(live.get("data") or {}, live.get("binaryData") or {})


def see(item: ClusterConfiguration, live: Json | None, safe: Safe | None) -> Seen:
    """Compare one configuration with the live object.

    ``brought`` by the release: there is nothing to go back to, and it is left alone. ``missing``: it is made again.
    What a controller keeps counts as ``previous``.
    """
    if item.previous is None:
        return Seen(item, live, BROUGHT, None)
    if live is not None and (keeper := keeper_of(live)):
        return Seen(item, live, PREVIOUS, None, kept_by=keeper)
    try:
        wanted = _payload(item, item.previous, safe)
    except RollbackError as error:
        return Seen(item, live, OTHER, None, (error.message,))
    if live is None:
        return Seen(item, None, MISSING, wanted)
    if payload_of(live) == wanted:
        return Seen(item, live, PREVIOUS, wanted)
    if item.current is not None and _digest_of(item, live, safe) == item.current.digest:
        stuck = (_immutable(item),) if live.get("immutable") else ()
        return Seen(item, live, RELEASE, wanted, stuck)
    kubectl = f"kubectl -n {item.namespace} get {item.kind.lower()} {item.name} --show-managed-fields -o yaml"
    told = (
        f"{item} holds neither what the release nor what the previous one had; somebody changed it since, and that "
        f"would be lost. See who: {kubectl}"
    )
    return Seen(item, live, OTHER, wanted, (told,))


def _immutable(item: ClusterConfiguration) -> str:
    return (
        f"{item} is immutable and differs from its previous content; make it again by hand, its pods keep what they "
        f"have until they restart: kubectl -n {item.namespace} delete {item.kind.lower()} {item.name}, then run again"
    )


def _payload(item: ClusterConfiguration, content: Content, safe: Safe | None) -> Payload:
    if item.kind == CONFIG_MAP:
        return Payload(dict(content.data), dict(content.binary_data))
    if safe is None:
        raise RollbackError(f"{item} is recorded encrypted; give vault_password_file, the one of record.yml")
    return Payload(safe.decrypt(content.encrypted or "", str(item)))


def _digest_of(item: ClusterConfiguration, live: Json, safe: Safe | None) -> str:
    found = payload_of(live)
    if item.kind == CONFIG_MAP:
        return content_digest(found.data, found.binary_data)
    return safe.digest(found.data) if safe else ""


def operations(live: Json, wanted: Payload) -> list[Json]:
    """A JSON patch to ``wanted``; it carries the resourceVersion, so a stale one is refused with 409."""
    changes: list[Json] = []
    for name, new in (("data", wanted.data), ("binaryData", wanted.binary_data)):
        if new and new != live.get(name):
            changes.append({"op": "add", "path": f"/{name}", "value": dict(new)})
        elif not new and live.get(name):
            changes.append({"op": "remove", "path": f"/{name}"})
    applied = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if applied and changes:
        place = "/metadata/annotations/" + LAST_APPLIED.replace("/", "~1")
        changes.append({"op": "replace", "path": place, "value": _applied(applied, wanted)})
    version = live["metadata"]["resourceVersion"]
    return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *changes]


def _applied(text: str, wanted: Payload) -> str:
    """kubectl's memory of what was applied, with the content that is live now: the next apply compares with it."""
    try:
        applied: Any = json.loads(text)
        for name, value in (("data", wanted.data), ("binaryData", wanted.binary_data)):
            applied.pop(name, None)
            if value:
                applied[name] = dict(value)
        applied.pop("stringData", None)
    except (ValueError, AttributeError):
        return text
    return json.dumps(applied, separators=(",", ":")) + "\n"


def made_again(seen: Seen) -> Json:
    """A new object with the previous content."""
    item, wanted, content = seen.item, seen.target, seen.item.previous or Content()
    return {
        "apiVersion": "v1",
        "kind": item.kind,
        "metadata": {"name": item.name, "namespace": item.namespace},
        "data": dict(wanted.data),
        **({"binaryData": dict(wanted.binary_data)} if wanted.binary_data else {}),
        **({"type": content.type} if content.type else {}),
        **({"immutable": True} if content.immutable else {}),
    }


def consumers_of(changed: Iterable[Seen]) -> list[Json]:
    """Name and namespace of every workload that uses one of ``changed``."""
    places = {(one.item.namespace, name) for one in changed for name in one.item.consumers}
    return [{"name": name, "namespace": namespace} for namespace, name in sorted(places)]


def diff(seen: Seen) -> Json:
    """Ansible's diff: a ConfigMap's values, and hashes with a key of this one moment in place of a Secret's."""
    key, touched = secrets.token_hex(32), set().union(*seen.change)

    def shown(payload: Payload | None) -> dict[str, str]:
        found = {name: value for name, value in (payload.keys if payload else {}).items() if name in touched}
        if seen.item.kind == CONFIG_MAP:
            return found
        return {name: f"hmac:{digest(key, value)[:SHOWN]}" for name, value in found.items()}

    return {
        "before_header": f"{seen.item}, as it is",
        "after_header": f"{seen.item}, as it was before the release",
        "before": shown(payload_of(seen.live) if seen.live else None),
        "after": shown(seen.wanted),
    }


def text_values(live: Json) -> dict[str, str]:
    """An object's values as a container sees them; a value that is no text is left out."""
    if live["kind"] == CONFIG_MAP:
        return dict(live.get("data") or {})
    values = {}
    for name, value in (live.get("data") or {}).items():
        try:
            values[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError):
            continue
    return values
