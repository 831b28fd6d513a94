# SPDX-License-Identifier: GPL-3.0-or-later
"""Real tools on databases that are not PostgreSQL: a name instead of a stack trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import migration_info, postgres_backup

from tests.integration.migrations.projects import DJANGO_MANAGE
from tests.integration.postgres.calling import call

BIN = Path(sys.executable).parent


def test_django_on_sqlite(tmp_path: Path) -> None:
    settings = DJANGO_MANAGE.replace(
        '"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]',
        '"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"',
    ).replace('INSTALLED_APPS=["shop"]', "INSTALLED_APPS=[]")
    (tmp_path / "manage.py").write_text(settings)
    options = {"tool": "django", "app": "shop", "chdir": str(tmp_path), "command": [sys.executable, "manage.py"]}
    with pytest.raises(RollbackError, match=r"^not supported: the default database of the Django project is SQLite"):
        call(migration_info, **options)


def test_alembic_on_sqlite(tmp_path: Path) -> None:
    alembic = str(BIN / "alembic")
    subprocess.run([alembic, "init", "migrations"], cwd=tmp_path, check=True, capture_output=True)
    configuration = tmp_path / "alembic.ini"
    lines = configuration.read_text().splitlines()
    address = "sqlalchemy.url = sqlite:///shop.db"
    configuration.write_text("\n".join(address if line.startswith("sqlalchemy.url") else line for line in lines))
    with pytest.raises(RollbackError, match=r"^not supported: what .*alembic .* works on is SQLite"):
        call(migration_info, tool="alembic", chdir=str(tmp_path), command=[alembic])


@pytest.mark.parametrize(
    ("options", "product"),
    [
        ({"environment": {"DATABASE_URL": "mysql://ann:hunter2@db/shop"}}, "MySQL"),
        ({"tool": "flyway", "environment": {"FLYWAY_URL": "jdbc:oracle:thin:@db:1521/shop"}}, "Oracle Database"),
        ({"login_host": "mssql://db", "login_db": "shop"}, "Microsoft SQL Server"),
        ({"login_db": "/srv/shop.sqlite3"}, "SQLite"),
    ],
)
def test_addresses_of_others(options: dict[str, Any], product: str) -> None:
    with pytest.raises(RollbackError, match=f"not supported: .*{product}") as refused:
        call(migration_info, **options)
    assert "hunter2" not in refused.value.message


def test_an_address_in_the_environment_of_the_control_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mariadb://db/shop")
    with pytest.raises(RollbackError, match="not supported: what DATABASE_URL names is MariaDB"):
        call(migration_info, tool="dbmate")


def test_a_backup_of_another_product(tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match="not supported: what login_host names is CockroachDB"):
        call(postgres_backup, login_host="cockroachdb://db", login_db="shop", path=str(tmp_path / "x.dump"))
