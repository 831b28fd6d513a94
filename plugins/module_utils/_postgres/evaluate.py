# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what a database was found to hold: four verdicts, and the reason for each."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any

from .model import Table

PASS, FAIL, INCONCLUSIVE, ERROR = "pass", "fail", "inconclusive", "error"
WORST_FIRST = (ERROR, FAIL, INCONCLUSIVE, PASS)
COMPARISON = re.compile(r"^\s*(==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*$")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: str
    expected: Any
    found: Any
    message: str = ""


def overall(checks: Iterable[Check]) -> str:
    """The worst verdict of all; nothing checked is inconclusive."""
    verdicts = {check.verdict for check in checks}
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), INCONCLUSIVE)


def judge_rows(name: str, expect: Any, rows: Sequence[Sequence[Any]]) -> Check:
    """Compare a query's rows with ``expect``: one value, a comparison like ``>= 1``, a row or a list of rows.

    Without ``expect`` the query must say true. No row and NULL are no answer, which is neither pass nor fail.
    """
    wanted = True if expect is None else expect
    if not rows and wanted not in ([], ()):
        return Check(name, INCONCLUSIVE, wanted, None, "the query gave no row")
    found = simplify(rows)
    if found is None:
        return Check(name, INCONCLUSIVE, wanted, None, "the query gave NULL")
    return Check(name, PASS if equal(wanted, found) else FAIL, wanted, plain(found))


def simplify(rows: Sequence[Sequence[Any]]) -> Any:
    """A value if there is one only, a list of values for one column, else a list of rows."""
    if len(rows) == 1 and len(rows[0]) == 1:
        return rows[0][0]
    if rows and all(len(row) == 1 for row in rows):
        return [row[0] for row in rows]
    return [list(row) for row in rows]


def equal(wanted: Any, found: Any) -> bool:
    """Whether ``found`` is what was ``wanted``, for values that YAML and PostgreSQL write differently."""
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(equal, wanted, found))
    if isinstance(wanted, str) and (match := COMPARISON.match(wanted)):
        number = _number(found)
        return number is not None and OPERATORS[match.group(1)](number, Decimal(match.group(2)))
    if isinstance(wanted, bool) or isinstance(found, bool):
        return _truth(wanted) is not None and _truth(wanted) == _truth(found)
    left, right = _number(wanted), _number(found)
    if left is not None and right is not None:
        return left == right
    return str(wanted) == str(found)


def _truth(value: Any) -> bool | None:
    words = {"true": True, "yes": True, "t": True, "false": False, "no": False, "f": False}
    return value if isinstance(value, bool) else words.get(str(value).lower())


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def plain(value: Any) -> Any:
    """The value as JSON can carry it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)


def ignored(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` (schema.table or schema.table.column) is meant by a pattern, with or without its schema."""
    short = name.partition(".")[2]
    return any(fnmatchcase(name, pattern) or fnmatchcase(short, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Survivors:
    """What is left to compare after a way down: columns per surviving table, those that are new there, what is gone."""

    columns: Mapping[str, tuple[str, ...]]
    tables_gone: tuple[str, ...]
    columns_gone: tuple[str, ...]
    new: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def survivors(recorded: Mapping[str, Table], present: Mapping[str, Sequence[str]], ignore: Sequence[str]) -> Survivors:
    """Match the recorded tables with the columns that are ``present`` now."""
    columns: dict[str, tuple[str, ...]] = {}
    new: dict[str, tuple[str, ...]] = {}
    tables_gone: list[str] = []
    columns_gone: list[str] = []
    for name, table in sorted(recorded.items()):
        if ignored(name, ignore):
            continue
        if name not in present:
            tables_gone.append(name)
            continue
        columns_gone += [f"{name}.{column}" for column in table.columns if column not in present[name]]
        kept = [column for column in table.columns if column in present[name]]
        columns[name] = tuple(column for column in kept if not ignored(f"{name}.{column}", ignore))
        new[name] = tuple(column for column in present[name] if column not in table.columns)
    return Survivors(columns, tuple(tables_gone), tuple(columns_gone), new)


def renamed(recorded: Table, found: Table) -> dict[str, str]:
    """Columns that are gone but whose values, all of them, stand in a new column of the same table: old to new name."""
    gone = {name: checksum for name, checksum in recorded.columns.items() if name not in found.columns}
    new = {checksum: name for name, checksum in found.columns.items() if name not in recorded.columns}
    same = recorded.rows == found.rows and recorded.key == found.key
    return {name: new[checksum] for name, checksum in gone.items() if same and checksum in new and checksum != "0"}


def judge_table(name: str, recorded: Table, found: Table) -> Check:
    """Compare what survived of a table with what the backup recorded of it."""
    wanted = {column: checksum for column, checksum in recorded.columns.items() if column in found.columns}
    expected = Table(recorded.rows, wanted, recorded.key)
    told = Table(found.rows, {column: found.columns[column] for column in wanted}, found.key)
    words = {"expected": _words(expected), "found": _words(told)}
    if recorded.rows != found.rows:
        return Check(name, FAIL, **words, message=f"{found.rows} rows instead of {recorded.rows}")
    if recorded.key != found.key:
        lost = ", ".join(recorded.key)
        return Check(name, INCONCLUSIVE, **words, message=f"the key ({lost}) is gone, only the row count is compared")
    changed = sorted(column for column, checksum in wanted.items() if found.columns[column] != checksum)
    if changed:
        return Check(name, FAIL, **words, message=f"changed values in {', '.join(changed)}")
    whole = set(recorded.columns) == set(found.columns)
    if whole and recorded.whole_row != found.whole_row:
        return Check(name, FAIL, **words, message="values were swapped between rows")
    return Check(name, PASS, **words)


def judge_survivors(recorded: Mapping[str, Table], found: Mapping[str, Table], ignore: Sequence[str]) -> list[Check]:
    """:func:`judge_table` for every recorded table that is still among those ``found``, but for what may differ."""
    left = survivors(recorded, {name: tuple(table.columns) for name, table in found.items()}, ignore)
    checks = []
    for name, columns in left.columns.items():
        kept = {column: found[name].columns[column] for column in (*columns, *left.new[name])}
        checks.append(judge_table(name, recorded[name], replace(found[name], columns=kept)))
    return checks


def _words(table: Table) -> str:
    return f"{table.rows} rows, checksum {table.checksum}"
