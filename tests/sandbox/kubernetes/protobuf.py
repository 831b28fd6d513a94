# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the few messages that kubectl sends as protobuf; answers are always JSON, which every client accepts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import ApiError

Object = dict[str, Any]
MAGIC = b"k8s\x00"
# Field numbers from the API's generated.proto files: number -> (name, type); a type is str, int, bool or a message.
_RESOURCE = {1: ("namespace", str), 2: ("verb", str), 3: ("group", str), 4: ("version", str), 5: ("resource", str),
             6: ("subresource", str), 7: ("name", str)}  # fmt: skip
_PATH = {1: ("path", str), 2: ("verb", str)}
_META = {1: ("name", str), 2: ("generateName", str), 3: ("namespace", str), 5: ("uid", str), 6: ("resourceVersion", str)}
_PRECONDITIONS = {1: ("uid", str), 2: ("resourceVersion", str)}
_DELETE = {1: ("gracePeriodSeconds", int), 2: ("preconditions", _PRECONDITIONS), 4: ("propagationPolicy", str)}
_ACCESS = {1: ("resourceAttributes", _RESOURCE), 2: ("nonResourceAttributes", _PATH)}
_TOKEN = {1: ("audiences", str), 4: ("expirationSeconds", int)}
_MESSAGES: dict[str, dict[int, tuple[str, Any]]] = {
    "SelfSubjectAccessReview": {1: ("metadata", _META), 2: ("spec", _ACCESS)},
    "SelfSubjectRulesReview": {1: ("metadata", _META), 2: ("spec", {1: ("namespace", str)})},
    "SelfSubjectReview": {1: ("metadata", _META)},
    "TokenRequest": {1: ("metadata", _META), 2: ("spec", _TOKEN)},
    "Eviction": {1: ("metadata", _META), 2: ("deleteOptions", _DELETE)},
    "DeleteOptions": _DELETE,
}


def decode(data: bytes) -> Object:
    """The object in a ``k8s\\0`` envelope; 415 for a type that is not in the table."""
    envelope = dict(_fields(data[len(MAGIC) :]))
    about = dict(_fields(envelope[1]))
    api_version, kind = about.get(1, b"").decode(), about.get(2, b"").decode()
    if kind not in _MESSAGES:
        raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    return {"apiVersion": api_version, "kind": kind, **_message(envelope.get(2, b""), _MESSAGES[kind])}


def _message(data: bytes, known: dict[int, tuple[str, Any]]) -> Object:
    found: Object = {}
    for number, value in _fields(data):
        if number not in known:
            continue
        name, kind = known[number]
        if isinstance(kind, dict):
            found[name] = _message(value, kind)
        elif kind is str:
            text = value.decode()
            if name == "audiences":
                found.setdefault(name, []).append(text)
            elif text:
                found[name] = text
        else:
            found[name] = kind(value)
    return found


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
