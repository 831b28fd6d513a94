# SPDX-License-Identifier: GPL-3.0-or-later
"""What the live database says before a step down: which rows it would lose, and who would hold it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from .._module import RollbackError
from .._postgres.client import Database, identifier, session
from .._postgres.locks import UNKNOWN, Holder, holders
from .._postgres.locks import terminate as terminate_sessions
from .._postgres.model import Connection
from .model import Drop, Loss, Preview, Script, Step
from .sql import drops

QUERY_TIMEOUT = 60  # seconds
SHORT = 1.0  # seconds a transaction of a live application may last
RELATION = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p')
"""
TABLES_OF_SCHEMA = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 2
"""
SESSIONS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()"
)
COLUMN = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped"


def wait_for_locks(connection: Connection, *, patience: float, terminate: bool) -> list[Holder]:
    """Return once nobody holds a lock that a step down would wait for long; the sessions that had to be ended.

    Short transactions come and go and are left to the lock limit of the statement itself. Who is still there after
    ``patience`` seconds is named in a :class:`RollbackError`, or with ``terminate`` ended.
    """
    started = time.monotonic()
    since: dict[str, float] = {}
    with session(connection, statement_timeout=QUERY_TIMEOUT) as database:
        while True:
            waited = time.monotonic() - started
            present = [_aged(one, since, waited) for one in holders(database)]
            lasting = [one for one in present if one.seconds >= min(SHORT, patience) or "advisory" in one.lock]
            if not present or (not lasting and waited > min(SHORT, patience)):
                return []
            if lasting and waited > patience:
                break
            time.sleep(0.1)
        if not terminate:
            raise RollbackError(
                f"locks in {connection.place} are held by {'; '.join(map(str, lasting))}. End them, or set"
                " terminate_blockers: true",
                blockers=[one.__dict__ for one in lasting],
            )
        ended = {one.pid for one in lasting}
        refused = terminate_sessions(database, ended)
        if stubborn := [
            f"{one} ({refused.get(one.pid, 'it is still there')})" for one in holders(database) if one.pid in ended
        ]:
            raise RollbackError(
                f"sessions in {connection.place} could not be ended: {'; '.join(stubborn)}; end them by a role that may"
            )
    return lasting


def _aged(holder: Holder, since: dict[str, float], waited: float) -> Holder:
    """A holder whose age is hidden from this role is as old as it has been seen here."""
    first = since.setdefault(holder.transaction, waited)
    return replace(holder, seconds=waited - first) if holder.seconds == UNKNOWN else holder


def wait_for_sessions(
    connection: Connection, application: str, patience: float, progress: Callable[[str], None]
) -> None:
    """Return once no session of ``application`` is at work; :class:`RollbackError` after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    told = False
    with session(connection, statement_timeout=QUERY_TIMEOUT) as database:
        while pids := [str(row[0]) for row in database.query(SESSIONS, (application,))]:
            if time.monotonic() > deadline:
                raise RollbackError(
                    f"a migration that an earlier run began in {connection.place} is still at work (pid"
                    f" {', '.join(pids)} on the server); wait for it, or end it: SELECT pg_terminate_backend({pids[0]})"
                )
            if not told:
                progress(
                    f"a migration that an earlier run began is still at work (pid {', '.join(pids)}): waiting for it"
                )
                told = True
            time.sleep(0.2)


def end_sessions(connection: Connection, application: str) -> list[int]:
    """End the server's side of a tool that was killed here: it would go on with its statement and hold its locks.

    The sessions that were seen and ended: none of a tool that says another application_name, as one behind ssh does.
    """
    with session(connection, statement_timeout=QUERY_TIMEOUT) as database:
        rows = database.query(SESSIONS, (application,))
        refused = terminate_sessions(database, [row[0] for row in rows])
    return [row[0] for row in rows if row[0] not in refused]


def preview(connection: Connection, steps: Iterable[Step], scripts: Mapping[str, Script]) -> Preview:
    """What ``steps`` would lose, counted in the live database, from the SQL of their way down."""
    losses: list[Loss] = []
    unseen: list[str] = []
    with session(connection, statement_timeout=QUERY_TIMEOUT, lock_timeout=5) as database:
        for step in steps:
            script = scripts.get(step.version)
            if script is None or script.sql is None:
                unseen.append(f"step {step.version}: its SQL is not known")
                continue
            found, hidden = drops(script.sql)
            unseen += [f"step {step.version}: {text}" for text in hidden]
            for drop in found:
                losses += _count(database, step, drop)
    return Preview(tuple(_once(losses)), tuple(unseen))


def _once(losses: Iterable[Loss]) -> list[Loss]:
    """Without what goes with its table anyway, and without repetitions."""
    tables = {loss.table for loss in losses if loss.kind == "table"}
    seen: dict[tuple[str, str], Loss] = {}
    for loss in losses:
        if loss.kind == "table" or loss.table not in tables:
            seen.setdefault((loss.table, loss.column), loss)
    return list(seen.values())


def _count(database: Database, step: Step, drop: Drop) -> list[Loss]:
    name = identifier(*drop.table)
    if drop.kind == "schema":
        rows = database.query(TABLES_OF_SCHEMA, (drop.table[-1],))
        return [_rows_of(database, step, "table", row) for row in rows]
    relations = database.query(RELATION, (name,))
    if not relations:
        return []
    if drop.kind == "column":
        if not database.query(COLUMN, (name, drop.column)):
            return []
        column = identifier(drop.column)
        rows = database.query(f"SELECT count({column}) FROM {name}")  # noqa: S608 - quoted
        return [Loss(step.version, "column", ".".join(relations[0]), drop.column, int(rows[0][0]))]
    return [_rows_of(database, step, drop.kind, relations[0])]


def _rows_of(database: Database, step: Step, kind: str, relation: tuple[str, ...]) -> Loss:
    rows = database.query(f"SELECT count(*) FROM {identifier(*relation)}")  # noqa: S608 - quoted
    return Loss(step.version, kind, ".".join(relation), "", int(rows[0][0]), exact=kind != "delete")
