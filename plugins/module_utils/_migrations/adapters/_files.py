# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the SQL files of steps down in a directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..model import Migration, Script, Step, Tool
from ..plan import same
from ..sql import refusal


def script_of(sql: str) -> Script:
    """A script with what is wrong with it."""
    return Script(sql, refusal(sql))


def files_by_version(tool: Tool, pattern: str) -> dict[Migration, Path]:
    """The files that ``pattern`` (a glob below chdir) finds and whose names begin with a number, by that number."""
    places = Path("/").glob(pattern[1:]) if pattern.startswith("/") else Path(tool.chdir or ".").glob(pattern)
    found = {}
    for path in sorted(places):
        if match := re.match(r"0*(\d+)[_.-]*([^.]*)", path.name):
            found[Migration(*match.groups())] = path
    return found


def numbered(tool: Tool, steps: Sequence[Step], pattern: str) -> dict[str, Script]:
    """The script of each step among the files that ``pattern`` finds."""
    found = files_by_version(tool, pattern)
    scripts = {}
    for step in steps:
        file = next((path for migration, path in found.items() if same(migration.version, step.version)), None)
        missing = Script(None, f"there is no down script for it among {pattern}")
        scripts[step.version] = script_of(file.read_text()) if file else missing
    return scripts
