# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the few messages that kubectl sends as protobuf; answers are always JSON, which every client accepts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .errors import ApiError

Object = dict[str, Any]
MAGIC = b"k8s\x00"
# Field numbers from the API's generated.proto files: number -> (name, type). A type is str, int, a message (a table
# like this one), a list of one type, or a map (its values' type in a set).
_Fields = dict[int, tuple[str, Any]]
_RESOURCE: _Fields = {1: ("namespace", str), 2: ("verb", str), 3: ("group", str), 4: ("version", str),
                      5: ("resource", str), 6: ("subresource", str), 7: ("name", str)}  # fmt: skip
_PATH: _Fields = {1: ("path", str), 2: ("verb", str)}
_META: _Fields = {1: ("name", str), 2: ("generateName", str), 3: ("namespace", str), 5: ("uid", str),
                  6: ("resourceVersion", str), 11: ("labels", {str}), 12: ("annotations", {str})}  # fmt: skip
_PRECONDITIONS: _Fields = {1: ("uid", str), 2: ("resourceVersion", str)}
_DELETE: _Fields = {1: ("gracePeriodSeconds", int), 2: ("preconditions", _PRECONDITIONS), 4: ("propagationPolicy", str)}
_ACCESS: _Fields = {1: ("resourceAttributes", _RESOURCE), 2: ("nonResourceAttributes", _PATH)}
_TOKEN: _Fields = {1: ("audiences", [str]), 4: ("expirationSeconds", int)}
_INT_OR_STRING: _Fields = {1: ("type", int), 2: ("int", int), 3: ("str", str)}
_SELECTOR: _Fields = {1: ("matchLabels", {str})}
_BUDGET: _Fields = {
    1: ("minAvailable", _INT_OR_STRING),
    2: ("selector", _SELECTOR),
    3: ("maxUnavailable", _INT_OR_STRING),
}
_RULE: _Fields = {1: ("verbs", [str]), 2: ("apiGroups", [str]), 3: ("resources", [str]), 4: ("resourceNames", [str]),
                  5: ("nonResourceURLs", [str])}  # fmt: skip
_SUBJECT: _Fields = {1: ("kind", str), 2: ("apiGroup", str), 3: ("name", str), 4: ("namespace", str)}
_ROLE_REF: _Fields = {1: ("apiGroup", str), 2: ("kind", str), 3: ("name", str)}
_ROLE: _Fields = {1: ("metadata", _META), 2: ("rules", [_RULE])}
_BINDING: _Fields = {1: ("metadata", _META), 2: ("subjects", [_SUBJECT]), 3: ("roleRef", _ROLE_REF)}
_CONTAINER: _Fields = {1: ("name", str), 2: ("image", str), 3: ("command", [str]), 4: ("args", [str]),
                       6: ("ports", [{1: ("name", str), 3: ("containerPort", int)}])}  # fmt: skip
_POD: _Fields = {2: ("containers", [_CONTAINER]), 3: ("restartPolicy", str)}
_TEMPLATE: _Fields = {1: ("metadata", _META), 2: ("spec", _POD)}
_DEPLOYMENT: _Fields = {1: ("replicas", int), 2: ("selector", _SELECTOR), 3: ("template", _TEMPLATE)}
_MESSAGES: dict[str, _Fields] = {
    "SelfSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _ACCESS)},
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", str)})},
    "SelfSubjectReview": {1: ("metadata", _META)},
    "TokenRequest": {1: ("metadata", _META), 2: ("spec", _TOKEN)},
    "Eviction": {1: ("metadata", _META), 2: ("deleteOptions", _DELETE)},
    "DeleteOptions": _DELETE,
    "Namespace": {1: ("metadata", _META)},
    "ServiceAccount": {1: ("metadata", _META)},
    "ConfigMap": {1: ("metadata", _META), 2: ("data", {str})},
    "Secret": {1: ("metadata", _META), 2: ("data", {bytes}), 3: ("type", str)},
    "ResourceQuota": {1: ("metadata", _META), 2: ("spec", {1: ("hard", {"quantity"})})},
    "PodDisruptionBudget": {1: ("metadata", _META), 2: ("spec", _BUDGET)},
    "Deployment": {1: ("metadata", _META), 2: ("spec", _DEPLOYMENT)},
    "Job": {1: ("metadata", _META), 2: ("spec", {6: ("template", _TEMPLATE)})},
    "Role": _ROLE, "ClusterRole": _ROLE, "RoleBinding": _BINDING, "ClusterRoleBinding": _BINDING,
}  # fmt: skip


def decode(data: bytes) -> Object:
    """The object in a ``k8s\\0`` envelope; 415 for a type that is not in the table."""
    envelope = dict(_fields(data[len(MAGIC) :]))
    about = dict(_fields(envelope[1]))
    api_version, kind = about.get(1, b"").decode(), about.get(2, b"").decode()
    if kind not in _MESSAGES:
        raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    return {"apiVersion": api_version, "kind": kind, **_message(envelope.get(2, b""), _MESSAGES[kind])}


def _message(data: bytes, known: _Fields) -> Object:
    found: Object = {}
    for number, value in _fields(data):
        if number not in known:
            continue
        name, kind = known[number]
        if isinstance(kind, list):
            found.setdefault(name, []).append(_value(value, kind[0]))
        elif isinstance(kind, set):
            entry = dict(_fields(value))
            found.setdefault(name, {})[entry[1].decode()] = _value(entry.get(2, b""), next(iter(kind)))
        elif kind is _INT_OR_STRING:
            parts = _message(value, kind)
            found[name] = parts.get("str", "") if parts.get("type") else parts.get("int", 0)
        elif (read := _value(value, kind)) != "":
            found[name] = read
    return found


def _value(value: Any, kind: Any) -> Any:
    if isinstance(kind, dict):
        return _message(value, kind)
    if kind == "quantity":
        return _message(value, {1: ("string", str)}).get("string", "0")
    if kind is bytes:
        return base64.b64encode(value).decode()
    return value.decode() if kind is str else kind(value)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
        elif wire == 2:
            size, position = _varint(data, position)
            yield number, data[position : position + size]
            position += size
        else:
            position += 8 if wire == 1 else 4


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
