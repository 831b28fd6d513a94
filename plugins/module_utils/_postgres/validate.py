# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a database whether its data are whole: assertions, the backup's manifest, a script. Nothing is written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import Database, QueryError, frozen
from .contents import fingerprint, read_table, schema_lines, table_shapes
from .evaluate import ERROR, FAIL, PASS, Check, Survivors, judge_rows, judge_table, renamed, survivors
from .model import Connection, Manifest

LAST_LINES = 20  # of a script's output
MOST_ROWS = 1000  # of an assertion's answer


@dataclass(frozen=True)
class Wanted:
    """What to check; times in seconds."""

    assertions: Sequence[Mapping[str, Any]]
    manifest: Manifest | None
    ignore: Sequence[str]
    fingerprint: str | None
    script: Sequence[str]
    chdir: str | None
    timeout: float


@dataclass(frozen=True)
class Found:
    """What came of it."""

    checks: list[Check]
    gone: Survivors
    renamed: dict[str, str]
    schema_fingerprint: str


def validate(connection: Connection, wanted: Wanted) -> Found:
    """Run every check, in one snapshot of a read-only transaction."""
    checks: list[Check] = []
    gone = Survivors({}, (), ())
    moved: dict[str, str] = {}
    with frozen(connection, timeout=wanted.timeout, lock_timeout=min(wanted.timeout, 30)) as database:
        schema = fingerprint(schema_lines(database))
        if wanted.fingerprint is not None:
            verdict = PASS if schema == wanted.fingerprint else FAIL
            checks.append(Check("schema", verdict, wanted.fingerprint, schema))
        checks += [_assert(database, assertion) for assertion in wanted.assertions]
        if wanted.manifest is not None:
            gone = _survivors(database, wanted.manifest, wanted.ignore)
            compared, moved = _compare(database, wanted.manifest, gone)
            checks += compared
    if wanted.script:
        checks.append(_run_script(connection, wanted))
    return Found(checks, gone, moved, schema)


def _assert(database: Database, assertion: Mapping[str, Any]) -> Check:
    """One query; its failure is a verdict and leaves the transaction usable for the next."""
    name, expect = str(assertion["name"]), assertion.get("expect")
    query = str(assertion["query"]).strip().rstrip(";")
    database.query("SAVEPOINT assertion")
    try:
        database.query("SET LOCAL search_path = DEFAULT")
        database.query(f"DECLARE assertion NO SCROLL CURSOR FOR {query}")
        return judge_rows(name, expect, database.query(f"FETCH {MOST_ROWS} FROM assertion"))
    except QueryError as error:
        return Check(name, ERROR, expect, None, error.message)
    finally:
        database.query("ROLLBACK TO SAVEPOINT assertion")


def _survivors(database: Database, manifest: Manifest, ignore: Sequence[str]) -> Survivors:
    shapes = table_shapes(database)
    present = {".".join(place): shape.columns for place, shape in shapes.items()}
    return survivors(manifest.tables, present, ignore)


def _compare(database: Database, manifest: Manifest, left: Survivors) -> tuple[list[Check], dict[str, str]]:
    """A check per surviving table, and the columns that only have another name now."""
    checks = []
    moved: dict[str, str] = {}
    shapes = {".".join(place): (place, shape) for place, shape in table_shapes(database).items()}
    for name, columns in left.columns.items():
        recorded = manifest.tables[name]
        try:
            place, shape = shapes[name]
            found = read_table(database, place, shape, recorded, (*columns, *left.new[name]))
            checks.append(judge_table(name, recorded, found))
            moved |= {f"{name}.{old}": new for old, new in renamed(recorded, found).items()}
        except QueryError as error:
            checks.append(Check(name, ERROR, f"{recorded.rows} rows", None, error.message))
            break  # the transaction is over
    return checks, moved


def _run_script(connection: Connection, wanted: Wanted) -> Check:
    """Status 0 passes, another one fails; a script that cannot be run or does not end is an error."""
    name = wanted.script[0]
    expected = "rc 0"
    try:
        done = subprocess.run(
            list(wanted.script), cwd=wanted.chdir, env={**os.environ, **connection.environment()}, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=wanted.timeout,
        )  # fmt: skip
    except OSError as error:
        return Check(name, ERROR, expected, None, f"cannot be started: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Check(name, ERROR, expected, None, f"was not done within {wanted.timeout:g} s and was ended")
    said = "\n".join([*done.stdout.splitlines(), *done.stderr.splitlines()][-LAST_LINES:])
    return Check(name, FAIL if done.returncode else PASS, expected, f"rc {done.returncode}", said)
