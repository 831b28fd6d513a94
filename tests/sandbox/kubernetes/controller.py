# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of a controller: changes wake keys, each key is reconciled one at a time."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .cluster import Cluster
from .errors import ApiError
from .kinds import Kind
from .meta import controller_of
from .store import Change

Object = dict[str, Any]
Key = tuple[str, str]  # namespace, name
SETTLE = 0.01  # seconds between a change and the work on it: changes that come together are worked on together
RETRY = 0.5
_log = logging.getLogger(__name__)


class Controller:
    """Subclasses name their ``kind``, react in :meth:`changed` and work in :meth:`reconcile`."""

    kind: Kind

    def __init__(self, cluster: Cluster) -> None:
        """Listen to the store from now on."""
        self.cluster, self.store, self.registry = cluster, cluster.store, cluster.registry
        self._due: dict[Key, asyncio.TimerHandle] = {}
        self._again: dict[Key, asyncio.TimerHandle] = {}
        self.store.listen(self._heard)

    def _heard(self, change: Change) -> None:
        if change.key == self.kind.key:
            self.wake(_key(change.new))
        self.changed(change)

    def changed(self, change: Change) -> None:
        """React to a change of any object."""

    def reconcile(self, item: Object) -> None:
        """Bring the world one step nearer to ``item``."""
        raise NotImplementedError

    def wake(self, key: Key) -> None:
        """Work on ``key`` soon."""
        if key not in self._due:
            self._due[key] = asyncio.get_running_loop().call_later(SETTLE, self._work, key)

    def wake_later(self, item: Object, seconds: float) -> None:
        """Work on ``item`` again in ``seconds`` at the latest."""
        key = _key(item)
        if old := self._again.pop(key, None):
            old.cancel()
        self._again[key] = asyncio.get_running_loop().call_later(max(seconds, 0.02), self.wake, key)

    def wake_owner(self, item: Object) -> None:
        """Work on the object that controls ``item``, if it is of this kind."""
        owner = controller_of(item)
        if owner and owner["kind"] == self.kind.kind:
            self.wake((item["metadata"].get("namespace", ""), owner["name"]))

    def _work(self, key: Key) -> None:
        self._due.pop(key, None)
        item = self.store.find(self.kind, *key)
        if item is None:
            return
        try:
            self.reconcile(item)
        except ApiError as error:
            if error.code not in (404, 409):
                _log.warning("%s %s: %s", self.kind.kind, key, error)
            asyncio.get_running_loop().call_later(RETRY if error.code != 409 else SETTLE, self.wake, key)
        except Exception:  # noqa: BLE001 - one bad object must not end the controller
            _log.exception("%s %s", self.kind.kind, key)


def _key(item: Object) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
