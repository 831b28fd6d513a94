# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals of objects that make no sense: 422 with the server's causes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from . import selectors
from .errors import Cause, bad_request, invalid
from .kinds import Kind

Object = dict[str, Any]
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_MICRO_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d{6})?(?P<zone>Z|[+-]\d\d:\d\d)$")
ANNOTATIONS_LIMIT = 256 * 1024
DATA_LIMIT = 1024 * 1024
_WORKLOADS = ("deployments", "replicasets", "statefulsets", "daemonsets")


def validate(kind: Kind, item: Object, old: Object | None = None) -> None:
    """Raise the 422 with every cause; ``old`` is the object before an update."""
    causes = list(_metadata(kind, item, old))
    if kind.plural in _WORKLOADS:
        causes += _workload(item)
        causes += _immutable_selector(item, old) if kind.plural != "statefulsets" else _immutable_spec(item, old)
    elif kind.plural == "pods":
        causes += _containers(item["spec"], "spec")
    elif kind.plural == "leases":
        causes += _lease(item)
    elif kind.plural == "services":
        causes += _service(item)
    if kind.plural in ("configmaps", "secrets") and _data_size(item) > DATA_LIMIT:
        causes.append(Cause.too_long("[]" if kind.plural == "configmaps" else "data", DATA_LIMIT))
    if causes:
        raise invalid(kind, item["metadata"].get("name", ""), causes)


def _metadata(kind: Kind, item: Object, old: Object | None) -> Iterator[Cause]:
    metadata = item["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
    elif old is None and kind.group != "rbac.authorization.k8s.io" and not _SUBDOMAIN.match(name):
        yield Cause.invalid("metadata.name", name, _SUBDOMAIN_TEXT)
    size = sum(len(key) + len(value) for key, value in (metadata.get("annotations") or {}).items())
    if size > ANNOTATIONS_LIMIT:
        yield Cause.too_long("metadata.annotations", ANNOTATIONS_LIMIT, times=3 if old and kind.group == "apps" else 1)


def _workload(item: Object) -> Iterator[Cause]:
    spec = item["spec"]
    replicas = spec.get("replicas", 0)
    if replicas < 0:
        yield Cause.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
    if "selector" not in spec:
        yield Cause.required("spec.selector")
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels")
    if not selectors.from_spec(spec.get("selector"))(labels or {}):
        yield Cause.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from _containers(template.get("spec", {}), "spec.template.spec")


def _containers(spec: Object, path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield Cause.required(f"{path}.containers")
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field, [])):
            if not container.get("name"):
                yield Cause.required(f"{path}.{field}[{index}].name")
            if not container.get("image"):
                yield Cause.required(f"{path}.{field}[{index}].image")


def _immutable_selector(item: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and old["spec"].get("selector") != item["spec"].get("selector"):
        yield Cause.invalid("spec.selector", item["spec"].get("selector"), "field is immutable")


_CHANGEABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _immutable_spec(item: Object, old: Object | None) -> Iterator[Cause]:
    """A StatefulSet's claims, selector and service are for ever."""
    if old is None:
        return
    fixed = [{key: value for key, value in found["spec"].items() if key not in _CHANGEABLE} for found in (item, old)]
    if fixed[0] != fixed[1]:
        names = ", ".join(f"'{name}'" for name in _CHANGEABLE[:-1])
        text = f"updates to statefulset spec for fields other than {names} and '{_CHANGEABLE[-1]}' are forbidden"
        yield Cause("spec", "FieldValueForbidden", f"Forbidden: {text}")


def _lease(item: Object) -> Iterator[Cause]:
    duration = item.get("spec", {}).get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        yield Cause.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")


def _service(item: Object) -> Iterator[Cause]:
    spec = item["spec"]
    if not spec.get("ports") and spec.get("clusterIP") != "None":
        yield Cause.required("spec.ports")


def _data_size(item: Object) -> int:
    held = (*(item.get("data") or {}).values(), *(item.get("binaryData") or {}).values())
    return sum(len(value) for value in held)


def check_times(kind: Kind, item: Object) -> None:
    """Refuse a Lease's time without a fraction of six digits, as Go's MicroTime does."""
    if kind.plural != "leases":
        return
    for key in ("acquireTime", "renewTime"):
        value = (item.get("spec") or {}).get(key)
        match = _MICRO_TIME.match(value) if value else None
        if value and not (match and match["fraction"]):
            rest = match["zone"] if match else value
            raise bad_request(
                f'Lease in version "v1" cannot be handled as a Lease: parsing time {json.dumps(value)} as '
                f'"2006-01-02T15:04:05.000000Z07:00": cannot parse {json.dumps(rest)} as ".000000"'
            )
