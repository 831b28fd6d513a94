# SPDX-License-Identifier: GPL-3.0-or-later
"""Liquibase: changesets in the order they were deployed; ``rollback-count-sql`` shows a way down without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..._postgres.model import Connection
from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ..sql import refusal

# "     changelog.sql::41::ann" in the history's text format.
CHANGE = re.compile(r"^\s*(?P<file>\S+)::(?P<id>[^:]+)::(?P<author>.+?)\s*$")
BOOKKEEPING = re.compile(r"databasechangelog", re.IGNORECASE)


def connection_environment(connection: Connection) -> dict[str, str]:
    """LIQUIBASE_COMMAND_URL, _USERNAME and _PASSWORD."""
    url = f"jdbc:postgresql://{connection.host or 'localhost'}:{connection.port}/{connection.database}"
    return {
        "LIQUIBASE_COMMAND_URL": f"{url}?sslmode={connection.ssl_mode}",
        "LIQUIBASE_COMMAND_USERNAME": connection.user,
        "LIQUIBASE_COMMAND_PASSWORD": connection.password,
    }


class Liquibase:
    """``liquibase history``, ``status`` and ``rollback-count``; a version is the id of a changeset."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._run = run
        del tool

    def status(self) -> Status:
        """What is deployed and what is not."""
        history = demand(self._run(["history", "--format=TEXT"], timeout=120), "cannot ask Liquibase for its history")
        ahead = demand(self._run(["status", "--verbose"], timeout=120), "cannot ask Liquibase for its status")
        applied = tuple(Migration(match["id"], match["author"]) for match in _changes(history))
        pending = tuple(match["id"] for match in _changes(ahead))
        return Status(applied[-1].version if applied else self.base, applied, pending)

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """``rollback-count-sql`` for all steps at once: what cannot be rolled back fails there."""
        if not steps:
            return {}
        done = self._run(["rollback-count-sql", f"--count={len(steps)}"], timeout=120)
        if done.status:
            said = re.search(r"No inverse to \S+ created|RollbackImpossible\S*[^\n]*", done.errors + done.output)
            problem = f"Liquibase cannot roll it back: {said.group()}" if said else ""
            return {steps[0].version: Script(None, problem)}
        sql = "\n".join(line for line in done.output.splitlines() if not BOOKKEEPING.search(line))
        # Liquibase writes one script for all of them: it stands at the first step to run.
        return {steps[0].version: Script(sql, refusal(sql)), **{step.version: Script("") for step in steps[1:]}}

    def down(self, step: Step) -> list[str]:
        """``rollback-count --count=1``: the newest one, which ``step`` is."""
        del step
        return ["rollback-count", "--count=1"]


def _changes(text: str) -> list[re.Match[str]]:
    return [match for match in map(CHANGE.match, text.splitlines()) if match]
