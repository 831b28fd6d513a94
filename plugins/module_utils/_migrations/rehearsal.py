# SPDX-License-Identifier: GPL-3.0-or-later
"""Goes down on a scratch copy restored from a backup, and tells what it took, what it lost and what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._module import RollbackError
from .._postgres.client import frozen, identifier, session
from .._postgres.contents import fingerprint, read_tables, schema_lines, table_shapes
from .._postgres.evaluate import ERROR, FAIL, Check, judge_survivors, renamed
from .._postgres.model import Connection, Table
from .._postgres.validate import Wanted, validate
from .migrator import Descent, Migrator
from .model import Loss, Plan, Preview, Tool
from .watch import LockWatch


class CannotRehearse(RollbackError):
    """No copy can be had, or the tool would not go to it; the way down itself is neither proven nor disproven."""


NonNull = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class State:
    """A database's schema and contents at one moment; ``filled`` counts the values that are not null per column."""

    lines: frozenset[str]
    tables: Mapping[str, Table]
    filled: NonNull


@dataclass(frozen=True)
class Rehearsal:
    """What came of it; ``gone`` and ``new`` are schema objects."""

    plan: Plan
    descent: Descent
    preview: Preview
    renamed: Mapping[str, str]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    schema_fingerprint: str
    locked: Mapping[str, float]
    """Seconds for which each table was locked against everybody."""
    doubts: tuple[Check, ...] = ()
    """What the check of the live database after the same way down would stop at."""


@dataclass(frozen=True)
class Demands:
    """What the data have to be like afterwards: as ``recorded`` (nothing for no matter), but for what may differ."""

    recorded: Mapping[str, Table]
    ignore: Sequence[str] = ()
    assertions: Sequence[Mapping[str, Any]] = ()
    fingerprint: str | None = None

    def judge(self, copy: Connection, found: Mapping[str, Table], timeout: float) -> tuple[Check, ...]:
        """What is not so, by the judge of the live database."""
        asked = Wanted(self.assertions, None, (), self.fingerprint, (), None, timeout)
        checks = [*validate(copy, asked).checks, *judge_survivors(self.recorded, found, self.ignore)]
        return tuple(check for check in checks if check.verdict in (FAIL, ERROR))


def rehearse(migrator: Migrator, copy: Connection, target: str, demands: Demands) -> Rehearsal:
    """Take the schema of the scratch database ``copy`` down to ``target``, by a migrator that is aimed at it."""
    demand_that_it_follows(migrator, copy)
    seen = migrator.observe(target)
    if seen.plan.problems:
        raise RollbackError(
            f"no way down from {seen.plan.current} to {seen.plan.target}: {'; '.join(seen.plan.problems)}",
            problems=list(seen.plan.problems),
        )
    before = look(copy, demands.recorded)
    try:
        with LockWatch(copy) as held:
            descent = migrator.descend(seen.plan) if seen.plan.steps else Descent()
    except RollbackError as error:
        told = f"rehearsed on a scratch copy, while the live database was left alone: {error.message}"
        raise RollbackError(told, **error.details) from error
    after = look(copy, demands.recorded)
    preview, moved = compare(before, after, seen.plan.target)
    return Rehearsal(
        seen.plan, descent, preview, moved, tuple(sorted(before.lines - after.lines)),
        tuple(sorted(after.lines - before.lines)), fingerprint(after.lines), held.longest,
        demands.judge(copy, after.tables, migrator.limits.tool),
    )  # fmt: skip


def demand_that_it_follows(migrator: Migrator, copy: Connection) -> None:
    """Raise unless the tool really goes to the copy: while nobody may connect there, it must not find a version.

    A tool whose address stands in a file of its own would go down on the live database instead.
    """
    _allow(copy, "false")
    try:
        status = migrator.adapter.status()
    except RollbackError:
        status = None
    finally:
        _allow(copy, "true")
    if status is not None:
        raise CannotRehearse(
            f"the migration tool does not follow the connection it is given (PGDATABASE and the like): it found"
            f" version {status.current} somewhere else than in the scratch copy {copy.database}. Nothing was"
            " run; let it read its connection from the environment",
        )


def _allow(copy: Connection, word: str) -> None:
    with session(copy.standing_in, statement_timeout=60) as server:
        server.query(f"ALTER DATABASE {identifier(copy.database)} ALLOW_CONNECTIONS {word}")


def look(connection: Connection, recorded: Mapping[str, Table]) -> State:
    """Schema, checksums and counts of values; what is ``recorded`` of a table says how it is hashed."""
    with frozen(connection, timeout=600, lock_timeout=30) as database:
        filled: dict[str, dict[str, int]] = {}
        for place, shape in table_shapes(database).items():
            counts = ", ".join(f"count({identifier(column)})" for column in shape.columns) or "count(*)"
            row = database.query(f"SELECT {counts} FROM {identifier(*place)}")[0]  # noqa: S608 - quoted
            filled[".".join(place)] = dict(zip(shape.columns, row, strict=False))
        return State(frozenset(schema_lines(database)), read_tables(database, recorded), filled)


def compare(before: State, after: State, step: str) -> tuple[Preview, dict[str, str]]:
    """What was lost between two looks: tables, rows and values; and columns that only changed their name."""
    losses: list[Loss] = []
    moved: dict[str, str] = {}
    for name, table in before.tables.items():
        found = after.tables.get(name)
        if found is None:
            losses.append(Loss(step, "table", name, "", table.rows))
            continue
        if found.rows < table.rows:
            losses.append(Loss(step, "delete", name, "", table.rows - found.rows))
        names = renamed(table, found)
        moved |= {f"{name}.{old}": new for old, new in names.items()}
        gone = [column for column in table.columns if column not in found.columns and column not in names]
        losses += [Loss(step, "column", name, column, before.filled[name][column]) for column in gone]
    return Preview(tuple(losses)), moved


def on_copy(tool: Tool, copy: Connection) -> Tool:
    """The tool without variables that would lead it elsewhere."""
    kept = {name: value for name, value in tool.environment.items() if name not in ("PGDATABASE", "DATABASE_URL")}
    return replace(tool, environment={**kept, "PGDATABASE": copy.database})
