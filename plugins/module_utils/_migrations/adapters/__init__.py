# SPDX-License-Identifier: GPL-3.0-or-later
"""One adapter per migration tool, all with the same three questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..._postgres.model import Connection
from ..client import Runner
from ..model import Script, Status, Step, Tool
from . import alembic, command, dbmate, django, flyway, golang_migrate, liquibase, sqitch


class Adapter(Protocol):
    """What the collection needs to know of a migration tool."""

    base: str
    """The tool's name for a schema without any migration."""

    def status(self) -> Status:
        """Ask the tool where the schema is."""

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The SQL of each step's way down, by version, as far as it can be known without running it."""

    def down(self, step: Step) -> list[str]:
        """The arguments that undo ``step``, which is the newest applied one."""


DEFAULT_COMMANDS: dict[str, list[str]] = {
    "command": ["./migrate.sh"],
    "alembic": ["alembic"],
    "django": ["python3", "manage.py"],
    "dbmate": ["dbmate"],
    "sqitch": ["sqitch"],
    "flyway": ["flyway"],
    "liquibase": ["liquibase"],
    "golang-migrate": ["migrate"],
}
ADAPTERS: dict[str, Callable[[Tool, Runner], Adapter]] = {
    "command": command.Command,
    "alembic": alembic.Alembic,
    "django": django.Django,
    "dbmate": dbmate.Dbmate,
    "sqitch": sqitch.Sqitch,
    "flyway": flyway.Flyway,
    "liquibase": liquibase.Liquibase,
    "golang-migrate": golang_migrate.GolangMigrate,
}
CONNECTIONS: dict[str, Callable[[Connection], dict[str, str]]] = {
    "dbmate": dbmate.connection_environment,
    "flyway": flyway.connection_environment,
    "liquibase": liquibase.connection_environment,
    "golang-migrate": golang_migrate.connection_environment,
}


def connection_environment(tool: str, connection: Connection) -> dict[str, str]:
    """The variables through which ``tool`` learns the database: libpq's, and its own where it has any."""
    own = CONNECTIONS.get(tool)
    return {**connection.environment(), **(own(connection) if own else {})}
