# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the lock of a run while a step works, and stops the step's writes once the lock is somebody else's."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from typing import Any

from .._kubernetes.adapter import AUTH_ARGUMENTS
from .._module import RollbackError
from .lock import RENEWALS, Lease, held_by, lost
from .shelf import Shelf, Taken, open_shelf

LOCK: dict[str, Any] = {
    "type": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str"},
        "directory": {"type": "path"},
        "holder": {"type": "str", "required": True},
        "token": {"type": "int", "required": True, "no_log": False},
        "duration": {"type": "int", "default": 60},
        "connection": {"type": "dict", "options": AUTH_ARGUMENTS, "default": {}},
    },
    "required_one_of": [("namespace", "directory")],
}
"""The option ``lock`` of every module that writes or takes long; documented by the fragment ``lock``."""


class Fence:
    """Called before every write: returns while the lock is ours, raises :class:`RollbackError` when it is not."""

    def __init__(self, shelf: Shelf, holder: str, token: int, duration: int) -> None:
        self._shelf = shelf
        self._holder, self._token, self._duration = holder, token, duration
        self._mutex = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        """Ask whether the lock is ours, and renew it when that is due."""
        with self._mutex:
            lease = self._demand()
            if lease.is_due(datetime.now(UTC)):
                self._renew(lease)

    def keep(self) -> None:
        """Renew it in the background from now on, for as long as this process lives."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Renew it no longer."""
        self._stopped.set()

    def _beat(self) -> None:
        pause = self._duration / RENEWALS
        while not self._stopped.wait(pause):
            pause = self._duration / RENEWALS
            try:
                with self._mutex:
                    self._renew(self._demand())
            except RollbackError as error:
                if error.details.get("lock_lost"):
                    return
                pause = min(1.0, pause)  # the place of the lock does not answer: it is asked again, soon

    def _demand(self) -> Lease:
        lease = self._shelf.read()
        if lease is None or lease.holder != self._holder or lease.token != self._token:
            raise lost(lease, self._shelf.name)
        return lease

    def _renew(self, lease: Lease) -> None:
        try:
            self._shelf.write(lease, held_by(self._holder, lease, datetime.now(UTC), self._duration))
        except Taken:
            self._demand()  # another task of this run renewed it, or it is lost


_fences: dict[tuple[Any, ...], Fence] = {}


def fence_of(lock: dict[str, Any]) -> Fence:
    """The fence for the option ``lock``: one for each process, which works through a task's whole loop and retries."""
    key = (os.getpid(), lock["name"], lock.get("namespace"), lock.get("directory"), lock["holder"], lock["token"])
    if key not in _fences:
        shelf = open_shelf(lock, lock.get("connection") or {})
        _fences[key] = Fence(shelf, lock["holder"], lock["token"], lock["duration"])
    return _fences[key]
