# SPDX-License-Identifier: GPL-3.0-or-later
"""dbmate: one file per migration with an up and a down part; ``dbmate down`` undoes the newest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from ..._postgres.model import Connection
from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ._files import by_name, script_of

LINE = re.compile(r"^\s*\[(?P<mark>[Xx ])\]\s+(?P<version>\d+)_?(?P<name>\S*)")
DOWN = re.compile(r"^--\s*migrate:down[^\n]*$(?P<sql>.*)", re.MULTILINE | re.DOTALL)


def connection_environment(connection: Connection) -> dict[str, str]:
    """DATABASE_URL, which is how dbmate learns the database."""
    login = f"{quote(connection.user, safe='')}:{quote(connection.password, safe='')}"
    # dbmate's driver knows no "prefer" and "allow": it would demand TLS, which a server without it cannot give.
    mode = "disable" if connection.ssl_mode in ("prefer", "allow") else connection.ssl_mode
    more = {"sslmode": mode, "sslrootcert": connection.ca_cert, "sslcert": connection.ssl_cert}
    words = urlencode({name: value for name, value in {**more, "sslkey": connection.ssl_key}.items() if value})
    place = f"{connection.host or 'localhost'}:{connection.port}/{quote(connection.database, safe='')}"
    return {"DATABASE_URL": f"postgres://{login}@{place}?{words}"}


class Dbmate:
    """``dbmate status`` and ``dbmate down``."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._tool = tool
        self._run = run

    def status(self) -> Status:
        """``dbmate status``."""
        return read_status(demand(self._run(["status"]), "cannot ask dbmate for its migrations"))

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The part after ``-- migrate:down`` of each step's file."""
        root = self._tool.down_scripts or "db/migrations"
        files = by_name(self._run, f"{root}/*.sql")
        found = {}
        for step in steps:
            text = next((text for name, text in files.items() if name.startswith(f"{step.version}_")), None)
            found[step.version] = Script(None, f"no file in {root}") if text is None else read_file(text)
        return found

    def down(self, step: Step) -> list[str]:
        """``dbmate --no-dump-schema down``: the newest one, which ``step`` is."""
        del step
        return ["--no-dump-schema", "down"]


def read_status(text: str) -> Status:
    """``[X] 20260101_name.sql`` lines in the order of their versions."""
    found = [match for match in map(LINE.match, text.splitlines()) if match]
    applied = tuple(
        Migration(match["version"], match["name"].removesuffix(".sql")) for match in found if match["mark"] != " "
    )
    pending = tuple(match["version"] for match in found if match["mark"] == " ")
    return Status(applied[-1].version if applied else Dbmate.base, applied, pending)


def read_file(text: str) -> Script:
    """The down part; a file without one has no way down."""
    match = DOWN.search(text)
    return script_of(match["sql"]) if match else Script(None, "its file has no '-- migrate:down' part")
