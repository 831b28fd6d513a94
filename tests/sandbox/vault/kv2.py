# SPDX-License-Identifier: GPL-3.0-or-later
"""The versioned key/value engine: data, metadata, delete, undelete, destroy, check-and-set and pruning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, go_duration, listed, now, seconds, stamp

DEFAULT_VERSIONS = 10
INVALID_PATH = (
    "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. "
    "If using the Vault CLI, use 'vault kv {verb}' for this operation."
)
VERBS = {"read": "get", "list": "list", "delete": "delete"}


@dataclass
class Version:
    """One version; times in nanoseconds since 1970, ``deleted`` 0 when never."""

    created: int
    data: Any
    deleted: int = 0
    destroyed: bool = False

    def gone(self) -> bool:
        """Whether reading it gives metadata only."""
        return self.destroyed or bool(self.deleted and self.deleted <= now())

    def times(self) -> dict[str, Any]:
        """The version as metadata lists it."""
        return {
            "created_time": stamp(self.created),
            "deletion_time": stamp(self.deleted) if self.deleted else "",
            "destroyed": self.destroyed,
        }


@dataclass
class Settings:
    """What a mount and a key can set; ``delete_after`` in seconds."""

    max_versions: int = 0
    cas_required: bool = False
    delete_after: int = 0

    def update(self, body: dict[str, Any]) -> None:
        """Take over what ``body`` names."""
        self.max_versions = int(body.get("max_versions", self.max_versions))
        self.cas_required = bool(body.get("cas_required", self.cas_required))
        if "delete_version_after" in body:
            self.delete_after = seconds(body["delete_version_after"])

    def view(self) -> dict[str, Any]:
        """The settings as the API shows them."""
        return {
            "max_versions": self.max_versions,
            "cas_required": self.cas_required,
            "delete_version_after": go_duration(self.delete_after),
        }


@dataclass
class Key:
    """A secret's metadata and versions."""

    created: int = field(default_factory=now)
    updated: int = field(default_factory=now)
    current: int = 0
    oldest: int = 0
    settings: Settings = field(default_factory=Settings)
    custom: dict[str, str] | None = None
    versions: dict[int, Version] = field(default_factory=dict)


