# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic: revisions are a graph; ``--sql`` shows a way down without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ..sql import EMPTY, refusal

# "0002 -> 0003 (head), add colour", "<base> -> 0001, first" and merges: "a, b -> c (mergepoint), merge".
HISTORY = re.compile(r"^(?P<down>.+?) -> (?P<revision>[^\s,(]+)(?P<marks>( \([^)]*\))*)(,\s?(?P<name>.*))?$")

RUNNING = re.compile(r"^-- Running downgrade (\S+) -> \S*\s*$", re.MULTILINE)
LOST = re.compile(r"Can't locate revision identified by '([^']+)'")
REFUSES = re.compile(r"NotImplementedError|irreversible|cannot be (undone|reversed|downgraded)", re.IGNORECASE)
BOOKKEEPING = re.compile(r"alembic_version|^\s*(BEGIN|COMMIT)\s*;\s*$")


class Alembic:
    """``alembic current``, ``history`` and ``downgrade``."""

    base = "base"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._run = run
        del tool

    def status(self) -> Status:
        """``alembic history --indicate-current``: the graph of revisions, and where in it the database is."""
        done = self._run(["history", "--indicate-current"])
        if lost := LOST.search(done.errors or done.output):
            revision = lost.group(1)
            problem = (
                f"revision {revision} is in the database but not among the scripts here; run the release that has it"
            )
            return Status(revision, (), problems=(problem,))
        return read_history(demand(done, "cannot ask Alembic for its history"))

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The SQL of each step as Alembic's offline mode writes it."""
        if not steps:
            return {}
        done = self._run(["downgrade", f"{steps[0].version}:{steps[-1].to}", "--sql"])
        return read_offline(done.status, done.output, done.errors)

    def down(self, step: Step) -> list[str]:
        """``alembic downgrade <revision>``."""
        return ["downgrade", step.to]


def read_history(history: str) -> Status:
    """The line of revisions from the base to the one the database is at; branches are problems."""
    below: dict[str, tuple[str, str]] = {}
    heads: list[str] = []
    for line in history.splitlines():
        if match := HISTORY.match(line):
            below[match["revision"]] = (match["down"].strip(), (match["name"] or "").strip())
            heads += [match["revision"]] * ("(current)" in match["marks"])
    if len(heads) > 1:
        problem = f"the database is on several branches at once ({', '.join(heads)}); go down by hand to one of them"
        return Status(", ".join(heads), (), problems=(problem,))
    applied: list[Migration] = []
    problems: list[str] = []
    at = heads[0] if heads else "<base>"
    while at in below:
        down, name = below[at]
        applied.append(Migration(at, name))
        if "," in down:
            problems.append(f"revision {at} merges branches ({down}); go down by hand past it")
        at = down
    known = {migration.version for migration in applied}
    pending = tuple(revision for revision in reversed(below) if revision not in known)
    current = heads[0] if heads else Alembic.base
    return Status(current, tuple(reversed(applied)), pending, problems=tuple(problems))


def read_offline(status: int, output: str, errors: str) -> dict[str, Script]:
    """The scripts of ``downgrade a:b --sql``, one after each ``-- Running downgrade a -> b``.

    What offline mode cannot write is unknown, not impossible, unless the revision itself says that there is no way.
    """
    parts = RUNNING.split(output)[1:]
    scripts = {}
    for version, text in zip(parts[::2], parts[1::2], strict=True):
        sql = "\n".join(line for line in text.splitlines() if not BOOKKEEPING.search(line))
        problem = "its downgrade() does nothing" if refusal(sql) == EMPTY else refusal(sql)
        scripts[version] = Script(sql, problem)
    if status and parts:
        said = errors.strip().splitlines()[-1] if errors.strip() else ""
        scripts[parts[-2]] = Script(None, f"its downgrade() refuses: {said}" if REFUSES.search(errors) else "")
    return scripts
