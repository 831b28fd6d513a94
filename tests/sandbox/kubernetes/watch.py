# SPDX-License-Identifier: GPL-3.0-or-later
"""A watch: the changes of one resource as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiohttp import web

from .errors import ApiError, bad_request, gone
from .kinds import Kind
from .store import Change, Store

Object = dict[str, Any]
Predicate = Callable[[Object], bool]
BOOKMARK_INTERVAL = 30.0  # seconds without an event until a client that wants bookmarks gets one
_EMPTY_FIELDS: dict[str, Object] = {
    "pods": {"spec": {"containers": None}, "status": {}},
    "deployments": {
        "spec": {
            "replicas": 0,
            "selector": None,
            "template": {"metadata": {}, "spec": {"containers": None}},
            "strategy": {},
        },
        "status": {},
    },
}


class Watch:
    """One client's watch of ``kind`` in ``namespace`` for what ``selected`` lets pass."""

    def __init__(self, store: Store, kind: Kind, namespace: str, selected: Predicate, query: Mapping[str, str]) -> None:
        """Read the options; the resourceVersion may be refused here."""
        self.store, self.kind, self.namespace, self.selected = store, kind, namespace, selected
        self.bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        self.initial = query.get("sendInitialEvents") in ("true", "1")
        self.timeout = float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
        text = query.get("resourceVersion") or ""
        if text and not text.isdigit():
            raise _not_a_version(text)
        self.start = int(text or 0)

    async def run(self, response: web.StreamResponse, render: Callable[[Object], Object]) -> None:
        """Write events until the time is up or the client leaves."""
        if self.start and not self.initial and self.start < self.store.compacted:
            error = gone(f"too old resource version: {self.start} ({self.store.compacted})")
            await self._send(response, "ERROR", error.status())
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timeout
        with self.store.subscription() as queue:
            reached = self.store.version
            for what, item in self._beginning():
                await self._send(response, what, render(item) if what != "BOOKMARK" else item)
            while (left := end - loop.time()) > 0:
                try:
                    change = await asyncio.wait_for(queue.get(), min(left, BOOKMARK_INTERVAL))
                except TimeoutError:
                    if self.bookmarks and left > BOOKMARK_INTERVAL:
                        await self._send(response, "BOOKMARK", self._bookmark(self.store.version))
                    continue
                if change.version > max(reached, self.start) and (event := self._event(change)):
                    await self._send(response, event[0], render(event[1]))

    def _beginning(self) -> Iterator[tuple[str, Object]]:
        """What a client sees first: the state (no version, or asked for), or the changes since its version."""
        if self.start and not self.initial:
            yield from filter(None, map(self._event, self.store.since(self.start)))
            return
        for item in self.store.list(self.kind, self.namespace):
            if self.selected(item):
                yield "ADDED", item
        if self.bookmarks:
            yield "BOOKMARK", self._bookmark(self.store.version, {"k8s.io/initial-events-end": "true"})

    def _event(self, change: Change) -> tuple[str, Object] | None:
        """The change as this watch sees it: an object that comes into or leaves its selection is added or deleted."""
        if change.key != self.kind.key:
            return None
        if self.namespace and change.new["metadata"].get("namespace") != self.namespace:
            return None
        before = change.old is not None and change.type != "ADDED" and self.selected(change.old)
        after = change.type != "DELETED" and self.selected(change.new)
        if not before and not after:
            return None
        return ("MODIFIED" if before and after else "ADDED" if after else "DELETED"), change.new

    def _bookmark(self, version: int, annotations: Object | None = None) -> Object:
        metadata: Object = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        item = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": metadata}
        return item | _EMPTY_FIELDS.get(self.kind.plural, {})

    @staticmethod
    async def _send(response: web.StreamResponse, what: str, item: Object) -> None:
        await response.write(json.dumps({"type": what, "object": item}, separators=(",", ":")).encode() + b"\n")


def _not_a_version(text: str) -> ApiError:
    why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
    return bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}": {why}')


def check_version(query: Mapping[str, str], current: int, compacted: int) -> None:
    """Refuse a list at a resource version that is no number, too new, or no longer there."""
    text = query.get("resourceVersion") or "0"
    if not text.isdigit():
        raise _not_a_version(text)
    wanted = int(text)
    if wanted > current:
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        text = f"Timeout: Too large resource version: {wanted}, current: {current}"
        raise ApiError(504, "Timeout", text, {"causes": causes, "retryAfterSeconds": 1})
    if query.get("resourceVersionMatch") == "Exact" and wanted < compacted:
        raise gone("The resourceVersion for the provided list is too old.")
