# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds locks in a database, by pid, user and query, so that people know whom to ask; and how they are ended."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from .._module import RollbackError
from .client import Database, QueryError

UNKNOWN = -1.0  # the age of a transaction that the role may not see
# What others do is hidden from a role without pg_read_all_stats, the kind of their process and their times included.
HOLDERS = """
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(extract(epoch FROM clock_timestamp()
                                   - coalesce(a.xact_start, a.query_start, a.backend_start))::float, -1),
       string_agg(DISTINCT CASE l.locktype WHEN 'advisory' THEN 'an advisory lock'
                  ELSE l.mode || ' on ' || l.relation::regclass::text END, ', '),
       left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 200), min(l.virtualtransaction)
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.granted
LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND (a.backend_type IN ('client backend', 'parallel worker', 'background worker')
       OR a.backend_type IS NULL AND a.usesysid IS NOT NULL)
  AND (l.locktype = 'advisory' AND NOT %(exclusive)s OR l.locktype = 'relation' AND l.database <> 0
       AND (NOT %(exclusive)s OR l.mode = 'AccessExclusiveLock')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query_start, a.backend_start, a.query
ORDER BY 5 DESC
"""


@dataclass(frozen=True)
class Holder:
    """A session that holds locks; ``seconds`` is the age of its ``transaction``, or :data:`UNKNOWN`."""

    pid: int
    user: str
    application: str
    state: str
    seconds: float
    lock: str
    query: str
    transaction: str

    def __str__(self) -> str:
        age = f" for {self.seconds:.0f} s" if self.seconds != UNKNOWN else ""
        return (
            f"pid {self.pid} (user {self.user}, {self.application or 'no application name'},"
            f" {self.state or 'state not shown to this role'}{age}, holds {self.lock}): {self.query}"
        )


def holders(database: Database, *, exclusive: bool = False) -> list[Holder]:
    """Sessions of this database that hold locks on its tables or advisory ones, the oldest transaction first.

    With ``exclusive`` only those are told that keep readers out.
    """
    return [Holder(*row) for row in database.query(HOLDERS, {"exclusive": exclusive})]


def wait_for_readers(database: Database, patience: float) -> None:
    """Return once every table can be read; after ``patience`` seconds name those who keep readers out."""
    deadline = time.monotonic() + patience
    while left := holders(database, exclusive=True):
        if time.monotonic() > deadline:
            raise RollbackError(
                f"tables of {database.connection.place} cannot be read, locks are held by {'; '.join(map(str, left))}."
                " End them or raise lock_timeout",
                blockers=[holder.__dict__ for holder in left],
            )
        time.sleep(0.1)


def terminate(database: Database, pids: Iterable[int]) -> dict[int, str]:
    """End these sessions, one at a time; those that may not be ended, each with the server's words."""
    refused = {}
    for pid in pids:
        try:
            database.query("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        except QueryError as error:
            refused[pid] = error.message
    return refused
