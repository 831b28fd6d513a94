# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the SQL of steps down among files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from ..client import Runner
from ..model import Migration, Script, Step
from ..plan import same
from ..sql import refusal


def script_of(sql: str) -> Script:
    """A script with what is wrong with it."""
    return Script(sql, refusal(sql))


def by_name(run: Runner, pattern: str) -> dict[str, str]:
    """Name (without its folder) to content of the files that ``pattern`` finds where the tool runs, in order."""
    found = run.files(pattern)
    return {PurePosixPath(path).name: found[path] for path in sorted(found)}


def by_version(run: Runner, pattern: str) -> Mapping[Migration, str]:
    """The files among these whose names begin with a number, by that number."""
    found = {}
    for name, text in by_name(run, pattern).items():
        if match := re.match(r"0*(\d+)[_.-]*([^.]*)", name):
            found[Migration(*match.groups())] = text
    return found


def numbered(run: Runner, steps: Sequence[Step], pattern: str) -> dict[str, Script]:
    """The script of each step among the files that ``pattern`` finds."""
    found = by_version(run, pattern)
    scripts = {}
    for step in steps:
        sql = next((text for migration, text in found.items() if same(migration.version, step.version)), None)
        missing = Script(None, f"there is no down script for it among {pattern}")
        scripts[step.version] = missing if sql is None else script_of(sql)
    return scripts
