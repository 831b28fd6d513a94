# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a PostgreSQL server: every statement has a time limit and every error names the place."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, Union

from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from .foreign import not_supported, product_at, product_of_version
from .model import Connection

try:
    import psycopg2
    import psycopg2.extensions
except ImportError:
    psycopg2 = None  # type: ignore[assignment]

CONNECT_TIMEOUT = 10  # seconds
SILENCE = 30  # seconds for which what was sent may stay unanswered by the other machine
PLAIN_FAILURE = re.compile(r"FATAL|refused|timeout|timed out|translate host|[Nn]o route|unreachable|No such file")
GRACE = 15  # seconds that a server gets to end a statement by itself, once its limit is over
Arguments = Union[Sequence[Any], Mapping[str, Any], None]  # noqa: UP007 - pylint reads it as a sum
# The same text for the same value, whatever the server's or the role's settings: checksums depend on it.
STABLE_TEXT = (
    "SET search_path = ''",
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET lc_monetary = 'C'",
    "SET xmlbinary = 'base64'",
)
# Hidden rows are an error, and so is a write, even in a transaction that somebody opens after ours.
SAFE = ("SET row_security = off", "SET default_transaction_read_only = on")
NOTICE_LOSS = """
SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'
"""
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
OLDEST = 14  # the first that can end another session and wait until it is gone


class Database(Protocol):
    """What the rest of the package asks of a connection."""

    connection: Connection

    def query(self, statement: str, arguments: Arguments = None) -> list[tuple[Any, ...]]:
        """Rows of ``statement``; none for a statement without rows."""

    def abandon(self) -> None:
        """Break the connection under a statement that another thread is running."""


class QueryError(RollbackError):
    """A statement was refused; ``sqlstate`` is PostgreSQL's five-letter code (empty for a lost connection)."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message, sqlstate=sqlstate)
        self.sqlstate = sqlstate


class CannotConnect(RollbackError):
    """The server does not let this role into this database, or is not there."""


class Session:
    """A psycopg2 connection in autocommit mode."""

    def __init__(self, connection: Connection, *, statement_timeout: float = 0, lock_timeout: float = 0) -> None:
        """Connect; both timeouts are seconds, 0 for none."""
        if psycopg2 is None:
            raise RollbackError(
                "the Python library psycopg2 is missing on this host; install it with: pip install psycopg2-binary"
            )
        self.connection = connection
        self._limit = statement_timeout + GRACE if statement_timeout else 0.0
        options = (
            f"-c statement_timeout={int(statement_timeout * 1000)} -c lock_timeout={int(lock_timeout * 1000)}"
            " -c idle_in_transaction_session_timeout=0"
        )
        try:
            self._wire = psycopg2.connect(
                **connection.keywords(),
                connect_timeout=CONNECT_TIMEOUT,
                application_name="octalume.rollback",
                options=options,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=SILENCE * 1000,
            )
        except psycopg2.Error as error:
            # Something answered, and not in PostgreSQL's words.
            strange = not PLAIN_FAILURE.search(str(error))
            if strange and (product := product_at(connection.host, connection.port)):
                raise not_supported(product, f"{connection.host}:{connection.port}") from error
            if "unsupported startup parameter" in str(error):
                raise _pooler(connection) from error
            raise CannotConnect(
                f"cannot connect to PostgreSQL as {connection.place}: {_words(error)};"
                " check login_host, login_port, login_user, login_password and login_db",
                place=connection.place,
            ) from error
        self._wire.autocommit = True
        self._descriptor: int = self._wire.fileno()
        try:
            self._demand_a_server()
        except RollbackError:
            self.close()
            raise
        with suppress(QueryError):  # not on every platform of the server
            self.query(NOTICE_LOSS)

    def _demand_a_server(self) -> None:
        """Raise unless a PostgreSQL that can do what is asked of it answers, and answers itself.

        A pooler gives its clients process numbers of its own. Behind one, settings of a session (search_path,
        read-only) would stay on a connection that the application gets next.
        """
        where = f"{self.connection.host}:{self.connection.port}"
        version, pid = self.query("SELECT version(), pg_backend_pid()")[0]
        if product := product_of_version(str(version)):
            raise not_supported(product, where)
        if pid != self._wire.info.backend_pid:
            raise _pooler(self.connection)
        if self._wire.server_version < OLDEST * 10000:
            raise RollbackError(
                f"{where} is {' '.join(str(version).split()[:2])}; PostgreSQL {OLDEST} and newer are supported."
                " Leave the database out of the manifest's databases, and roll it back by its own means"
            )

    def query(self, statement: str, arguments: Arguments = None) -> list[tuple[Any, ...]]:
        """Run one statement; :class:`QueryError` carries the server's words."""
        try:
            with self._watched(), self._wire.cursor() as cursor:
                cursor.execute(statement, arguments)
                return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            code = error.pgcode or ""
            raise QueryError(f"{self.connection.place}: {_words(error)}", code) from error

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Break the connection when the server is so far gone that it does not even end its statements any more."""
        if not self._limit:
            yield
            return
        watchdog = threading.Timer(self._limit, self.abandon)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()

    def abandon(self) -> None:
        """Break the connection under a statement that another thread is running; the server notices within a second.

        libpq's own cancel opens a second connection and waits for it without a time limit.
        """
        with suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the session."""
        self._wire.close()


def _pooler(connection: Connection) -> RollbackError:
    return RollbackError(
        f"{connection.host}:{connection.port} is a pooler (PgBouncer or the like), and what is set for a session there"
        " stays for the application; name the server itself by login_host and login_port",
        place=connection.place,
    )


def _words(error: Exception) -> str:
    """The error in one line, without the statement's position."""
    return " ".join(str(error).split("\nLINE ", maxsplit=1)[0].split())


@contextmanager
def session(connection: Connection, *, statement_timeout: float = 0, lock_timeout: float = 0) -> Iterator[Session]:
    """A session, closed at the end."""
    opened = Session(connection, statement_timeout=statement_timeout, lock_timeout=lock_timeout)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def frozen(connection: Connection, *, timeout: float, lock_timeout: float) -> Iterator[Session]:
    """A session whose reads all see one moment; row security raises an error instead of hiding rows."""
    with session(connection, statement_timeout=timeout, lock_timeout=lock_timeout) as database:
        for statement in (*STABLE_TEXT, *SAFE, SNAPSHOT):
            database.query(statement)
        yield database


def identifier(*names: str) -> str:
    """``"schema"."table"``, quoted."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def server_version(database: Database) -> str:
    """``15.18``."""
    return str(database.query("SHOW server_version")[0][0]).split()[0]


def version_at(connection: Connection) -> str:
    """The same, asked in a session of its own."""
    with session(connection, statement_timeout=60) as database:
        return server_version(database)
