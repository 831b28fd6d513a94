# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration modules with the real tools: one scenario, whatever the tool is called."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import migration_downgrade, migration_info

from tests.integration.migrations.projects import ALL, Project, alembic, django, environment_of
from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer


@pytest.fixture(params=sorted(ALL))
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project of each tool in its own directory."""
    made: Project = ALL[request.param](tmp_path)
    return made


@pytest.fixture
def options(project: Project, tmp_path: Path, server: PostgresServer, database: str) -> dict[str, Any]:
    """Options of the modules; the schema is at the newest version and has rows."""
    environment = environment_of(project, server.environment(database))
    up = [*project.command, *project.up]
    done = subprocess.run(up, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    three_users = "(name, tier) VALUES ('a', 'x'), ('b', 'y'), ('c', NULL)"
    server.execute(f"INSERT INTO {project.users} {three_users}", database)
    server.execute(f"INSERT INTO {project.points} (user_id) VALUES (1), (1), (2), (3)", database)  # noqa: S608 - ours
    return {
        **server.login(database),
        **(project.options or {}),
        "tool": project.tool,
        "command": project.command,
        "chdir": str(tmp_path),
        "environment": {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.com"},
    }


def test_down_two_steps_with_their_price_and_back_to_the_empty_schema(
    project: Project, options: dict[str, Any], server: PostgresServer, database: str
) -> None:
    first, second, third = project.versions
    told = call(migration_info, **options, target=first)
    assert (told["current"], told["target"], told["direction"], told["problems"]) == (third, first, "down", [])
    assert [(step["version"], step["to"]) for step in told["steps"]] == [(third, second), (second, first)]
    assert [(loss["table"], loss["column"], loss["rows"]) for loss in told["loss"]["items"]] == [
        (f"public.{project.points}", "", 4),
        (f"public.{project.users}", "tier", 2),
    ]
    assert told["loss"]["unseen"] == []
    done = call(migration_downgrade, **options, target=first, max_loss=6)
    assert (done["changed"], done["from"], done["to"]) == (True, third, first)
    assert [step["version"] for step in done["steps"]] == [third, second]
    columns = server.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY 1", database, [project.users]
    )
    assert columns == [("id",), ("name",)]
    assert not call(migration_downgrade, **options, target=first)["changed"]
    with pytest.raises(RollbackError, match="that way is up, not down"):
        call(migration_downgrade, **options, target=third)
    assert call(migration_downgrade, **options, target=project.base)["to"] == project.base


def test_what_cannot_be_done_is_found_before_the_first_step(
    project: Project, options: dict[str, Any], server: PostgresServer, database: str, tmp_path: Path
) -> None:
    first, second, _unused = project.versions
    assert any(
        "is not among the applied versions" in one for one in call(migration_info, **options, target="nope")["problems"]
    )
    project.break_second(tmp_path)
    with pytest.raises(RollbackError, match=f"step {second} cannot be undone"):
        call(migration_downgrade, **options, target=first)
    assert server.execute(f"TABLE {project.points}", database)


def test_branches_of_alembic_are_told_before_the_first_step(
    tmp_path: Path, server: PostgresServer, database: str
) -> None:
    made = alembic(tmp_path)
    branch = "from alembic import op\nrevision = '0009'\ndown_revision = '0001'\n"
    branch += (
        "def upgrade():\n    op.execute('CREATE TABLE side (n int)')\ndef downgrade():\n    op.drop_table('side')\n"
    )
    (tmp_path / "migrations/versions/0009.py").write_text(branch)
    up = [*made.command, "upgrade", "heads"]
    environment = environment_of(made, server.environment(database))
    subprocess.run(up, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)
    options = {**server.login(database), "tool": "alembic", "command": made.command, "chdir": str(tmp_path)}
    with pytest.raises(RollbackError, match=r"on several branches at once \(.*0009.*\); go down by hand"):
        call(migration_downgrade, **options, target="0001")
    assert server.execute("TABLE side", database) == []


ORDERS = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0003_points")]
    operations = [migrations.CreateModel("Order", [("id", models.AutoField(primary_key=True))])%s]
"""


def test_what_django_undoes_of_other_applications_is_counted_too(
    tmp_path: Path, server: PostgresServer, database: str
) -> None:
    made = django(tmp_path)
    manage, folder = tmp_path / "manage.py", tmp_path / "orders" / "migrations"
    manage.write_text(manage.read_text().replace('["shop"]', '["shop", "orders"]'))
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        (place / "__init__.py").touch()
    (folder / "0001_order.py").write_text(ORDERS % "")
    environment = environment_of(made, server.environment(database))
    subprocess.run([*made.command, *made.up], cwd=tmp_path, env=environment, check=True, timeout=60)
    server.execute("INSERT INTO orders_order SELECT FROM generate_series(1, 9)", database)
    options = {**server.login(database), "tool": "django", "app": "shop", "command": made.command}
    options["chdir"] = str(tmp_path)

    told = call(migration_info, **options, target="0001_user")
    assert [step["name"] for step in told["steps"]] == ["and orders.0001_order", ""]
    assert ("0003_points", "public.orders_order", 9) in [
        (item["step"], item["table"], item["rows"]) for item in told["loss"]["items"]
    ]
    with pytest.raises(RollbackError, match=r"lose 9 rows, max_loss is 8: .*9 in public\.orders_order"):
        call(migration_downgrade, **options, target="0002_tier", max_loss=8)
    assert len(server.execute("TABLE orders_order", database)) == 9
    (folder / "0001_order.py").write_text(ORDERS % ", migrations.RunPython(lambda *_: None)")
    with pytest.raises(RollbackError, match=r"step 0003_points cannot be undone: .*orders\.0001_order.* irreversible"):
        call(migration_downgrade, **options, target="0002_tier")
    (folder / "0001_order.py").write_text(ORDERS % "")
    assert call(migration_downgrade, **options, target="0002_tier", max_loss=9)["changed"]
    assert server.execute("SELECT to_regclass('orders_order')", database) == [(None,)]
