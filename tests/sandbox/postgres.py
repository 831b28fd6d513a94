# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL server of the sandbox, never run as root: on loopback, with scram passwords and no socket file."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from .process import LOOPBACK, NotReady, Process, free_port

ACCOUNT = "postgres"  # who runs the server when the tests run as root
BIN_GLOBS = ("/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb")
INSTALL = "install it with: apt-get install --no-install-recommends postgresql"
FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def bin_directory() -> Path:
    """The directory of the newest PostgreSQL server programs on this machine."""
    found = [path for pattern in BIN_GLOBS for path in Path("/").glob(pattern[1:])]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve())
    if not found:
        raise NotReady(f"no PostgreSQL server programs (initdb) here; {INSTALL}")
    return max(found, key=lambda path: int((re.findall(r"\d+", str(path.parent)) or ["0"])[-1])).parent


def reachable(directory: Path) -> bool:
    """Whether the server's account may enter ``directory`` (a checkout below a home of mode 0700 is closed to it)."""
    if os.geteuid() != 0:
        return True
    account = pwd.getpwnam(ACCOUNT)
    check = subprocess.run(
        ["test", "-x", str(directory)],
        user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=False,
    )  # fmt: skip
    return check.returncode == 0


class PostgresServer:
    """One server with its data below ``directory``; ``start`` may be called again on the same data.

    ``superuser`` is ``postgres`` and ``password`` is random unless given; it is kept beside the data (mode 0600) so
    that a later start knows it. When the server's account cannot reach ``directory``, the data live in the machine's
    directory for temporary files instead and go away with ``stop``.
    """

    superuser = "postgres"

    def __init__(
        self,
        directory: Path,
        host: str = LOOPBACK,
        *,
        port: int | None = None,
        password: str | None = None,
        durable: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        """``settings`` are ``name=value`` words for the server; ``durable`` keeps fsync on, at the price of speed."""
        self.directory = directory.absolute()
        self.host = host
        self.port = port or free_port(host)
        self.bin = bin_directory()
        self.settings = [*(() if durable else FAST_AND_FORGETFUL), *settings]
        self.directory.mkdir(parents=True, exist_ok=True)
        self.elsewhere = not reachable(self.directory)
        self.data = self._home() / "data"
        self.password = self._password(password)
        self.process: Process | None = None

    def _home(self) -> Path:
        if not self.elsewhere:
            return self.directory
        name = f"octalume-postgres-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]}"
        home = Path(tempfile.gettempdir()) / name
        home.mkdir(mode=0o700, exist_ok=True)
        if home.is_symlink() or home.stat().st_uid not in (0, pwd.getpwnam(ACCOUNT).pw_uid):
            raise NotReady(f"{home} belongs to somebody else; remove it or set TMPDIR to another directory")
        os.chown(home, pwd.getpwnam(ACCOUNT).pw_uid, -1)
        return home

    def _password(self, wanted: str | None) -> str:
        keep = self.data.parent / "superuser.password"
        if keep.exists():
            return keep.read_text().strip()
        word = wanted or secrets.token_urlsafe(18)
        keep.touch(mode=0o600)
        keep.write_text(word + "\n")
        return word

    def start(self, timeout: float = 30) -> PostgresServer:
        """Create the cluster if there is none, start the server and wait until it answers a query."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise(timeout)
        argv: list[str | Path] = [self.bin / "postgres", "-D", self.data, "-h", self.host, "-p", str(self.port)]
        for setting in ("unix_socket_directories=", "listen_addresses=" + self.host, *self.settings):
            argv += ["-c", setting]
        log = self.directory / "postgres.log"
        # SIGINT is the fast shutdown: sessions are ended, a clean checkpoint is written.
        self.process = Process(argv, log, directory=Path("/"), user=ACCOUNT, stop_signal=signal.SIGINT)
        self.process.wait_ready(self._answers, timeout)
        return self

    def _initialise(self, timeout: float) -> None:
        account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None
        self.data.mkdir(mode=0o700, exist_ok=True)
        if account:
            os.chown(self.data, account.pw_uid, account.pw_gid)
        handed_over, given = os.pipe()
        os.write(given, f"{self.password}\n".encode())
        os.close(given)
        if account:
            os.fchown(handed_over, account.pw_uid, account.pw_gid)
        try:
            made = subprocess.run(
                [
                    str(self.bin / "initdb"), "-D", str(self.data), "-U", self.superuser, "--auth=scram-sha-256",
                    f"--pwfile=/dev/fd/{handed_over}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
                ],
                pass_fds=[handed_over], capture_output=True, text=True, timeout=timeout, cwd="/", check=False,
                user=account.pw_uid if account else None, group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )  # fmt: skip
        finally:
            os.close(handed_over)
        if made.returncode:
            raise NotReady(f"initdb in {self.data} failed (rc {made.returncode}): {made.stderr.strip()}")

    def _answers(self) -> bool:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(self.dsn(), connect_timeout=2).close()
            return True
        return False

    def stop(self) -> None:
        """End the server by a fast shutdown; data that could not live in ``directory`` are removed."""
        if self.process:
            self.process.stop()
            self.process = None
        if self.elsewhere:
            shutil.rmtree(self.data.parent, ignore_errors=True)

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def dsn(self, dbname: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """A libpq connection string; without ``user`` the superuser's."""
        fields = {"host": self.host, "port": str(self.port), **self._login(user, password), "dbname": dbname}
        return psycopg2.extensions.make_dsn(**fields)

    def url(self, dbname: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """The same as a URL, for tools that want one."""
        login = self._login(user, password)
        return f"postgresql://{login['user']}:{login['password']}@{self.host}:{self.port}/{dbname}"

    def environment(
        self, dbname: str = "postgres", user: str | None = None, password: str | None = None
    ) -> dict[str, str]:
        """The same as PG* variables, for psql, pg_dump and migration scripts."""
        login = self._login(user, password)
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": login["user"],
            "PGPASSWORD": login["password"],
            "PGDATABASE": dbname,
        }

    def login(self, dbname: str = "postgres", user: str | None = None, password: str | None = None) -> dict[str, Any]:
        """The same as the connection options of the collection's PostgreSQL modules."""
        login = self._login(user, password)
        return {
            "login_host": self.host,
            "login_port": self.port,
            "login_user": login["user"],
            "login_password": login["password"],
            "login_db": dbname,
        }

    def _login(self, user: str | None, password: str | None) -> dict[str, str]:
        if user in (None, self.superuser):
            return {"user": self.superuser, "password": self.password}
        if password is None:
            raise ValueError(f"the password of {user} is not known here: pass it")
        return {"user": str(user), "password": password}

    @contextmanager
    def connect(
        self, dbname: str = "postgres", user: str | None = None, password: str | None = None
    ) -> Iterator[psycopg2.extensions.connection]:
        """A connection in autocommit mode, closed at the end."""
        connection = psycopg2.connect(self.dsn(dbname, user, password), connect_timeout=5)
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()

    def execute(self, statement: str, dbname: str = "postgres", arguments: Sequence[Any] | None = None) -> list[Any]:
        """Run ``statement`` as the superuser; the rows, if it has any."""
        with self.connect(dbname) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def create_role(self, name: str, password: str, attributes: str = "LOGIN") -> None:
        """A role that logs in by ``password``."""
        query = sql.SQL("CREATE ROLE {} " + attributes + " PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(password)
        )
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)

    def create_database(self, name: str, owner: str | None = None) -> None:
        """A database of ``owner`` (the superuser's without)."""
        query = sql.SQL("CREATE DATABASE {} OWNER {}").format(
            sql.Identifier(name), sql.Identifier(owner or self.superuser)
        )
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(query)
