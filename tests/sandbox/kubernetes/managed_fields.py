# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns which field: the bookkeeping behind server-side apply and its conflicts."""

from __future__ import annotations

import json
from typing import Any

from .errors import ApiError
from .kinds import Kind
from .meta import copy, now
from .patch import SETS, merge_key

Object = dict[str, Any]
Path = tuple[str, ...]
_NEVER = {"apiVersion", "kind", "resourceVersion", "uid", "creationTimestamp", "generation", "name", "namespace",
          "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}  # fmt: skip


def _item_key(field: str, key: str, item: Object) -> str:
    keys = ("containerPort", "protocol") if field == "ports" and "containerPort" in item else (key,)
    if field == "ports" and "port" in item:
        keys = ("port", "protocol")
    return "k:" + json.dumps({name: item[name] for name in keys if name in item}, separators=(",", ":"), sort_keys=True)


def leaves(value: Any, field: str = "", path: Path = ()) -> dict[Path, Any]:
    """Every leaf of an object with the path that FieldsV1 gives it; atomic lists are leaves."""
    if isinstance(value, dict) and value:
        found: dict[Path, Any] = {}
        for key, inner in value.items():
            if not (len(path) <= 1 and key in _NEVER):
                found.update(leaves(inner, key, (*path, f"f:{key}")))
        return found
    if isinstance(value, list) and value:
        if field in SETS:
            return {(*path, "v:" + json.dumps(item)): item for item in value}
        key = merge_key(field, value)
        if key:
            found = {}
            for item in value:
                place = (*path, _item_key(field, key, item))
                found[(*place, ".")] = None
                found.update(leaves(item, "", place) if len(path) > 1 else {place: item})
            return found
    return {path: value} if path else {}


def _pack(paths: set[Path]) -> Object:
    fields: Object = {}
    for path in sorted(paths):
        place = fields
        for part in path:
            place = place.setdefault(part, {})
    return fields


def _unpack(fields: Object, path: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for key, inner in fields.items():
        found |= _unpack(inner, (*path, key)) if inner else {(*path, key)}
    return found


def owned(entry: Object) -> set[Path]:
    """The paths of one managedFields entry."""
    return _unpack(entry.get("fieldsV1", {}))


def _entry(entries: list[Object], manager: str, operation: str, subresource: str, api_version: str) -> Object:
    for entry in entries:
        if (entry["manager"], entry["operation"], entry.get("subresource", "")) == (manager, operation, subresource):
            return entry
    entry = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": now()}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": {}} | ({"subresource": subresource} if subresource else {})
    entries.append(entry)
    return entry


def record(kind: Kind, old: Object, new: Object, manager: str, operation: str, subresource: str = "") -> None:
    """Give the fields that a write changed to its ``manager``; an applier has its own already (:func:`apply`)."""
    entries = copy(new["metadata"].get("managedFields") or []) if operation == "Apply" else copy(
        old["metadata"].get("managedFields") or []
    )  # fmt: skip
    before, after = leaves(old), leaves(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    for entry in entries:
        mine = operation == "Apply" and entry["operation"] == "Apply" and entry["manager"] == manager
        kept = {path for path in owned(entry) if path in after and (mine or path not in changed)}
        entry["fieldsV1"] = _pack(kept)
    if changed and manager and operation != "Apply":
        entry = _entry(entries, manager, operation, subresource, kind.api_version)
        entry["fieldsV1"] = _pack(owned(entry) | changed)
        entry["time"] = now()
    entries = [entry for entry in entries if entry["fieldsV1"]]
    new["metadata"].pop("managedFields", None)
    if entries:
        new["metadata"]["managedFields"] = entries


def apply(
    kind: Kind, live: Object | None, applied: Object, manager: str, *, force: bool, subresource: str = ""
) -> Object:
    """Server-side apply: the object after ``manager`` said what it wants; 409 names the fields that others own."""
    base = copy(live) if live else {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
    entries = base["metadata"].get("managedFields") or []
    mine = _entry(entries, manager, "Apply", subresource, kind.api_version)
    wanted, present = leaves(applied), leaves(base)
    conflicts = [
        (entry, path)
        for entry in entries
        if entry is not mine
        for path in sorted(owned(entry) & set(wanted))
        if present.get(path) != wanted[path] and not path[-1].startswith((".", "k:"))
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    others = set().union(*(owned(entry) for entry in entries if entry is not mine))
    for path in sorted(owned(mine) - set(wanted) - others, key=len, reverse=True):
        _remove(base, path)
    result = _merge(base, applied, "")
    mine["fieldsV1"] = _pack(set(wanted))
    mine["time"] = now()
    result["metadata"]["managedFields"] = entries
    return result


def _merge(target: Any, change: Any, field: str) -> Any:
    if isinstance(change, dict) and isinstance(target, dict):
        return {**target, **{key: _merge(target.get(key), value, key) for key, value in change.items()}}
    if isinstance(change, list) and isinstance(target, list):
        if field in SETS:
            return target + [value for value in change if value not in target]
        key = merge_key(field, target + change)
        if key:
            held = {item[key]: item for item in target}
            merged = {item[key]: _merge(held.get(item[key]), item, "") for item in change}
            return [merged.get(name, item) for name, item in held.items()] + [
                merged[n] for n in merged if n not in held
            ]
    return copy(change)


def _remove(item: Any, path: Path) -> None:
    """Take away what ``path`` points at, if it is there."""
    head, rest = path[0], path[1:]
    if head.startswith("k:") and isinstance(item, list):
        wanted = json.loads(head[2:])
        for index, inner in enumerate(item):
            if all(inner.get(key) == value for key, value in wanted.items()):
                if rest in ((), (".",)):
                    del item[index]
                else:
                    _remove(inner, rest)
                return
    elif head.startswith("v:") and isinstance(item, list):
        item[:] = [value for value in item if value != json.loads(head[2:])]
    elif head.startswith("f:") and isinstance(item, dict) and head[2:] in item:
        if rest:
            _remove(item[head[2:]], rest)
        else:
            del item[head[2:]]


def _readable(path: Path) -> str:
    text = ""
    for part in path:
        if part.startswith("f:"):
            text += f".{part[2:]}"
        elif part.startswith("k:"):
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(part[2:]).items()) + "]"
    return text


def _conflict(conflicts: list[tuple[Object, Path]]) -> ApiError:
    causes, texts = [], []
    for entry, path in conflicts:
        about = f'conflict with "{entry["manager"]}"'
        if entry.get("subresource"):
            about += f' with subresource "{entry["subresource"]}"'
        about += f" using {entry['apiVersion']}"
        causes.append({"reason": "FieldManagerConflict", "message": about, "field": _readable(path)})
        texts.append(f"{about}: {_readable(path)}")
    plural = "" if len(conflicts) == 1 else "s"
    text = texts[0] if len(texts) == 1 else "conflicts " + ", ".join(texts)
    return ApiError(409, "Conflict", f"Apply failed with {len(conflicts)} conflict{plural}: {text}", {"causes": causes})
