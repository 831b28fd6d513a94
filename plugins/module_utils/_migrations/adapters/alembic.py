# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic: revisions are a graph; ``--sql`` shows a way down without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ..sql import refusal

# "0002 -> 0003 (head), add colour", "<base> -> 0001, first" and merges: "a, b -> c (mergepoint), merge".
HISTORY = re.compile(r"^(?P<down>.+?) -> (?P<revision>[^\s,(]+)(?P<marks>( \([^)]*\))*)(, (?P<name>.*))?$")


class Alembic:
    """``alembic current``, ``history`` and ``downgrade``."""

    base = "base"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._run = run
        del tool

    def status(self) -> Status:
        """Two questions: where the database is, and the graph of revisions."""
        current = demand(self._run(["current"]), "cannot ask Alembic for the current revision")
        heads = [line.split()[0] for line in current.splitlines() if line.strip()]
        history = demand(self._run(["history"]), "cannot ask Alembic for its history")
        return read_history(heads, history)

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The SQL of each step as Alembic's offline mode writes it."""
        found = {}
        for step in steps:
            done = self._run(["downgrade", f"{step.version}:{step.to}", "--sql"])
            found[step.version] = read_offline(done.status, done.output, done.errors, step.version)
        return found

    def down(self, step: Step) -> list[str]:
        """``alembic downgrade <revision>``."""
        return ["downgrade", step.to]


def read_history(heads: Sequence[str], history: str) -> Status:
    """The line of revisions from the base to the one head; branches are problems."""
    below: dict[str, tuple[str, str]] = {}
    for line in history.splitlines():
        if match := HISTORY.match(line.strip()):
            below[match.group("revision")] = (match.group("down").strip(), match.group("name") or "")
    if len(heads) > 1:
        problem = f"the database is on several branches at once ({', '.join(heads)}); go down by hand to one of them"
        return Status(", ".join(heads), (), problems=(problem,))
    applied: list[Migration] = []
    problems: list[str] = []
    at = heads[0] if heads else "<base>"
    while at != "<base>":
        if at not in below:
            problems.append(
                f"revision {at} is in the database but not among the scripts here; run the release that has it"
            )
            break
        down, name = below[at]
        applied.append(Migration(at, name))
        if "," in down:
            problems.append(f"revision {at} merges branches ({down}); go down by hand past it")
            break
        at = down
    current = heads[0] if heads else Alembic.base
    known = {migration.version for migration in applied}
    pending = tuple(revision for revision in reversed(below) if revision not in known)
    return Status(current, tuple(reversed(applied)), pending, problems=tuple(problems))


def read_offline(status: int, output: str, errors: str, version: str) -> Script:
    """A script from ``downgrade a:b --sql``; what offline mode cannot write is unknown, not impossible."""
    if status:
        said = errors.strip().splitlines()[-1] if errors.strip() else ""
        if re.search(r"NotImplementedError|irreversible|cannot be (undone|reversed|downgraded)", errors, re.IGNORECASE):
            return Script(None, f"its downgrade() refuses: {said}")
        return Script(None)
    sql = "\n".join(line for line in output.splitlines() if "alembic_version" not in line)
    body = re.sub(r"^\s*(BEGIN|COMMIT)\s*;\s*$", "", sql, flags=re.MULTILINE)
    problem = refusal(body)
    if problem == "its down script is empty":
        problem = f"downgrade() of revision {version} does nothing"
    return Script(body, problem)
