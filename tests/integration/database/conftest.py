# SPDX-License-Identifier: GPL-3.0-or-later
"""The person on call with a release of the sandbox out that moved the schema, and nobody using it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from tests.integration.rollback.conftest import Operator, clean, operator
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until
from tests.sandbox.releases import SHOP

__all__ = ["clean", "operator"]

TABLES = ("customers", "loyalty_accounts", "orders", "products", "schema_migrations", "sessions")
# Nobody is there to ask monitoring about, so the drills end with the smoke tests.
DECIDED = (
    *("-e", "condition=security_vulnerability", "-e", 'decided_by="Security Lead: Kim Reyes"', "-e", "reason=drill"),
    *("-e", '{"verification_monitoring": []}'),
)


@dataclass
class Shop:
    """The shop's database, seen from beside the playbooks."""

    sandbox: Sandbox

    def rows(self) -> dict[str, list[Any]]:
        """Every row of every table, in an order that does not depend on how they are stored."""
        there = [name for name in TABLES if self.sandbox.query(f"SELECT to_regclass('{name}')")[0][0]]
        return {
            name: sorted(str(row[0]) for row in self.sandbox.query(f"SELECT t FROM {name} t"))  # noqa: S608 - ours
            for name in there
        }

    def schema(self) -> int:
        """The migration it is at."""
        return int(self.sandbox.query("SELECT max(version) FROM schema_migrations")[0][0])

    def backups(self) -> list[Path]:
        """The archives that are kept, the newest last."""
        return sorted((self.sandbox.directory / "backups").glob("1.4.2-*.dump"), key=lambda path: path.stat().st_mtime)

    def databases(self) -> set[str]:
        """Names of all databases of the server that begin with the shop's."""
        return {row[0] for row in self.sandbox.query("SELECT datname FROM pg_database WHERE datname LIKE 'shop%'")}

    @contextmanager
    def forgotten_transaction(self) -> Iterator[int]:
        """Somebody's psql, left open with a lock on a table; gives its process id on the server."""
        postgres = self.sandbox.endpoints["postgres"]
        owner = postgres["users"]["owner"]
        connection = psycopg2.connect(
            host=postgres["host"], port=postgres["port"], dbname=postgres["database"], user=owner["user"],
            password=owner["password"], application_name="somebody's psql",
        )  # fmt: skip
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid() FROM orders LIMIT 1")
                (pid,) = cursor.fetchone() or (0,)
            yield int(pid)
        finally:
            connection.close()


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    """The database under 1.4.2, with orders of customers who have left."""
    drop_kept(sandbox)
    sandbox.ship("1.4.1")
    sandbox.ship("1.4.2")
    with sandbox.load(40):
        wait_until(
            lambda: sandbox.query("SELECT count(*) > 5 FROM orders WHERE loyalty_points > 0")[0][0], 30, "orders"
        )
    return Shop(sandbox)


def drop_kept(sandbox: Sandbox) -> None:
    """Drop what earlier restores have set aside."""
    postgres = sandbox.endpoints["postgres"]
    user = postgres["users"]["superuser"]
    login = {"host": postgres["host"], "port": postgres["port"], "user": user["user"], "password": user["password"]}
    connection = psycopg2.connect(dbname="postgres", **login)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_before\\_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    connection.close()


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    """A copy of the shop's scripts that may be broken; ``-e sandbox_shop=...`` makes the playbooks use it."""
    copy = tmp_path / "shop"
    shutil.copytree(SHOP, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def scripts(copy: Path) -> tuple[str, str]:
    """The option that makes playbooks use a copy of the scripts."""
    return ("-e", f"sandbox_shop={copy}")


def decided(operator: Operator, *options: str, rc: int = 0) -> str:
    """Roll back by a person's decision."""
    return operator.rollback(*DECIDED, *options, rc=rc)
