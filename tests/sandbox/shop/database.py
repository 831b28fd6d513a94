# SPDX-License-Identifier: GPL-3.0-or-later
"""A small pool of PostgreSQL connections for the shop's threads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions


class Database:
    """Hands out at most ``size`` connections; one that broke is replaced on its next use."""

    def __init__(self, parameters: Mapping[str, Any], size: int = 4) -> None:
        """``parameters``: libpq's connection parameters."""
        self._parameters = {"connect_timeout": 3, "options": "-c statement_timeout=4000", **parameters}
        self._idle: queue.LifoQueue[psycopg2.extensions.connection | None] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    @contextmanager
    def transaction(self) -> Iterator[psycopg2.extensions.cursor]:
        """A cursor in a transaction: committed at the end, rolled back on an error (any psycopg2.Error)."""
        connection = self._idle.get(timeout=5)
        try:
            if connection is None or connection.closed:
                connection = psycopg2.connect(**self._parameters)
            with connection, connection.cursor() as cursor:
                yield cursor
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if connection is not None:
                connection.close()
            raise
        finally:
            self._idle.put(connection)


class Counter:
    """Numbers requests 1, 2, 3, ... over all threads."""

    def __init__(self) -> None:
        """Start before 1."""
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        """The next number."""
        with self._lock:
            self._last += 1
            return self._last
