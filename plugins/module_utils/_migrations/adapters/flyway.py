# SPDX-License-Identifier: GPL-3.0-or-later
"""Flyway: undo scripts ``U<version>__<name>.sql``; ``undo`` is a command of its commercial editions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..._module import RollbackError
from ..._postgres.model import Connection
from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ._files import by_name, script_of

APPLIED = ("Success", "Out of Order", "Future", "Baseline")
BROKEN = ("Failed", "Future (Failed)", "Missing (Failed)")


def connection_environment(connection: Connection) -> dict[str, str]:
    """FLYWAY_URL, FLYWAY_USER and FLYWAY_PASSWORD."""
    url = f"jdbc:postgresql://{connection.host or 'localhost'}:{connection.port}/{connection.database}"
    return {
        "FLYWAY_URL": f"{url}?sslmode={connection.ssl_mode}",
        "FLYWAY_USER": connection.user,
        "FLYWAY_PASSWORD": connection.password,
    }


class Flyway:
    """``flyway info`` and ``flyway undo``."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._tool = tool
        self._run = run

    def status(self) -> Status:
        """``flyway info -outputType=json``."""
        return read_info(demand(self._run(["info", "-outputType=json"]), "cannot ask Flyway for its migrations"))

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The files ``U<version>__*.sql``."""
        root = self._tool.down_scripts or "sql"
        files = by_name(self._run, f"{root}/**/U*__*.sql")
        found = {}
        for step in steps:
            sql = next((text for name, text in files.items() if name.startswith(f"U{step.version}__")), None)
            missing = Script(None, f"there is no undo script U{step.version}__*.sql below {root}")
            found[step.version] = missing if sql is None else script_of(sql)
        return found

    def down(self, step: Step) -> list[str]:
        """``flyway undo -target=V`` undoes V and everything above it; ``step`` is the newest."""
        return ["undo", f"-target={step.version}"]


def read_info(text: str) -> Status:
    """The versioned migrations of Flyway's JSON, in the order they were applied."""
    try:
        # In a pod's log warnings stand before it.
        entries = json.loads(text[text.find("{") :])["migrations"]
    except (ValueError, KeyError, TypeError) as error:
        raise RollbackError(f"flyway info gave no JSON with migrations: {text[:300]!r}") from error
    versioned = [entry for entry in entries if entry.get("version") and entry.get("category") == "Versioned"]
    applied = tuple(
        Migration(entry["version"], entry["description"]) for entry in versioned if entry["state"] in APPLIED
    )
    pending = tuple(entry["version"] for entry in versioned if entry["state"] == "Pending")
    dirty = any(entry["state"] in BROKEN for entry in versioned)
    missing = [entry["version"] for entry in versioned if entry["state"] == "Missing"]
    problems = (f"version {', '.join(missing)} is applied but its file is not here",) if missing else ()
    return Status(applied[-1].version if applied else Flyway.base, applied, pending, dirty, problems)
