# SPDX-License-Identifier: GPL-3.0-or-later
"""Label and field selectors: as text in a query, as data in a spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import bad_request
from .kinds import Kind

Object = dict[str, Any]
Predicate = Callable[[Mapping[str, str]], bool]
_SET = re.compile(r"^\s*(?P<key>[\w./-]+)\s+(?P<verb>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[\w./-]+)\s*(?P<verb>==|=|!=)\s*(?P<value>[\w.-]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[\w./-]+)\s*$")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
             "status.podIP", "status.nominatedNodeName", "spec.hostNetwork"),
    "events": ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
               "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
               "reportingComponent", "source", "type"),
    "nodes": ("spec.unschedulable",),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "replicasets": ("status.replicas",),
    "services": ("spec.clusterIP", "spec.type"),
}  # fmt: skip


def _requirement(text: str) -> Predicate:
    if match := _SET.match(text):
        key, inside = match["key"], match["verb"] == "in"
        values = {value.strip() for value in match["values"].split(",")}
        return lambda labels: (labels.get(key) in values) if inside else (labels.get(key) not in values)
    if match := _EQUAL.match(text):
        key, value, equal = match["key"], match["value"], match["verb"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if match := _EXISTS.match(text):
        key, wanted = match["key"], not match["not"]
        return lambda labels: (key in labels) is wanted
    if "(" in text and ")" not in text:
        raise bad_request("unable to parse requirement: found '', expected: ',' or ')'")
    raise bad_request(f"unable to parse requirement: found '{text.strip()}', expected: identifier")


def parse_labels(text: str) -> Predicate:
    """A predicate over labels from ``a=b,c in (d,e),!f``."""
    parts = [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    wanted = [_requirement(part) for part in parts]
    return lambda labels: all(holds(labels) for holds in wanted)


def from_spec(selector: Object | None) -> Predicate:
    """A predicate from ``matchLabels``/``matchExpressions``; None selects nothing, an empty one everything."""
    if selector is None:
        return lambda _: False
    exact = selector.get("matchLabels") or {}
    wanted: list[Predicate] = []
    for expression in selector.get("matchExpressions") or []:
        key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
        text = {"In": f"{key} in ({','.join(values)})", "NotIn": f"{key} notin ({','.join(values)})", "Exists": key}
        wanted.append(_requirement(text.get(operator, f"!{key}")))
    return lambda labels: all(labels.get(k) == v for k, v in exact.items()) and all(holds(labels) for holds in wanted)


def to_text(selector: Object | None) -> str:
    """The selector in the form of a query, as Scale.status.selector holds it."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator, values = expression["key"], expression["operator"], ",".join(expression.get("values") or [])
        text = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(text.get(operator, f"!{key}"))
    return ",".join(parts)


def labels_of(item: Object) -> Mapping[str, str]:
    """The object's labels."""
    return item["metadata"].get("labels") or {}


def _field(item: Object, path: str) -> str:
    value: Any = item
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None or isinstance(value, dict) else str(value)


def parse_fields(kind: Kind, text: str) -> Callable[[Object], bool]:
    """A predicate over objects from ``metadata.name=x,status.phase!=Running``; unknown fields are refused."""
    known = {"metadata.name", "metadata.namespace", *_FIELDS.get(kind.plural, ())}
    wanted: list[tuple[str, str, bool]] = []
    for part in filter(None, text.split(",")):
        match = re.match(r"^([\w.]+)(==|=|!=)(.*)$", part.strip())
        if not match:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if match[1] not in known:
            raise bad_request(f"field label not supported: {match[1]}")
        wanted.append((match[1], match[3], match[2] != "!="))
    return lambda item: all((_field(item, path) == value) is equal for path, value, equal in wanted)
