# SPDX-License-Identifier: GPL-3.0-or-later
"""The options both migration modules share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._module import Call, RollbackError
from .._postgres.arguments import connection_from, connection_options
from .._postgres.model import Connection
from .adapters import ADAPTERS, DEFAULT_COMMANDS
from .model import Tool

MIGRATION: dict[str, dict[str, Any]] = {
    "tool": {"type": "str", "choices": sorted(ADAPTERS), "default": "command"},
    "command": {"type": "list", "elements": "str"},
    "chdir": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "env_name": {"type": "str"},
    "app": {"type": "str"},
    "down_scripts": {"type": "str"},
    **connection_options(required=False),
}
SECRET = re.compile(r"pass|secret|token|key|credential|dsn|url|uri", re.IGNORECASE)
OTHER_SERVERS = re.compile(
    r"^(jdbc:)?(mysql|mariadb|sqlite\d?|sqlserver|mssql|oracle|mongodb|clickhouse)\b", re.IGNORECASE
)


def tool_from(call: Call) -> Tool:
    """The tool the parameters describe; secrets among its variables are made known to the call."""
    params = call.params
    environment = {str(name): str(value) for name, value in params["environment"].items()}
    call.secrets.update(value for name, value in environment.items() if SECRET.search(name) and len(value) > 3)
    for name, value in environment.items():
        if other := OTHER_SERVERS.match(value):
            raise RollbackError(
                f"{name} points at {other.group(2)}: only PostgreSQL is supported; roll this database back by hand"
            )
    return Tool(
        command=tuple(params["command"] or DEFAULT_COMMANDS[params["tool"]]),
        chdir=params["chdir"],
        env_name=params["env_name"],
        app=params["app"],
        down_scripts=params["down_scripts"],
        environment=environment,
    )


def optional_connection(params: Mapping[str, Any]) -> Connection | None:
    """The connection, if the parameters name a database."""
    return connection_from(params) if params["login_db"] else None
