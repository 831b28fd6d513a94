# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server and a throwaway project whose migrations go from 40 to 42."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.postgres import PostgresServer

# The plan template's contract in a few lines; a table holds the version, MIGRATE_* variables make it misbehave.
MIGRATE = """#!/bin/sh
set -eu
verb=$1; shift
while [ $# -gt 0 ]; do case $1 in --to-version) to=$2;; --env) env=$2;; esac; shift 2; done
ask() { psql -qAtX -v ON_ERROR_STOP=1 "$@"; }
case $verb in
status) echo "environment: $env"; echo "version: $(ask -c 'SELECT version FROM state')" ;;
down)
  at=$(ask -c 'SELECT version FROM state')
  while [ "$at" -gt "$to" ]; do
    ask -1 -f migrations/${at}_*.down.sql -c "UPDATE state SET version = $((at - 1))"
    at=$((at - 1)); echo "now at $at"
  done ;;
esac
"""
SCHEMA = """
CREATE TABLE state (version int); INSERT INTO state VALUES (42);
CREATE TABLE users (id serial PRIMARY KEY, name text, tier text);
INSERT INTO users (name, tier) SELECT 'u' || i, CASE WHEN i % 2 = 0 THEN 'gold' END FROM generate_series(1, 10) i;
CREATE TABLE points (user_id int, points int); INSERT INTO points SELECT i, i FROM generate_series(1, 7) i;
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for all."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def database(server: PostgresServer) -> Iterator[str]:
    """An empty database; dropped at the end."""
    name = f"app{next(_numbers)}"
    server.create_database(name)
    yield name
    server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def project(tmp_path: Path, server: PostgresServer, database: str) -> dict[str, Any]:
    """Options of the migration modules for the throwaway project, its schema at 42."""
    server.execute(SCHEMA, database)
    script = tmp_path / "migrate.sh"
    script.write_text(MIGRATE)
    script.chmod(0o755)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "42_loyalty.down.sql").write_text(
        "-- goes\nDROP TABLE points;\nALTER TABLE users DROP COLUMN tier;"
    )
    (tmp_path / "migrations" / "41_note.down.sql").write_text("SELECT setval('users_id_seq', 100);")
    return {
        **server.login(database),
        "chdir": str(tmp_path),
        "env_name": "production",
        "down_scripts": "migrations/*.down.sql",
    }
