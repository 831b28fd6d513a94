# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds locks in a database, by pid, user and query, so that people know whom to ask."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .._module import RollbackError
from .client import Database

HOLDERS = """
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start, a.backend_start))::float,
       string_agg(DISTINCT CASE l.locktype WHEN 'advisory' THEN 'an advisory lock'
                  ELSE l.mode || ' on ' || l.relation::regclass::text END, ', '),
       left(regexp_replace(coalesce(a.query, ''), '\\s+', ' ', 'g'), 200)
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.granted
LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.backend_type IN ('client backend', 'parallel worker', 'background worker')
  AND (l.locktype = 'advisory' AND NOT %(exclusive)s OR l.locktype = 'relation' AND l.database <> 0
       AND (NOT %(exclusive)s OR l.mode = 'AccessExclusiveLock')
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast'))
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query_start, a.backend_start, a.query
ORDER BY 5 DESC
"""


@dataclass(frozen=True)
class Holder:
    """A session that holds locks; ``seconds`` is the age of its transaction."""

    pid: int
    user: str
    application: str
    state: str
    seconds: float
    lock: str
    query: str

    def __str__(self) -> str:
        return (
            f"pid {self.pid} (user {self.user}, {self.application or 'no application name'}, {self.state}"
            f" for {self.seconds:.0f} s, holds {self.lock}): {self.query}"
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
