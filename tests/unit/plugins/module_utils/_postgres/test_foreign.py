# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that are not PostgreSQL are called by their names."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, suppress

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.client import Session
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.foreign import (
    product_of_version,
    product_of_words,
    refuse_address,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import Connection

from tests.listener import listening

MYSQL = b"\x4a\0\0\0\x0a8.4.3\0\x0b\0\0\0" + b"x" * 60
MARIADB = b"\x5a\0\0\0\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0" + b"x" * 40
BLOCKED = b"\x45\0\0\0\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MariaDB server"


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("mysql://u@h/shop", "MySQL"),
        ("mysql+pymysql://u@h/shop", "MySQL"),
        ("jdbc:mariadb://h/shop", "MariaDB"),
        ("sqlite:////srv/shop.db", "SQLite"),
        ("sqlite3:shop.sqlite3", "SQLite"),
        ("/srv/shop.sqlite3", "SQLite"),
        ("jdbc:oracle:thin:@h:1521/shop", "Oracle Database"),
        ("oracle+oracledb://u@h", "Oracle Database"),
        ("jdbc:sqlserver://h", "Microsoft SQL Server"),
        ("mssql+pyodbc://u@h/shop", "Microsoft SQL Server"),
        ("cockroachdb://h:26257/shop", "CockroachDB"),
        ("mongodb+srv://h/shop", "MongoDB"),
    ],
)
def test_addresses(text: str, product: str) -> None:
    with pytest.raises(RollbackError, match=f"^not supported: what DATABASE_URL names is {product}, and only"):
        refuse_address("DATABASE_URL", text)


@pytest.mark.parametrize(
    "text", ["", "db.example.com", "postgres://u@h/mysql", "postgresql+psycopg2://h/x", "mysql-db"]
)
def test_addresses_of_postgresql(text: str) -> None:
    refuse_address("login_host", text)


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc", ""),
        ("EnterpriseDB 16.3.0 on x86_64-pc-linux-gnu", ""),
        ("CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2026/05/15)", "CockroachDB"),
        ("PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu", "YugabyteDB"),
        ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.77", "Redshift"),
        ("PostgreSQL 9.4.26 (Greenplum Database 6.26.4 build) on x86_64", "Greenplum"),
        ("SomethingDB 3.1 on wheels", "SomethingDB 3.1"),
    ],
)
def test_versions(text: str, product: str) -> None:
    assert product_of_version(text) == product


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.", ""),
        ("INFO  [alembic.runtime.migration] Context impl SQLiteImpl.", "SQLite"),
        ("ModuleNotFoundError: No module named 'MySQLdb'", "MySQL"),
        ("sqlalchemy.exc.OperationalError: (pymysql.err.OperationalError) (2003, ...)", "MySQL"),
        ("ORA-12541: TNS:no listener", "Oracle Database"),
    ],
)
def test_words_of_tools(text: str, product: str) -> None:
    assert product_of_words(text) == product


def server(greeting: bytes, answers: dict[bytes, bytes]) -> AbstractContextManager[int]:
    """A server that says ``greeting`` and then answers by the first byte it hears; its port."""

    def attend(wire: socket.socket) -> None:
        with suppress(OSError), wire:
            wire.sendall(greeting)
            heard = wire.recv(4096)
            wire.sendall(answers.get(heard[:1], b""))

    return listening(attend)


@pytest.mark.parametrize(
    ("greeting", "answers", "product"),
    [
        (MYSQL, {}, "MySQL 8.4.3"),
        (MARIADB, {}, "MariaDB 5.5.5-10.11.6-MariaDB"),
        (BLOCKED, {}, "MariaDB"),
        (b"", {b"\x12": b"\x04\x01\x00\x2b" + b"\0" * 39}, "Microsoft SQL Server"),
        (b"", {b"\x00": b"\x00\x20\x00\x00\x04\x00\x00\x00\x22\x00\x00\x14(ERR=12514)"}, "Oracle Database"),
    ],
)
def test_servers_are_known_by_their_greeting(greeting: bytes, answers: dict[bytes, bytes], product: str) -> None:
    with (
        server(greeting, answers) as port,
        pytest.raises(RollbackError, match=f"not supported: .*:{port} is {product}"),
    ):
        Session(Connection("127.0.0.1", port, "ann", "shop"))


def test_a_server_nobody_knows_is_not_given_a_name() -> None:
    with server(b"220 smtp ready\r\n", {}) as port, pytest.raises(RollbackError, match="cannot connect to PostgreSQL"):
        Session(Connection("127.0.0.1", port, "ann", "shop"))
