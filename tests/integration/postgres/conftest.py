# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server for the tests of this directory and a small database that looks like a shop's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.postgres import PostgresServer

SHOP = '''
CREATE TABLE products (id serial PRIMARY KEY, name text NOT NULL, price numeric(8,2) NOT NULL, tags text[]);
CREATE TABLE orders (id bigserial PRIMARY KEY, product_id int REFERENCES products, placed timestamptz, note text);
CREATE TABLE events (at timestamptz, kind text, weight double precision, raw bytea);
CREATE TABLE "Odd ""name""" ("A b" int, "T" money, PRIMARY KEY ("A b"));
CREATE VIEW cheap AS SELECT * FROM products WHERE price < 10;
INSERT INTO products (name, price, tags) SELECT 'product ' || i, i * 1.25, ARRAY['a', 'b' || i]
  FROM generate_series(1, 50) i;
INSERT INTO orders (product_id, placed, note)
  SELECT 1 + i % 50, timestamptz '2026-01-01' + i * interval '1 minute', nullif(md5(i::text), md5((i / 3 * 3)::text))
  FROM generate_series(1, 2000) i;
INSERT INTO events SELECT now(), 'click', i / 7.0, decode(md5(i::text), 'hex') FROM generate_series(1, 300) i;
INSERT INTO "Odd ""name""" VALUES (1, 12.5), (2, NULL);
'''
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for all."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def full(server: PostgresServer) -> str:
    """The name of a database with data that nobody connects to: fresh ones are copied from it."""
    server.create_database("full")
    server.execute(SHOP, "full")
    return "full"


@pytest.fixture
def shop(server: PostgresServer, full: str) -> Iterator[str]:
    """The name of a fresh database with data; dropped at the end."""
    name = f"shop{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {full}")
    yield name
    server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the backups of a test go."""
    made = tmp_path / "backups"
    made.mkdir()
    return made


@pytest.fixture
def login(server: PostgresServer, shop: str) -> dict[str, Any]:
    """Connection options of the superuser."""
    return server.login(shop)


def databases(server: PostgresServer, shop: str) -> list[str]:
    """The database and what was made of it."""
    rows = server.execute("SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY 1", arguments=[f"{shop}%"])
    return [row[0] for row in rows if row[0] == shop or row[0].startswith(f"{shop}_")]


@pytest.fixture
def cleared(server: PostgresServer, shop: str) -> Any:
    """Drops what a restore leaves behind."""
    yield
    for name in databases(server, shop):
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
