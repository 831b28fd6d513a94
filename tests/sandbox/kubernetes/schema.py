# SPDX-License-Identifier: GPL-3.0-or-later
"""What fields an object may have: from the Python client's models, which are generated from the server's own API."""

from __future__ import annotations

import re
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kubernetes.client import models

from .kinds import BY_TYPE, Kind

Object = dict[str, Any]
_SPECIAL = {
    ("v1", "Event"): "CoreV1Event",
    ("events.k8s.io/v1", "Event"): "EventsV1Event",
    ("autoscaling/v1", "Scale"): "V1Scale",
    ("policy/v1", "Eviction"): "V1Eviction",
    ("authentication.k8s.io/v1", "TokenRequest"): "AuthenticationV1TokenRequest",
    ("v1", "DeleteOptions"): "V1DeleteOptions",
}
_GO_TYPES: dict[Any, str] = {int: "int32", str: "string", bool: "bool"}
_JSON_NAMES = {str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}
_EMPTY_IS_ABSENT = {"annotations", "labels", "matchLabels", "data", "nodeSelector", "stringData"}


@dataclass
class Reading:
    """The object less unknown fields, with what was wrong about it."""

    value: Object
    unknown: list[str] = field(default_factory=list)
    mismatch: str | None = None


def model_of(api_version: str, kind: str) -> Any:
    """The client's model class of a type, or None."""
    name = _SPECIAL.get((api_version, kind))
    if name is None:
        version = api_version.split("/")[-1]
        name = f"V{version[1:]}{kind}"
    return getattr(models, name, None)


@dataclass(frozen=True)
class _Type:
    """A field's type: a model, a list or map of something, a plain type, or None for anything."""

    kind: Any
    inner: _Type | None = None


def _resolve(annotation: Any) -> _Type:
    """The type behind a client's annotation: Optional and Annotated taken off."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _resolve(arguments[0])
    if origin in (typing.Union, types.UnionType):
        real = [argument for argument in arguments if argument is not type(None)]
        return _resolve(real[0]) if len(real) == 1 else _Type(None)
    if origin in (list, dict):
        return _Type(origin, _resolve(arguments[-1]))
    known = annotation in (int, str, bool) or hasattr(annotation, "model_fields")
    return _Type(annotation if known else None)


@cache
def fields(model: Any) -> dict[str, _Type]:
    """The fields of a model by their names in JSON."""
    return {info.serialization_alias or name: _resolve(info.annotation) for name, info in model.model_fields.items()}


def read(kind: Kind, item: Object) -> Reading:
    """Read ``item`` as the server decodes it: nulls and empty lists absent, unknown fields noted and dropped."""
    reading = Reading({})
    model = model_of(kind.api_version, kind.kind)
    reading.value = _object(model, item, "", reading) if model else item
    reading.value.setdefault("metadata", {})
    return reading


def _object(model: Any, value: Object, path: str, reading: Reading) -> Object:
    known = fields(model)
    out: Object = {}
    for key, inner in value.items():
        if key not in known:
            reading.unknown.append(f"{path}{key}")
            continue
        if inner is None or inner == [] or (inner == {} and key in _EMPTY_IS_ABSENT):
            continue
        go_field = f"{_go_name(model)}.{path}{key}"
        out[key] = _value(known[key], inner, f"{path}{key}", go_field, reading)
    return out


def _go_name(model: Any) -> str:
    return re.sub("^(Core|Rbac|Events|Authentication)?V[0-9]+", "", model.__name__)


def _value(declared: _Type, value: Any, path: str, go_field: str, reading: Reading) -> Any:
    kind, inner = declared.kind, declared.inner
    if kind is None:
        return value
    if kind is list and inner is not None:
        if not isinstance(value, list):
            return _mismatch(value, go_field, f"[]{_go_type(inner)}", reading)
        return [_value(inner, item, f"{path}[{i}]", go_field, reading) for i, item in enumerate(value)]
    if kind is dict and inner is not None:
        if not isinstance(value, dict):
            return _mismatch(value, go_field, f"map[string]{_go_type(inner)}", reading)
        held = {key: item for key, item in value.items() if item is not None}
        return {key: _value(inner, item, f"{path}.{key}", go_field, reading) for key, item in held.items()}
    if kind in _GO_TYPES:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return _mismatch(value, go_field, _GO_TYPES[kind], reading)
        return value
    if not isinstance(value, dict):
        return _mismatch(value, go_field, _go_type(declared), reading)
    return _object(kind, value, f"{path}.", reading)


def _go_type(declared: _Type) -> str:
    return _GO_TYPES.get(declared.kind) or (f"v1.{_go_name(declared.kind)}" if declared.kind else "interface {}")


def _mismatch(value: Any, go_field: str, go_type: str, reading: Reading) -> Any:
    if reading.mismatch is None:
        found = _JSON_NAMES.get(type(value), "value")
        reading.mismatch = f"json: cannot unmarshal {found} into Go struct field {go_field} of type {go_type}"
    return value


def kind_of(item: Object) -> Kind | None:
    """The known kind that a manifest names."""
    return BY_TYPE.get((item.get("apiVersion", ""), item.get("kind", "")))
