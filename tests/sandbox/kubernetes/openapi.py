# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAPI in outline: the PATCH operations, by which kubectl learns of server-side dry runs and field validation."""

from __future__ import annotations

import json
from typing import Any

from .discovery import VERSION, of
from .kinds import GROUP_VERSIONS, Kind

Object = dict[str, Any]
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_INFO = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
_VERSIONS = (("", "v1"), *GROUP_VERSIONS)
_EXTENSION = "x-kubernetes-group-version-kind"
_PARAMETERS = ("dryRun", "fieldValidation")


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def _path(kind: Kind) -> str:
    space = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"/{_prefix(kind.group, kind.version)}{space}/{kind.plural}/{{name}}"


def _type(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def v3() -> Object:
    """The list of the OpenAPI 3 documents."""
    paths = [_prefix(*version) for version in _VERSIONS]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=sandbox"} for path in paths}}


def v3_document(group: str, version: str) -> Object:
    """One group's OpenAPI 3 document."""
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in _PARAMETERS]
    paths = {
        _path(kind): {"patch": {"parameters": parameters, _EXTENSION: _type(kind), "responses": {}}}
        for kind in of(group, version)
    }
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": {}}}


def v2() -> Object:
    """The OpenAPI 2 document of everything, as JSON."""
    parameters = [{"name": name, "in": "query", "type": "string"} for name in _PARAMETERS]
    paths = {
        _path(kind): {"patch": {"parameters": parameters, _EXTENSION: _type(kind), "responses": {}}}
        for version in _VERSIONS
        for kind in of(*version)
    }
    return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": {}}


def v2_protobuf() -> bytes:
    """The same document as protobuf (gnostic's ``Document``), which is all that kubectl before 1.25 reads."""
    document = v2()
    paths = b""
    for path, item in document["paths"].items():
        operation = b""
        for parameter in item["patch"]["parameters"]:
            query = _field(4, parameter["name"]) + _field(2, "query") + _field(6, parameter["type"])
            operation += _field(8, _field(1, _field(2, _field(3, query))))  # item, parameter, not in the body, query
        operation += _field(13, _field(1, _EXTENSION) + _field(2, _field(2, json.dumps(item["patch"][_EXTENSION]))))
        paths += _field(2, _field(1, path) + _field(2, _field(8, operation)))
    info = _field(1, document["info"]["title"]) + _field(2, document["info"]["version"])
    return _field(1, document["swagger"]) + _field(2, info) + _field(8, paths)


def _field(number: int, value: str | bytes) -> bytes:
    """One length-delimited field."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
