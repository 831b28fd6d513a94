# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options of the PostgreSQL modules, named as users of community.postgresql know them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .foreign import refuse_address
from .model import Connection

CONNECTION: dict[str, dict[str, Any]] = {
    "login_host": {"type": "str", "default": "", "aliases": ["host"]},
    "login_unix_socket": {"type": "str", "default": "", "aliases": ["unix_socket"]},
    "login_port": {"type": "int", "default": 5432, "aliases": ["port"]},
    "login_user": {"type": "str", "default": "postgres", "aliases": ["login"]},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "login_db": {"type": "str", "aliases": ["db"]},
    "maintenance_db": {"type": "str", "default": "postgres"},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ca_cert": {"type": "str", "aliases": ["ssl_rootcert"]},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
}

BOOKKEEPING = [
    "alembic_version",
    "django_migrations",
    "schema_migrations",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "sqitch.*",
]
CHECKS: dict[str, dict[str, Any]] = {
    "assertions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "query": {"type": "str", "required": True},
            "expect": {"type": "raw"},
        },
    },
    "ignore_tables": {"type": "list", "elements": "str", "default": BOOKKEEPING},
}


def connection_options(*, required: bool = True) -> dict[str, dict[str, Any]]:
    """The argument spec; ``login_db`` is demanded unless a module can work without a database."""
    return {**CONNECTION, "login_db": {**CONNECTION["login_db"], "required": required}}


def connection_from(params: Mapping[str, Any]) -> Connection:
    """The connection the validated ``params`` describe; addresses of other products are refused by name."""
    for name in ("login_host", "login_db"):
        refuse_address(name, params[name] or "")
    return Connection(
        host=params["login_unix_socket"] or params["login_host"],
        port=params["login_port"],
        user=params["login_user"],
        password=params["login_password"],
        database=params["login_db"],
        ssl_mode=params["ssl_mode"],
        ca_cert=params["ca_cert"],
        ssl_cert=params["ssl_cert"],
        ssl_key=params["ssl_key"],
        maintenance=params["maintenance_db"],
    )
