# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``scale`` subresource: the replica count of a workload behind a shape of its own."""

from __future__ import annotations

from typing import Any

import yaml
from aiohttp import web

from . import managed_fields, schema, selectors
from .call import Call, fresh
from .errors import Cause, conflict, invalid, method_not_allowed
from .kinds import SCALE
from .registry import Registry
from .rest import patched_object

Object = dict[str, Any]


def view(item: Object) -> Object:
    """The Scale of a workload; a count of 0 leaves ``spec`` empty."""
    metadata = {
        key: item["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    spec: Object = {"replicas": item["spec"]["replicas"]} if item["spec"].get("replicas") else {}
    status: Object = {"replicas": item.get("status", {}).get("replicas", 0)}
    if text := selectors.to_text(item["spec"].get("selector")):
        status["selector"] = text
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


async def answer(registry: Registry, call: Call) -> web.Response:
    """GET, PUT or PATCH the scale."""
    if call.verb not in call.kind.subresources["scale"]:
        raise method_not_allowed()
    await call.raw()  # first: nothing may happen between reading the object and writing it
    item = registry.store.get(call.kind, call.namespace, call.name)
    if call.verb == "get":
        return call.answer(view(item))
    wanted = await _wanted(call, item)
    replicas = wanted.get("spec", {}).get("replicas", 0)
    if replicas < 0:
        cause = Cause.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(SCALE, call.name, [cause])
    expected = wanted["metadata"].get("resourceVersion")
    if expected and expected != item["metadata"]["resourceVersion"]:
        raise conflict(call.kind, call.name)
    new = fresh(item)
    new["spec"]["replicas"] = replicas
    operation = "Apply" if call.request.content_type.startswith("application/apply") else "Update"
    if operation == "Apply":
        only = {"metadata": {}, "spec": {"replicas": replicas}}
        new = managed_fields.apply(
            call.kind, item, only, call.manager, force=call.query.get("force") == "true", subresource="scale"
        )
    stored = registry.update(
        call.kind, new, manager=call.manager, dry_run=call.dry_run, operation=operation, subresource="scale"
    )
    return call.answer(view(stored))


async def _wanted(call: Call, item: Object) -> Object:
    """The Scale that the caller sends or whose patch it sends."""
    if call.verb == "update":
        return call.checked(schema.read(SCALE, await call.body(SCALE)))
    if call.request.content_type == "application/apply-patch+yaml":
        return call.checked(schema.read(SCALE, yaml.safe_load(await call.raw())))
    patched = await patched_object(call, view(item))
    return call.checked(schema.read(SCALE, patched), patched)
