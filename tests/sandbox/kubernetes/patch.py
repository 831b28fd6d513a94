# SPDX-License-Identifier: GPL-3.0-or-later
"""The patches: JSON, merge, and strategic merge with the API's merge keys."""

from __future__ import annotations

from typing import Any

import jsonpatch
import jsonpointer

from .errors import ApiError, bad_request
from .meta import copy

Object = dict[str, Any]
# The lists that are merged by key, by the name of the field that holds them (from the API's patchMergeKey tags).
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "env": ("name",),
    "volumes": ("name",), "volumeMounts": ("mountPath",), "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",), "hostAliases": ("ip",), "conditions": ("type",), "ownerReferences": ("uid",),
    "secrets": ("name",), "topologySpreadConstraints": ("topologyKey",), "ports": ("containerPort", "port"),
    "addresses": ("type",), "taints": ("key",), "resourceClaims": ("name",), "podIPs": ("ip",),
}  # fmt: skip
SETS = {"finalizers"}  # lists of plain values that are merged as sets


def json_patch(item: Object, operations: list[Object]) -> Object:
    """RFC 6902, with the server's leniency: ``replace`` of a missing member adds it, ``remove`` of one does nothing."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result = copy(item)
    for operation in operations:
        softened = dict(operation)
        if operation.get("op") in ("replace", "remove") and _missing(result, operation.get("path", "")):
            if operation["op"] == "remove":
                continue
            softened["op"] = "add"
        try:
            result = jsonpatch.apply_patch(result, [softened])
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            text = "the server rejected our request due to an error in our request"
            raise ApiError(422, "Invalid", text, {}) from error
    return result  # type: ignore[no-any-return]


def _missing(item: Object, path: str) -> bool:
    """Whether the last member of ``path`` is absent from an object that is there."""
    pointer = jsonpointer.JsonPointer(path)
    if not pointer.parts:
        return False
    try:
        parent = jsonpointer.JsonPointer.from_parts(pointer.parts[:-1]).resolve(item)
    except jsonpointer.JsonPointerException:
        return False
    return isinstance(parent, dict) and pointer.parts[-1] not in parent


def merge_patch(target: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target: Any, change: Any, field: str = "") -> Any:
    """The API's own merge: lists of ``MERGE_KEYS`` by key, with the ``$patch`` family of directives."""
    if isinstance(change, dict):
        return _merge_objects(target if isinstance(target, dict) else {}, change)
    if isinstance(change, list):
        return _merge_lists(target if isinstance(target, list) else [], change, field)
    return change


def _merge_objects(target: Object, change: Object) -> Object:
    directive = change.get("$patch")
    if directive == "replace":
        return {key: value for key, value in change.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in change:
        result = {key: value for key, value in result.items() if key in change["$retainKeys"]}
    for key, value in change.items():
        if key in ("$patch", "$retainKeys") or key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$deleteFromPrimitiveList/"):
            name = key.partition("/")[2]
            result[name] = [held for held in result.get(name, []) if held not in value]
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = strategic_merge(result.get(key), value, key)
    for key, order in change.items():
        if key.startswith("$setElementOrder/"):
            _reorder(result, key.partition("/")[2], order)
    return result


def merge_key(field: str, items: list[Any]) -> str | None:
    """The key by which the list ``field`` is merged, if it is one of those lists."""
    candidates = MERGE_KEYS.get(field, ())
    return next((key for key in candidates if all(isinstance(item, dict) and key in item for item in items)), None)


def _merge_lists(target: list[Any], change: list[Any], field: str) -> list[Any]:
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in change):
        return [item for item in change if item.get("$patch") != "replace"]
    if field in SETS:
        return target + [value for value in change if value not in target]
    real = [item for item in change if not (isinstance(item, dict) and "$patch" in item)]
    key = merge_key(field, target + real)
    if key is None:
        return [strategic_merge(None, item) for item in change]
    doomed = [item[key] for item in change if item.get("$patch") == "delete" and key in item]
    held = {item[key]: item for item in target if item[key] not in doomed}
    patched = [strategic_merge(held.get(item[key], {}), item) for item in real]
    named = [item[key] for item in real]
    return _interleave([item for name, item in held.items() if name not in named], patched, list(held), key)


def _interleave(server: list[Object], patched: list[Object], order: list[Any], key: str) -> list[Object]:
    """The server's items in their order and the patch's in theirs; a new item goes before what the server has left."""
    result = []
    while server and patched:
        new = patched[0][key] not in order
        first = patched if new or order.index(patched[0][key]) < order.index(server[0][key]) else server
        result.append(first.pop(0))
    return result + server + patched


def _reorder(result: Object, field: str, order: list[Any]) -> None:
    items = result.get(field)
    if not isinstance(items, list):
        return
    key = merge_key(field, items)
    wanted = [entry.get(key) if isinstance(entry, dict) else entry for entry in order]

    def rank(item: Any) -> int:
        value = item.get(key) if isinstance(item, dict) else item
        return wanted.index(value) if value in wanted else len(wanted)

    items.sort(key=rank)
