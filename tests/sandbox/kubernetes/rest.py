# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs on stored resources: get, list, watch, create, update, patch, delete, deletecollection."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import yaml
from aiohttp import web

from . import errors, managed_fields, patch, schema, selectors, validation
from .call import Call, fresh
from .kinds import Kind
from .registry import Registry
from .watch import Watch, check_version

Object = dict[str, Any]
_TOO_OLD_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_RETURNED_WHEN_DELETED = ("pods", "services", "namespaces", "serviceaccounts")


class Rest:
    """Answers calls on the resources of ``registry``."""

    def __init__(self, registry: Registry) -> None:
        """Read from and write to the registry's store."""
        self.registry, self.store = registry, registry.store

    async def answer(self, call: Call) -> web.StreamResponse:
        """The answer to a call without a subresource (or on ``status``)."""
        if call.verb not in call.kind.verbs or (call.request.method == "POST" and call.name):
            raise errors.method_not_allowed()
        if call.watching:
            return await self._watch(call)
        verb: Callable[[Call], Any] = getattr(self, f"_{call.verb}")
        body, status = await verb(call)
        return call.answer(body, status)

    def _selected(self, call: Call) -> Callable[[Object], bool]:
        labels = selectors.parse_labels(call.query.get("labelSelector", ""))
        fields = selectors.parse_fields(call.kind, call.query.get("fieldSelector", ""))
        name = call.name
        return lambda item: (
            labels(selectors.labels_of(item)) and fields(item) and (not name or item["metadata"]["name"] == name)
        )

    async def _get(self, call: Call) -> tuple[Object, int]:
        return call.render(self.store.get(call.kind, call.namespace, call.name)), 200

    async def _list(self, call: Call) -> tuple[Object, int]:
        check_version(call.query, self.store.version, self.store.compacted)
        selected = self._selected(call)
        items = [item for item in self.store.list(call.kind, call.namespace) if selected(item)]
        metadata: Object = {"resourceVersion": str(self.store.version)}
        start = self._after_token(call.query.get("continue", ""))
        if start is not None:
            items = [item for item in items if _place(item) > start[1]]
            metadata["resourceVersion"] = str(start[0])
        limit = int(call.query.get("limit") or 0)
        if 0 < limit < len(items):
            token = {
                "v": "meta.k8s.io/v1",
                "rv": int(metadata["resourceVersion"]),
                "start": f"{_place(items[limit - 1])}\0",
            }
            encoded = base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).decode().rstrip("=")
            metadata |= {"continue": encoded, "remainingItemCount": len(items) - limit}
            if call.query.get("labelSelector") or call.query.get("fieldSelector"):
                del metadata["remainingItemCount"]
            items = items[:limit]
        return call.render_list(items, metadata), 200

    def _after_token(self, token: str) -> tuple[int, str] | None:
        """The resource version and the place that a continue token stands for."""
        if not token:
            return None
        try:
            read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            version, start = int(read["rv"]), str(read["start"]).rstrip("\0")
        except (ValueError, KeyError, TypeError) as error:
            raise errors.bad_request("continue key is not valid: " + str(error)) from error
        if 0 < version < self.store.compacted:
            newer = json.dumps({**read, "rv": -1}, separators=(",", ":")).encode()
            raise errors.gone(_TOO_OLD_TOKEN, **{"continue": base64.urlsafe_b64encode(newer).decode().rstrip("=")})
        return (version if version > 0 else self.store.version), start

    async def _watch(self, call: Call) -> web.StreamResponse:
        watch = Watch(self.store, call.kind, call.namespace, self._selected(call), call.query)
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.enable_chunked_encoding()
        await response.prepare(call.request)
        with contextlib.suppress(ConnectionError):  # a client that leaves
            await watch.run(response, call.render)
        return response

    async def _create(self, call: Call) -> tuple[Object, int]:
        body = await call.body()
        item = self._read(call, body)
        named = item["metadata"].get("namespace")
        if call.kind.namespaced:
            if named and named != call.namespace:
                text = "the namespace of the provided object does not match the namespace sent on the request"
                raise errors.bad_request(text)
            item["metadata"]["namespace"] = call.namespace
        made = self.registry.create(call.kind, item, manager=call.manager, dry_run=call.dry_run)
        return call.render(made), 201

    def _read(self, call: Call, body: Object, source: Object | None = None, kind: Kind | None = None) -> Object:
        """The body as an object of the call's kind."""
        kind = kind or call.kind
        found = (body.get("apiVersion", kind.api_version), body.get("kind", kind.kind))
        if found != (kind.api_version, kind.kind):
            expected = (
                f"the API version in the data ({found[0]}) does not match the expected API version ({kind.api_version})"
            )
            raise errors.bad_request(expected if found[0] != kind.api_version else f"{found[1]} is not a {kind.kind}")
        item = call.checked(schema.read(kind, body), source)
        item = {"kind": kind.kind, "apiVersion": kind.api_version, **item}
        validation.check_times(kind, item)
        return item

    async def _update(self, call: Call) -> tuple[Object, int]:
        item = self._read(call, await call.body())
        if item["metadata"].setdefault("name", call.name) != call.name:
            text = (
                f"the name of the object ({item['metadata']['name']}) does not match the name on the URL ({call.name})"
            )
            raise errors.bad_request(text)
        item["metadata"]["namespace"] = call.namespace
        new = self.registry.update(
            call.kind, item, subresource=call.subresource, manager=call.manager, dry_run=call.dry_run, conditional=True
        )
        return call.render(new), 200

    async def _patch(self, call: Call) -> tuple[Object, int]:
        if call.request.content_type == "application/apply-patch+yaml":
            return await self._apply(call)
        await call.raw()  # first: nothing may happen between reading the object and writing it
        live = self.store.get(call.kind, call.namespace, call.name)
        patched = await patched_object(call, live)
        item = self._read(call, patched, patched)
        item["metadata"].setdefault("namespace", call.namespace)
        new = self.registry.update(
            call.kind, item, subresource=call.subresource, manager=call.manager, dry_run=call.dry_run
        )
        return call.render(new), 200

    async def _apply(self, call: Call) -> tuple[Object, int]:
        if not call.query.get("fieldManager"):
            cause = errors.Cause.required("fieldManager", "is required for apply patch")
            raise errors.invalid(Kind("meta.k8s.io", "v1", "", "PatchOptions"), "", [cause])
        applied = self._read(call, yaml.safe_load(await call.raw()))
        applied["metadata"].update(name=call.name, **({"namespace": call.namespace} if call.kind.namespaced else {}))
        live = self.store.find(call.kind, call.namespace, call.name)
        force = call.query.get("force") == "true"
        applied.pop("status", None)
        merged = managed_fields.apply(call.kind, live, applied, call.manager, force=force)
        if live is None:
            fields = merged["metadata"]["managedFields"]
            made = self.registry.create(call.kind, merged, dry_run=call.dry_run)
            made = fresh(made)
            made["metadata"]["managedFields"] = fields
            return call.render(made if call.dry_run else self.store.update(call.kind, made)), 201
        options = {"manager": call.manager, "dry_run": call.dry_run, "operation": "Apply"}
        return call.render(self.registry.update(call.kind, merged, subresource=call.subresource, **options)), 200

    async def _delete(self, call: Call) -> tuple[Object, int]:
        options = await self._delete_options(call)
        item = self.store.get(call.kind, call.namespace, call.name)
        left, gone = self.registry.delete(call.kind, item, options, dry_run=call.dry_run)
        if not gone or call.kind.plural in _RETURNED_WHEN_DELETED:
            return call.render(left), 200
        about = errors.details(call.kind, call.name, uid=item["metadata"]["uid"])
        return errors.success(details=about), 200

    async def _deletecollection(self, call: Call) -> tuple[Object, int]:
        options = await self._delete_options(call)
        selected = self._selected(call)
        items = [item for item in self.store.list(call.kind, call.namespace) if selected(item)]
        metadata = {"resourceVersion": str(self.store.version)}
        for item in items:
            self.registry.delete(call.kind, item, options, dry_run=call.dry_run)
        return call.render_list(items, metadata), 200

    @staticmethod
    async def _delete_options(call: Call) -> Object:
        options = await call.body()
        for name in ("gracePeriodSeconds", "propagationPolicy"):
            if name in call.query:
                options[name] = int(call.query[name]) if name == "gracePeriodSeconds" else call.query[name]
        if options.get("dryRun") == ["All"]:
            call.request = call.request.clone(rel_url=call.request.rel_url.update_query(dryRun="All"))
        return options


def _place(item: Object) -> str:
    """The place of an object in the order of its list."""
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


async def patched_object(call: Call, live: Object) -> Object:
    """``live`` after the call's patch, whatever its content type."""
    kind = call.request.content_type
    if kind not in (
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ):
        raise errors.ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    data = await call.raw()
    try:
        change = json.loads(data)
    except ValueError as error:
        wrong = data.decode(errors="replace").strip()[1:2] or "end of input"
        text = f"error decoding patch: invalid character '{wrong}' looking for beginning of object key string"
        raise errors.bad_request(text) from error
    if kind == "application/json-patch+json":
        return patch.json_patch(live, change)
    merged = (
        patch.merge_patch(live, change) if kind.startswith("application/merge") else patch.strategic_merge(live, change)
    )
    return fresh(merged)
