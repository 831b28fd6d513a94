# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused at the door: servers that are too old, and poolers, where a check's settings would stay behind."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import postgres_validate_info

from tests.integration.postgres.calling import call
from tests.integration.postgres.relay import relay
from tests.sandbox.postgres import ACCOUNT, PostgresServer
from tests.sandbox.process import LOOPBACK, Process, free_port

Disguise = tuple[bytes, bytes]  # a pattern and what takes its place
# BackendKeyData has its length, then process id and secret: poolers make numbers of their own.
POOLER = (rb"K\x00\x00\x00\x0c....", b"K\0\0\0\x0c\0\0\0\x01")
OLD = (rb"server_version\x00\d\d", b"server_version\x0013")


@contextmanager
def somebody_between(port: int, disguise: Disguise) -> Iterator[int]:
    """A wire to ``port`` whose other end says something else of itself than the server does."""

    def pump(source: socket.socket, target: socket.socket, disguised: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(re.sub(*disguise, data, flags=re.DOTALL) if disguised else data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    with relay(port, partial(pump, disguised=False), partial(pump, disguised=True)) as own:
        yield own


def test_a_pooler_is_known_by_its_process_number(login: dict[str, Any], server: PostgresServer) -> None:
    with (
        somebody_between(server.port, POOLER) as port,
        pytest.raises(RollbackError, match=rf"127\.0\.0\.1:{port} is a pooler .* name the server itself"),
    ):
        call(postgres_validate_info, **{**login, "login_port": port})


def test_a_server_that_is_too_old_is_refused(login: dict[str, Any], server: PostgresServer) -> None:
    with (
        somebody_between(server.port, OLD) as port,
        pytest.raises(RollbackError, match=rf":{port} is PostgreSQL .*PostgreSQL 14 and newer are supported"),
    ):
        call(postgres_validate_info, **{**login, "login_port": port})


@pytest.fixture
def pgbouncer(server: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a PgBouncer that pools transactions; the parameter are further settings."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("PgBouncer is not installed: apt-get install --no-install-recommends pgbouncer")
    port, users = free_port(LOOPBACK), server.data.parent / "pgbouncer.txt"
    users.write_text(f'"{server.superuser}" "{server.password}"\n')
    settings = server.data.parent / "pgbouncer.ini"
    settings.write_text(f"""[databases]
* = host={LOOPBACK} port={server.port}
[pgbouncer]
listen_addr = {LOOPBACK}
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
{request.param}
""")
    account = ACCOUNT if os.geteuid() == 0 else None
    process = Process([program, settings], tmp_path / "log", directory=Path("/"), user=account)
    try:
        process.wait_ready(lambda: _answers(port), 10)
        yield port
    finally:
        process.stop()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
        return True
    return False


@pytest.mark.parametrize("pgbouncer", ["", "ignore_startup_parameters = options,extra_float_digits"], indirect=True)
def test_pgbouncer_is_refused_and_its_connections_stay_as_they_were(
    login: dict[str, Any], server: PostgresServer, shop: str, pgbouncer: int
) -> None:
    with pytest.raises(RollbackError, match=r"is a pooler .* name the server itself"):
        call(postgres_validate_info, **{**login, "login_port": pgbouncer})
    address = f"host={LOOPBACK} port={pgbouncer} dbname={shop} user={server.superuser} password={server.password}"
    asked = ["psql", "-qAtX", address, "-c", "SHOW search_path", "-c", "SHOW default_transaction_read_only"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.split() == ['"$user",', "public", "off"]
