# SPDX-License-Identifier: GPL-3.0-or-later
"""The same three migrations as a project of each tool: users, their tier, and points."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
DBMATE = "dbmate@2.36.0"

ALEMBIC_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
if context.is_offline_mode():
    context.configure(url="postgresql://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine("postgresql+psycopg2://", poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
DJANGO_MANAGE = """
import os, sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["shop"], DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}},
)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@dataclass(frozen=True)
class Project:
    """How to bring a tool's project up and what its versions and tables are called."""

    tool: str
    command: list[str]
    up: list[str]
    versions: tuple[str, str, str]
    base: str
    users: str = "users"
    points: str = "points"
    options: Mapping[str, str] | None = None
    break_second: Callable[[Path], object] = lambda root: root


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def alembic(root: Path) -> Project:
    """Revisions 0001 to 0003."""
    bodies = {
        "0001": ("op.execute('CREATE TABLE users (id serial PRIMARY KEY, name text)')", "op.drop_table('users')"),
        "0002": ("op.execute('ALTER TABLE users ADD tier text')", "op.drop_column('users', 'tier')"),
        "0003": ("op.execute('CREATE TABLE points (user_id int)')", "op.drop_table('points')"),
    }
    below = "None"
    for revision, (up, down) in bodies.items():
        text = f"from alembic import op\nrevision = '{revision}'\ndown_revision = {below}\n"
        text += f"def upgrade():\n    {up}\ndef downgrade():\n    {down}\n"
        _write(root, {f"migrations/versions/{revision}.py": text})
        below = f"'{revision}'"
    _write(root, {"alembic.ini": "[alembic]\nscript_location = migrations\n", "migrations/env.py": ALEMBIC_ENV})
    second = root / "migrations/versions/0002.py"
    return Project(
        "alembic", [str(Path(sys.executable).parent / "alembic")], ["upgrade", "head"], ("0001", "0002", "0003"),
        "base", break_second=lambda _: second.write_text(
            second.read_text().replace("op.drop_column('users', 'tier')", "raise NotImplementedError('no way back')")
        ),
    )  # fmt: skip


def django(root: Path) -> Project:
    """Migrations 0001_user to 0003_points of the application shop."""
    operations = {
        "0001_user": "migrations.CreateModel('User', [('id', models.AutoField(primary_key=True)),"
        " ('name', models.TextField())])",
        "0002_tier": "migrations.AddField('user', 'tier', models.TextField(null=True))",
        "0003_points": "migrations.CreateModel('Points', [('id', models.AutoField(primary_key=True)),"
        " ('user_id', models.IntegerField())])",
    }
    below = "[]"
    for name, operation in operations.items():
        text = "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
        text += f"    dependencies = {below}\n    operations = [{operation}]\n"
        _write(root, {f"shop/migrations/{name}.py": text})
        below = f"[('shop', '{name}')]"
    _write(root, {"manage.py": DJANGO_MANAGE, "shop/__init__.py": "", "shop/migrations/__init__.py": ""})
    second = root / "shop/migrations/0002_tier.py"
    return Project(
        "django", [sys.executable, "manage.py"], ["migrate"], ("0001_user", "0002_tier", "0003_points"), "zero",
        "shop_user", "shop_points", {"app": "shop"}, lambda _: second.write_text(
            second.read_text().replace("[migrations.Add", "[migrations.RunPython(lambda *_: None), migrations.Add")
        ),
    )  # fmt: skip


def dbmate(root: Path) -> Project:
    """Files with an up and a down part."""
    for version, name, up, down in (
        ("20260101", "users", "CREATE TABLE users (id serial PRIMARY KEY, name text);", "DROP TABLE users;"),
        ("20260102", "tier", "ALTER TABLE users ADD tier text;", "ALTER TABLE users DROP tier;"),
        ("20260103", "points", "CREATE TABLE points (user_id int);", "DROP TABLE points;"),
    ):
        _write(root, {f"db/migrations/{version}_{name}.sql": f"-- migrate:up\n{up}\n\n-- migrate:down\n{down}\n"})
    second = root / "db/migrations/20260102_tier.sql"
    return Project(
        "dbmate", [dbmate_program()], ["--no-dump-schema", "up"], ("20260101", "20260102", "20260103"), "0",
        break_second=lambda _: second.write_text(second.read_text().replace("ALTER TABLE users DROP tier;", "")),
    )  # fmt: skip


def sqitch(root: Path) -> Project:
    """Changes users, tier and points."""
    if shutil.which("sqitch") is None:
        pytest.skip("Sqitch is not installed: apt-get install --no-install-recommends sqitch libdbd-pg-perl")
    plan = "%syntax-version=1.0.0\n%project=shop\n\n"
    for number, (name, up, down) in enumerate(
        (
            ("users", "CREATE TABLE users (id serial PRIMARY KEY, name text);", "DROP TABLE users;"),
            ("tier", "ALTER TABLE users ADD tier text;", "ALTER TABLE users DROP COLUMN tier;"),
            ("points", "CREATE TABLE points (user_id int);", "DROP TABLE points;"),
        ),
        start=1,
    ):
        plan += f"{name} 2026-01-0{number}T00:00:00Z Ann <ann@example.com> # {name}\n"
        _write(
            root, {f"deploy/{name}.sql": f"BEGIN;\n{up}\nCOMMIT;\n", f"revert/{name}.sql": f"BEGIN;\n{down}\nCOMMIT;\n"}
        )
    _write(root, {"sqitch.plan": plan, "sqitch.conf": "[core]\n\tengine = pg\n"})
    second = root / "revert/tier.sql"
    return Project(
        "sqitch", ["sqitch"], ["deploy", "--target", "db:pg:"], ("users", "tier", "points"), "0",
        break_second=lambda _: second.write_text("-- irreversible\n"),
    )  # fmt: skip


def dbmate_program() -> str:
    """dbmate of PATH, else the npm package, installed once below .cache."""
    if found := shutil.which("dbmate"):
        return found
    place = REPOSITORY / ".cache" / "npm"
    program = place / "node_modules" / ".bin" / "dbmate"
    install = f"npm install --prefix .cache/npm {DBMATE}"
    if not program.exists():
        if shutil.which("npm") is None:
            pytest.skip(f"dbmate is not installed and neither is npm: apt-get install npm, then {install}")
        place.mkdir(parents=True, exist_ok=True)
        argv = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(place), DBMATE]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"dbmate cannot be installed ({done.stderr.strip()[-200:]}): {install}")
    return str(program)


def environment_of(project: Project, settings: Mapping[str, str]) -> dict[str, str]:
    """Variables for the tool outside of the modules."""
    url = "postgres://{PGUSER}:{PGPASSWORD}@{PGHOST}:{PGPORT}/{PGDATABASE}?sslmode=disable".format(**settings)
    identity = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.com"}
    return {**os.environ, **settings, **identity, **({"DATABASE_URL": url} if project.tool == "dbmate" else {})}


ALL: dict[str, Callable[[Path], Project]] = {"alembic": alembic, "django": django, "dbmate": dbmate, "sqitch": sqitch}
