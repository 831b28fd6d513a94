# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects, their resource versions, the history that watches read, and the subscriptions to it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import already_exists, conflict, not_found
from .kinds import Kind
from .meta import copy

Object = dict[str, Any]
_log = logging.getLogger(__name__)
HISTORY = 20_000  # changes kept; a watch from before them is told 410
FIRST_VERSION = 1000  # what came before is "compacted", as on a cluster that has lived for a while


@dataclass(frozen=True)
class Change:
    """One write: ADDED, MODIFIED or DELETED at ``version``; ``old`` is the object before it."""

    version: int
    type: str
    key: str
    new: Object
    old: Object | None


class Store:
    """Objects in memory. What is handed out is shared: callers copy before they change anything."""

    def __init__(self) -> None:
        """Begin empty, with a past that is compacted."""
        self.version = FIRST_VERSION
        self.compacted = FIRST_VERSION
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque()
        self._listeners: list[Callable[[Change], None]] = []

    def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self._objects.get(kind.key, {}).get((namespace if kind.namespaced else "", name))

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object; 404 without it."""
        found = self.find(kind, namespace, name)
        if found is None:
            raise not_found(kind, name)
        return found

    def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        """All objects (of ``namespace``), in the order of the server's keys."""
        return [
            item
            for (space, _), item in sorted(self._objects.get(kind.key, {}).items(), key=lambda pair: pair[0])
            if not namespace or space == namespace
        ]

    def create(self, kind: Kind, item: Object) -> Object:
        """Keep a new object under its name."""
        place = self._place(kind, item)
        objects = self._objects.setdefault(kind.key, {})
        if place in objects:
            raise already_exists(kind, place[1])
        return self._write(kind, place, "ADDED", copy(item), None)

    def update(self, kind: Kind, item: Object, expected: str | None = None) -> Object:
        """Replace the object; no write when nothing changed, 409 when it is not at ``expected`` any more."""
        place = self._place(kind, item)
        old = self.get(kind, *place)
        if expected and expected != old["metadata"]["resourceVersion"]:
            raise conflict(kind, place[1])
        new = copy(item)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if new == old:
            return old
        return self._write(kind, place, "MODIFIED", new, old)

    def remove(self, kind: Kind, item: Object) -> Object:
        """Take the object away; its last version carries the number of the removal."""
        place = self._place(kind, item)
        old = self.get(kind, *place)
        new = copy(item)
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        del self._objects[kind.key][place]
        self._tell(Change(self.version, "DELETED", kind.key, new, old))
        return new

    def since(self, version: int) -> Iterator[Change]:
        """The changes after ``version``."""
        return (change for change in list(self._history) if change.version > version)

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call ``listener`` with every change from now on."""
        self._listeners.append(listener)

    @contextmanager
    def subscription(self) -> Iterator[asyncio.Queue[Change]]:
        """A queue of every change while the context lasts."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._listeners.append(queue.put_nowait)
        try:
            yield queue
        finally:
            self._listeners.remove(queue.put_nowait)

    @staticmethod
    def _place(kind: Kind, item: Object) -> tuple[str, str]:
        metadata = item["metadata"]
        return (metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])

    def _write(self, kind: Kind, place: tuple[str, str], what: str, new: Object, old: Object | None) -> Object:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._objects[kind.key][place] = new
        self._tell(Change(self.version, what, kind.key, new, old))
        return new

    def _tell(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > HISTORY:
            self.compacted = self._history.popleft().version
        for listener in list(self._listeners):
            try:
                listener(change)
            except Exception:  # noqa: BLE001 - who cannot bear a change must not keep it from the others
                _log.exception("%s %s", change.type, change.key)
