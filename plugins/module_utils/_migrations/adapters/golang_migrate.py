# SPDX-License-Identifier: GPL-3.0-or-later
"""golang-migrate: numbered files ``<version>_<name>.down.sql``, and a mark for a migration that broke off."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from ..._module import RollbackError
from ..._postgres.model import Connection
from ..client import Runner
from ..model import Migration, Script, Status, Step, Tool
from ._files import by_name, numbered

ADDRESS = "OCTALUME_MIGRATE_DATABASE"
FILE = re.compile(r"^0*(?P<version>\d+)_(?P<name>.*)\.up\.\w+$")


def connection_environment(connection: Connection) -> dict[str, str]:
    """The address without the password, which its driver takes from PGPASSWORD: addresses stand on its command line."""
    mode = "disable" if connection.ssl_mode in ("prefer", "allow") else connection.ssl_mode
    place = f"{quote(connection.user, safe='')}@{connection.host or 'localhost'}:{connection.port}"
    return {ADDRESS: f"postgres://{place}/{quote(connection.database, safe='')}?sslmode={mode}"}


class GolangMigrate:
    """``migrate version`` and ``migrate down 1``."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        if ADDRESS not in tool.environment:
            raise RollbackError(
                "tool golang-migrate needs login_db and its companions: it takes its database from there"
            )
        self._run = run
        self._path = tool.down_scripts or "migrations"
        self._common = ["-path", self._path, "-database", tool.environment[ADDRESS]]

    def status(self) -> Status:
        """``migrate version`` prints ``42`` or ``42 (dirty)`` on standard error."""
        done = self._run([*self._common, "version"])
        said = f"{done.output}\n{done.errors}"
        files = by_name(self._run, f"{self._path}/*.up.*")
        known = [match for match in map(FILE.match, files) if match]
        known.sort(key=lambda match: int(match["version"]))
        if "no migration" in said:
            return Status(self.base, (), tuple(match["version"] for match in known))
        version = re.search(r"^(\d+)( \(dirty\))?\s*$", said, re.MULTILINE)
        if done.status or not version:
            raise RollbackError(f"cannot ask migrate for its version (rc {done.status}): {said.strip()[:500]}")
        at = int(version.group(1))
        applied = tuple(Migration(match["version"], match["name"]) for match in known if int(match["version"]) <= at)
        pending = tuple(match["version"] for match in known if int(match["version"]) > at)
        missing = not applied or int(applied[-1].version) != at
        problems = (f"version {at} is applied but its file is not in {self._path}",) if missing else ()
        return Status(str(at), applied, pending, version.group(2) is not None, problems)

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The files ``<version>_*.down.sql``."""
        return numbered(self._run, steps, f"{self._path}/*.down.sql")

    def down(self, step: Step) -> list[str]:
        """``migrate down 1``: the newest one, which ``step`` is."""
        del step
        return [*self._common, "down", "1"]
