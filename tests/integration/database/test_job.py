# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole rollback of two databases: one by Jobs with the image of the release that goes, one by a tool of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from tests.integration.database.conftest import Shop, decided
from tests.integration.migrations.conftest import MIGRATE, SCHEMA
from tests.integration.rollback.conftest import ROOT, Operator
from tests.sandbox.process import wait_until

pytestmark = pytest.mark.sandbox


def on_server(operator: Operator, statement: str, database: str = "postgres") -> list[Any]:
    """Rows of a statement of the superuser."""
    postgres = operator.sandbox.endpoints["postgres"]
    user = postgres["users"]["superuser"]
    connection = psycopg2.connect(
        host=postgres["host"], port=postgres["port"], user=user["user"], password=user["password"], dbname=database
    )
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def points(operator: Operator, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A second database of the release, at 42, and how both are migrated."""
    on_server(operator, "DROP DATABASE IF EXISTS points WITH (FORCE)")
    on_server(operator, "CREATE DATABASE points")
    on_server(operator, SCHEMA, "points")
    (tmp_path / "migrate.sh").write_text(MIGRATE)
    (tmp_path / "migrate.sh").chmod(0o755)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/42_points.down.sql").write_text("DROP TABLE points;")
    tool = {"chdir": str(tmp_path), "env_name": "production", "down_scripts": "migrations/*.down.sql"}
    yield {"shop": "{{ database_migrations_as_jobs.shop }}", "points": tool}
    on_server(operator, "DROP DATABASE IF EXISTS points WITH (FORCE)")


def test_two_databases_and_the_release_s_own_image(
    operator: Operator, shop: Shop, points: dict[str, Any], tmp_path: Path
) -> None:
    before = shop.rows()
    endpoints = operator.sandbox.endpoints
    postgres = endpoints["postgres"]
    owner = postgres["users"]["owner"]
    login = {"login_host": postgres["host"], "login_port": postgres["port"], "login_db": postgres["database"]}
    login |= {"login_user": owner["user"], "login_password": owner["password"]}
    superuser = {**login, "login_user": postgres["users"]["superuser"]["user"], "login_db": "points"}
    superuser["login_password"] = postgres["users"]["superuser"]["password"]
    manifest = yaml.safe_load((ROOT / "inventories/sandbox/releases/1.4.2.yml").read_text())
    manifest["databases"].append({"name": "points", "current": 42, "previous": 41})
    releases = tmp_path / "releases"
    releases.mkdir()
    (releases / "1.4.2.yml").write_text(yaml.safe_dump(manifest))
    variables = tmp_path / "variables.json"
    connections = {"shop": login, "points": superuser}
    told = {
        "database_migrations": points,
        "database_connections": connections,
        "database_validations": {"points": {"ignore_tables": ["state"]}},
        "plan_manifests": str(releases),
    }
    variables.write_text(json.dumps(told))
    options = ("-e", f"@{variables}")
    output = decided(operator, *options)
    assert "shop went down from 42 to 41 on a copy in" in output
    assert "points went down from 42 to 41 on a copy in" in output
    assert f"loses {len(before['loyalty_accounts'])} rows of public.loyalty_accounts" in output
    assert "points goes down from migration 42 to 41 and loses 7 rows of public.points" in output
    assert "down 42 loyalty ... done" in output, "the log of the Job is shown"
    assert owner["password"] not in output
    assert shop.schema() == 41
    assert on_server(operator, "SELECT version, to_regclass('points')::text FROM state", "points") == [(41, None)]
    after = shop.rows()
    assert len(after["orders"]) == len(before["orders"])
    assert "loyalty_accounts" not in after
    cluster = operator.sandbox.cluster
    ours = "app.kubernetes.io/component=migration"
    wait_until(lambda: not cluster.items("Pod", ours) and not cluster.items("Secret", ours), 20, "no trace of the Jobs")
    assert "nothing was changed" in decided(operator, *options)
