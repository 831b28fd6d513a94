# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a local copy of a few lists of the API server current by watching them, so that waiting costs no polling."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

from .client import ApiError, Cluster, Json, Watch

WATCH_SECONDS = 60
PAUSE = 0.5
"""Seconds between attempts after a broken watch; a stale one (410) is listed again at once."""


class Mirror:
    """Lists ``{name: (path, query)}`` of a cluster, followed by a thread each from ``__enter__`` to ``__exit__``."""

    def __init__(self, cluster: Cluster, lists: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
        self._cluster = cluster
        self._lists = lists
        self._items: dict[str, dict[str, Json]] = {}
        self._watches: dict[str, Watch] = {}
        self._changed = threading.Condition()
        self._version = 0
        self._stopping = False
        self._refused: ApiError | None = None

    def __enter__(self) -> Mirror:
        for name in self._lists:
            threading.Thread(target=self._follow, args=(name,), name=f"watch {name}", daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            watches = list(self._watches.values())
        for watch in watches:
            watch.stop()

    def snapshot(self, seen: int, timeout: float) -> tuple[int, dict[str, list[Json]]]:
        """Wait at most ``timeout`` seconds for a state newer than ``seen``; its number and all lists.

        Before every list is there the lists are empty dicts' worth: no names. Raises what the server refused.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._version > seen or self._refused is not None, timeout)
            if self._refused:
                raise self._refused
            complete = len(self._items) == len(self._lists)
            lists = {name: list(items.values()) for name, items in self._items.items()} if complete else {}
            return self._version, lists

    def _follow(self, name: str) -> None:
        while not self._stopping:
            try:
                self._list_and_watch(name)
            except ApiError as error:
                if error.status in (401, 403):
                    self._refuse(error)
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, 0 if error.status == 410 else PAUSE)

    def _list_and_watch(self, name: str) -> None:
        path, query = self._lists[name]
        answer = self._cluster.get(path, query)
        version = answer["metadata"]["resourceVersion"]
        self._replace(name, {item["metadata"]["uid"]: item for item in answer["items"]})
        while not self._stopping:
            watch = self._cluster.watch(path, query, version, WATCH_SECONDS)
            with self._changed:
                self._watches[name] = watch
                if self._stopping:
                    watch.stop()
            for event in watch:
                if event["type"] == "ERROR":
                    raise ApiError(str(event["object"].get("message")), int(event["object"].get("code", 500)))
                version = event["object"]["metadata"]["resourceVersion"]
                self._apply(name, event)

    def _apply(self, name: str, event: Json) -> None:
        if event["type"] == "BOOKMARK":
            return
        uid = event["object"]["metadata"]["uid"]
        with self._changed:
            items = self._items[name]
            if event["type"] == "DELETED":
                items.pop(uid, None)
            else:
                items[uid] = event["object"]
            self._version += 1
            self._changed.notify_all()

    def _replace(self, name: str, items: dict[str, Json]) -> None:
        with self._changed:
            self._items[name] = items
            self._version += 1
            self._changed.notify_all()

    def _refuse(self, error: ApiError) -> None:
        with self._changed:
            self._refused = error
            self._changed.notify_all()
