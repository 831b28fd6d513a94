# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognises databases that are not PostgreSQL, by their address, by their greeting and by what they call themselves.

Servers that speak first, or answer the first packet of another protocol, are known before anything is asked of them:
MySQL's protocol 10 handshake, the pre-login packet of TDS (SQL Server), the TNS connect packet of Oracle.
"""

from __future__ import annotations

import re
import socket
import struct
from contextlib import suppress

from .._module import RollbackError

ADDRESS = re.compile(
    r"^(?:jdbc:)?(?P<scheme>mysql|mariadb|sqlite|sqlserver|mssql|oracle|db2|mongodb|clickhouse|cockroachdb|redshift"
    r"|snowflake|firebird|cassandra|redis|h2|hsqldb|derby)[\w+-]*:",
    re.IGNORECASE,
)
NAMES = {
    "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite", "sqlserver": "Microsoft SQL Server",
    "mssql": "Microsoft SQL Server", "oracle": "Oracle Database", "db2": "Db2", "mongodb": "MongoDB",
    "clickhouse": "ClickHouse", "cockroachdb": "CockroachDB", "redshift": "Amazon Redshift", "snowflake": "Snowflake",
    "firebird": "Firebird", "cassandra": "Cassandra", "redis": "Redis", "h2": "H2", "hsqldb": "HSQLDB",
    "derby": "Derby",
}  # fmt: skip
# They speak PostgreSQL's protocol and have no pg_dump that could be trusted, or none of its catalogues.
LOOKALIKES = re.compile(
    r"CockroachDB|YugabyteDB|-YB-|Redshift|Greenplum|Materialize|RisingWave|QuestDB|CrateDB|immudb|DuckDB|\bH2\b"
    r"|Spanner|openGauss|GaussDB|Vertica",
    re.IGNORECASE,
)
# What drivers, and tools about their backends, are called in error messages and logs.
DRIVERS = (
    (r"pymysql|mysqldb|mysqlclient|mysql[._]connector|MySQLImpl|go-sql-driver/mysql|com\.mysql", "MySQL"),
    (r"MariaDBImpl|org\.mariadb", "MariaDB"),
    (r"sqlite3?\.OperationalError|SQLiteImpl|pysqlite|go-sqlite3|org\.sqlite|django\.db\.backends\.sqlite3", "SQLite"),
    (r"pyodbc|pymssql|MSSQLImpl|com\.microsoft\.sqlserver|go-mssqldb", "Microsoft SQL Server"),
    (r"cx_Oracle|oracledb\.|OracleImpl|ORA-\d{5}|oracle\.jdbc", "Oracle Database"),
)
SPEAKS_FIRST = 0.7  # seconds to wait for a server that greets
PRELOGIN = bytes.fromhex("1201001a00000000 00000b0006 0100110001 ff 090000000000 02")
TNS_DATA = b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=octalume)))"


def not_supported(product: str, where: str) -> RollbackError:
    """The one error for all of them."""
    return RollbackError(
        f"not supported: {where} is {product}, and only PostgreSQL is. Leave this database out of the manifest's"
        " databases and roll it back by its own means",
        product=product,
    )


def refuse_address(name: str, text: str) -> None:
    """Raise if the value of option or variable ``name`` is the address of another product."""
    match = ADDRESS.match(text)
    if match:
        raise not_supported(NAMES[match["scheme"].lower()], f"what {name} names")
    if re.search(r"\.(sqlite3?|db3)$", text, re.IGNORECASE):
        raise not_supported("SQLite", f"what {name} names")


def product_of_version(text: str) -> str:
    """The product that ``SELECT version()`` speaks of; empty for PostgreSQL itself."""
    found = LOOKALIKES.search(text)
    if found:
        return {"-YB-": "YugabyteDB"}.get(found.group().upper(), found.group())
    return "" if "PostgreSQL" in text or text.startswith("EnterpriseDB") else text.split(" on ")[0][:60]


def product_of_words(text: str) -> str:
    """The product whose driver an error message or a log speaks of; empty if there is none."""
    return next((product for pattern, product in DRIVERS if re.search(pattern, text, re.IGNORECASE)), "")


def product_at(host: str, port: int) -> str:
    """The product that listens there, as far as its first bytes tell; empty if it may be PostgreSQL."""
    if not host or host.startswith("/"):
        return ""
    said = _exchange(host, port, b"")
    if len(said) > 5 and said[4] == 10:
        version = said[5:].split(b"\0", 1)[0].decode(errors="replace")
        return f"{'MariaDB' if 'mariadb' in version.lower() else 'MySQL'} {version}"
    if len(said) > 6 and said[4] == 255:  # an error instead of a greeting, as for a host that is blocked
        return "MariaDB or MySQL" if b"MariaDB" in said else "MySQL"
    if said:
        return ""
    if _exchange(host, port, PRELOGIN)[:2] == b"\x04\x01":
        return "Microsoft SQL Server"
    answer = _exchange(host, port, _tns_connect())
    return "Oracle Database" if len(answer) > 4 and answer[4] in (2, 4, 5, 11) and answer[2:4] == b"\0\0" else ""


def _exchange(host: str, port: int, words: bytes) -> bytes:
    """What the server says to ``words``; nothing if it does not."""
    with suppress(OSError), socket.create_connection((host, port), timeout=3) as wire:
        wire.settimeout(SPEAKS_FIRST)
        if words:
            wire.sendall(words)
        return wire.recv(512)
    return b""


def _tns_connect() -> bytes:
    """A TNS connect packet (type 1, version 312) for a service that nobody has."""
    body = struct.pack(">HHHHHHHHHHIBB", 312, 300, 0, 8192, 32767, 0x4F98, 0, 1, len(TNS_DATA), 58, 0, 0, 0) + bytes(24)
    return struct.pack(">HHBBH", 8 + len(body) + len(TNS_DATA), 0, 1, 0, 0) + body + TNS_DATA
