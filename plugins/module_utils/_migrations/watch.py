# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how long each table is locked against everybody while something works on a database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType

from .._module import RollbackError
from .._postgres.client import Session
from .._postgres.model import Connection

EVERY = 0.02  # seconds between two looks; a lock that is shorter may not be seen
EXCLUSIVE = """
SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.pid <> pg_backend_pid() AND c.relkind IN ('r', 'p')
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


class Held:
    """The longest time for which each table was seen locked, without input or output."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self._since: dict[str, float] = {}

    def saw(self, tables: Iterable[str], now: float) -> None:
        """Take a look's result; ``now`` in seconds."""
        present = set(tables)
        self._since = {table: self._since.get(table, now) for table in present}
        for table in present:
            lasted = now - self._since[table] + EVERY
            self.longest[table] = max(self.longest.get(table, 0.0), round(lasted, 3))


class LockWatch:
    """Looks on from ``__enter__`` to ``__exit__``, in a session of its own."""

    def __init__(self, connection: Connection) -> None:
        self.held = Held()
        self._session = Session(connection, statement_timeout=10)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="locks", daemon=True)

    def __enter__(self) -> Held:
        self._thread.start()
        return self.held

    def __exit__(self, *_unused: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._session.close()

    def _look(self) -> None:
        try:
            while not self._over.wait(EVERY):
                rows = self._session.query(EXCLUSIVE)
                self.held.saw((row[0] for row in rows), time.monotonic())
        except RollbackError:
            return  # the copy is being dropped