class KeyValue2:
    """One mount of the engine; ``modern`` adds what came after 1.8 (custom metadata, patch, subkeys)."""

    def __init__(self, modern: bool) -> None:
        self.modern = modern
        self.settings = Settings()
        self.keys: dict[str, Key] = {}

    def exists(self, path: str) -> bool:
        """Whether a write to ``path`` is an update (else a create)."""
        kind, _, name = path.partition("/")
        return name in self.keys if kind in ("data", "metadata") else True

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``request`` for ``path`` (relative to the mount)."""
        kind, _, name = path.partition("/")
        handler = getattr(self, f"_{kind}_{_verb(request.operation)}", None)
        if path == "config" or (kind in ("data", "metadata", "delete", "undelete", "destroy", "subkeys") and name):
            if handler is None or (kind in ("subkeys",) and not self.modern):
                raise Fault(405, "1 error occurred:\n\t* unsupported operation\n\n")
            reply: Reply = handler(request, name)
            return reply
        if kind == "metadata" and request.operation == "list":
            return self._metadata_list(request, "")
        verb = VERBS.get(request.operation, "put")
        return Reply(404, warnings=[INVALID_PATH.format(verb=verb)])

    def _config_read(self, _request: Request, _name: str) -> Reply:
        return Reply(data=self.settings.view())

    def _config_write(self, request: Request, _name: str) -> Reply:
        self.settings.update(request.body)
        return NO_CONTENT

    def _data_read(self, request: Request, name: str) -> Reply:
        key, wanted = self._wanted(request, name)
        version = key.versions[wanted]
        gone = version.gone()
        data = {"data": None if gone else version.data, "metadata": self._version_view(key, wanted)}
        return Reply(404 if gone else 200, data=data)

    def _subkeys_read(self, request: Request, name: str) -> Reply:
        key, wanted = self._wanted(request, name)
        version = key.versions[wanted]
        gone = version.gone()
        shape = None if gone else _shape(version.data)
        return Reply(404 if gone else 200, data={"subkeys": shape, "metadata": self._version_view(key, wanted)})

    def _wanted(self, request: Request, name: str) -> tuple[Key, int]:
        text = request.query.get("version", "0")
        try:
            wanted = int(text)
        except ValueError:
            reason = f"cannot parse '' as int: strconv.ParseInt: parsing \"{text}\": invalid syntax"
            raise Fault(500, listed(f'error converting input {text} for field "version": {reason}')) from None
        key = self.keys.get(name)
        number = key.current if key and wanted <= 0 else wanted
        if key is None or number not in key.versions:
            raise Fault(404)
        return key, number

    def _version_view(self, key: Key, number: int) -> dict[str, Any]:
        view = {**key.versions[number].times(), "version": number}
        return {**view, "custom_metadata": key.custom} if self.modern else view

    def _data_write(self, request: Request, name: str) -> Reply:
        if "data" not in request.body:
            raise Fault(400, "no data provided")
        self._check_and_set(request.body.get("options") or {}, name)
        return self._add(name, request.body["data"])

    def _data_patch(self, request: Request, name: str) -> Reply:
        key = self.keys.get(name)
        if key is None or key.current not in key.versions or key.versions[key.current].gone():
            raise Fault(404)
        self._check_and_set(request.body.get("options") or {}, name)
        return self._add(name, _merge(key.versions[key.current].data, request.body.get("data")))

    def _check_and_set(self, options: dict[str, Any], name: str) -> None:
        key = self.keys.get(name)
        if "cas" not in options:
            if self.settings.cas_required or (key and key.settings.cas_required):
                raise Fault(400, "check-and-set parameter required for this call")
            return
        try:
            expected = int(options["cas"])
        except (TypeError, ValueError):
            raise Fault(400, "error parsing check-and-set parameter") from None
        if expected != (key.current if key else 0):
            raise Fault(400, "check-and-set parameter did not match the current version")

    def _add(self, name: str, data: Any) -> Reply:
        key = self.keys.setdefault(name, Key())
        key.current += 1
        version = Version(created=now(), data=data)
        after = key.settings.delete_after or self.settings.delete_after
        version.deleted = version.created + after * 10**9 if after else 0
        key.versions[key.current] = version
        key.updated = version.created
        if key.current == 1:
            key.created = version.created
        limit = key.settings.max_versions or self.settings.max_versions or DEFAULT_VERSIONS
        if key.current > limit:
            key.oldest = key.current - limit + 1
            for number in [number for number in key.versions if number < key.oldest]:
                del key.versions[number]
        return Reply(data=self._version_view(key, key.current))

    def _data_delete(self, _request: Request, name: str) -> Reply:
        key = self.keys.get(name)
        if key:
            self._mark_deleted(key, [key.current])
        return NO_CONTENT

    def _delete_write(self, request: Request, name: str) -> Reply:
        numbers, key = _versions(request), self.keys.get(name)
        if key:
            self._mark_deleted(key, numbers)
        return NO_CONTENT

    def _mark_deleted(self, key: Key, numbers: list[int]) -> None:
        for version in (key.versions[number] for number in numbers if number in key.versions):
            if not version.gone():
                version.deleted = now()

    def _undelete_write(self, request: Request, name: str) -> Reply:
        numbers, key = _versions(request), self.keys.get(name, Key())
        for version in (key.versions[number] for number in numbers if number in key.versions):
            if not version.destroyed:
                version.deleted = 0
        return NO_CONTENT

    def _destroy_write(self, request: Request, name: str) -> Reply:
        numbers, key = _versions(request), self.keys.get(name, Key())
        for version in (key.versions[number] for number in numbers if number in key.versions):
            version.destroyed, version.data = True, None
        return NO_CONTENT

    def _metadata_read(self, _request: Request, name: str) -> Reply:
        key = self.keys.get(name)
        if key is None:
            raise Fault(404)
        view = {
            **key.settings.view(),
            "created_time": stamp(key.created),
            "updated_time": stamp(key.updated),
            "current_version": key.current,
            "oldest_version": key.oldest,
            "versions": {str(number): version.times() for number, version in key.versions.items()},
        }
        return Reply(data={**view, "custom_metadata": key.custom} if self.modern else view)

    def _metadata_write(self, request: Request, name: str) -> Reply:
        key = self.keys.setdefault(name, Key())
        key.settings.update(request.body)
        if "custom_metadata" in request.body:
            key.custom = request.body["custom_metadata"]
        return NO_CONTENT

    def _metadata_delete(self, _request: Request, name: str) -> Reply:
        self.keys.pop(name, None)
        return NO_CONTENT

    def _metadata_list(self, _request: Request, name: str) -> Reply:
        return Reply(data={"keys": children(list(self.keys), name)})


def children(names: list[str], prefix: str) -> list[str]:
    """Names right under ``prefix``, folders with a slash; 404 when there are none."""
    start = f"{prefix.rstrip('/')}/" if prefix else ""
    rest = [name.removeprefix(start) for name in names if name.startswith(start)]
    found = {head + slash for head, slash, _ in (name.partition("/") for name in rest)}
    if not found:
        raise Fault(404)
    return sorted(found)


def _verb(operation: str) -> str:
    return "write" if operation in ("create", "update") else operation


def _versions(request: Request) -> list[int]:
    numbers = [int(number) for number in request.body.get("versions") or []]
    if not numbers:
        raise Fault(400, "No version number provided")
    return numbers


def _shape(value: Any) -> Any:
    return {key: _shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def _merge(old: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged
