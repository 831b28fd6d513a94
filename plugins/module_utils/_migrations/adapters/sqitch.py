# SPDX-License-Identifier: GPL-3.0-or-later
"""Sqitch: named changes in a plan, each with a revert script."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ._files import script_of

LIST = re.compile(r"^# Changes?:[ \t]*$", re.MULTILINE)
TARGET = "db:pg:"  # the rest comes from the PG* variables


class Sqitch:
    """``sqitch log``, ``plan`` and ``revert``."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._tool = tool
        self._run = run
        self._target = ["--target", TARGET]

    def status(self) -> Status:
        """The plan and what is deployed of it."""
        planned = demand(self._run(["plan", "--format", "format:%n", "--no-headers"]), "cannot read Sqitch's plan")
        asked = self._run(["status", *self._target, "--show-changes"])
        if asked.status and "No changes deployed" not in asked.output + asked.errors:
            demand(asked, "cannot ask Sqitch for its changes")
        return read_status([line.strip() for line in planned.splitlines() if line.strip()], asked.output)

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The files ``revert/<change>.sql``."""
        root = self._tool.down_scripts or "revert"
        files = self._run.files(f"{root}/**/*.sql")
        found = {}
        for step in steps:
            name = f"{root}/{step.version}.sql"
            sql = next((text for path, text in files.items() if path == name or path.endswith(f"/{name}")), None)
            found[step.version] = Script(None, f"there is no {name}") if sql is None else _script(sql)
        return found

    def down(self, step: Step) -> list[str]:
        """``sqitch revert --to CHANGE -y``."""
        to = [] if step.to == self.base else ["--to", step.to]
        return ["revert", *self._target, *to, "-y"]


def read_status(planned: Sequence[str], text: str) -> Status:
    """The deployed changes, in the order of the plan, from the list below ``# Changes:`` (newest first).

    One alone is listed below ``# Change:``.
    """
    listing = LIST.split(text, maxsplit=1)[1:]
    lines = listing[0].splitlines() if listing else []
    deployed = [line.split()[1] for line in lines if line.startswith("#   ") and len(line.split()) > 1]
    applied = tuple(Migration(name) for name in reversed(deployed))
    strangers = [name for name in deployed if name not in planned]
    problems = (f"{', '.join(strangers)} is deployed but not in the plan here",) if strangers else ()
    pending = tuple(name for name in planned if name not in deployed)
    return Status(applied[-1].version if applied else Sqitch.base, applied, pending, problems=problems)


def _script(text: str) -> Script:
    """Sqitch's template is BEGIN; XXX comment; COMMIT, which reverts nothing."""
    body = "\n".join(line for line in text.splitlines() if line.strip().upper() not in ("BEGIN;", "COMMIT;"))
    return script_of(body)
