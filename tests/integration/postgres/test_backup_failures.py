# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to the last good backup, and to the database, when the next backup fails: nothing."""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.programs import find_programs
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup

from tests.integration.postgres.calling import call
from tests.integration.postgres.relay import relay
from tests.sandbox.postgres import PostgresServer


@pytest.fixture
def good(login: dict[str, Any], folder: Path, server: PostgresServer, shop: str) -> Iterator[Path]:
    """A good backup; afterwards it is byte for byte what it was, alone, and the database has its rows."""
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path), release="1.4.2")
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    yield path
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before
    assert server.execute("SELECT count(*) FROM orders", shop) == [(2000,)]
    assert not call(postgres_backup, **login, path=str(path), release="1.4.2")["changed"]


def again(login: dict[str, Any], path: Path, **options: Any) -> None:
    """Try to replace the good backup."""
    call(postgres_backup, **login, path=str(path), release="1.4.2", force=True, **options)


def false_program(folder: Path, body: str) -> str:
    """A directory with a pg_dump that does ``body`` when it is asked for more than its version."""
    real = find_programs(None)
    place = folder.parent / "bin"
    place.mkdir()
    dump = place / "pg_dump"
    dump.write_text(f'#!/bin/sh\nreal={real.pg_dump}\n[ "$1" = --version ] && exec $real --version\n{body}\n')
    dump.chmod(0o755)
    (place / "pg_restore").symlink_to(real.pg_restore)
    return str(place)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk does to whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_full_disk(login: dict[str, Any], good: Path, form: str) -> None:
    with (
        files_no_larger_than(20_000),
        pytest.raises(RollbackError, match=r"cannot write the backup at|failed: pg_dump"),
    ):
        again(login, good, format=form, compression="none")


def test_killed_pg_dump(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, '$real "$@" | head -c 3000; kill -KILL $$')
    with pytest.raises(RollbackError, match=r"pg_dump was killed by SIGKILL.*earlier backups are untouched"):
        again(login, good, bin_directory=place)


def test_pg_dump_that_ends_early_with_status_0(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, '$real "$@" | head -c 3000')
    with pytest.raises(RollbackError, match="cannot be read back"):
        again(login, good, bin_directory=place)


def test_pg_dump_that_hangs(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, "exec sleep 60")
    with pytest.raises(RollbackError, match=r"not finished within 0\.5 s"):
        again(login, good, bin_directory=place, timeout=0.5)


def test_old_client(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, "exit 9")
    dump = Path(place) / "pg_dump"
    dump.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 12.9"\n')
    with pytest.raises(RollbackError, match=r"pg_dump 12\.9 is older than the server .*postgresql-client-"):
        again(login, good, bin_directory=place)


def test_client_whose_archives_this_server_cannot_take(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, "exit 9")
    (Path(place) / "pg_dump").write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 17.2"\n')
    with pytest.raises(RollbackError, match=r"pg_dump 17\.2 writes cannot be restored .*postgresql-client-1[456]"):
        again(login, good, bin_directory=place)


def test_wrong_password(login: dict[str, Any], good: Path) -> None:
    with pytest.raises(RollbackError, match="password authentication failed"):
        again({**login, "login_password": "wrong"}, good)


def test_unwritable_destination(login: dict[str, Any], good: Path) -> None:
    with pytest.raises(RollbackError, match="is not a directory this user can write to"):
        call(postgres_backup, **login, path=str(good / "no directory" / "shop.dump"))
    assert good.exists()


def test_missing_directories_are_made_and_nobody_else_may_read_a_backup(login: dict[str, Any], folder: Path) -> None:
    path = folder / "of" / "rollbacks" / "shop.dump"
    call(postgres_backup, check_mode=True, **login, path=str(path))
    assert not (folder / "of").exists()
    before = os.umask(0o022)
    try:
        call(postgres_backup, **login, path=str(path))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (path.parent, path)] == [0o700, 0o600]


@contextmanager
def cut_after(port: int, limit: int) -> Iterator[int]:
    """A wire to ``port`` that breaks once a connection has carried ``limit`` bytes from the server; its own port."""

    def pump(source: socket.socket, target: socket.socket, left: int) -> None:
        with suppress(OSError):
            while left > 0 and (data := source.recv(8192)):
                target.sendall(data)
                left -= len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    with relay(port, partial(pump, left=1 << 40), partial(pump, left=limit)) as own:
        yield own


@pytest.mark.parametrize(("carried", "where"), [(40_000, "query failed"), (1_500_000, 'table "events" failed')])
def test_dropped_connection(
    login: dict[str, Any], good: Path, server: PostgresServer, shop: str, carried: int, where: str
) -> None:
    rows = "SELECT raw FROM generate_series(1, 4000) i, decode(repeat(md5(i::text), 40), 'hex') raw"
    server.execute(f"INSERT INTO events (raw) {rows}", shop)
    with (
        cut_after(login["login_port"], carried) as port,
        pytest.raises(RollbackError, match=rf"{where}.*server closed the connection.*the server went away"),
    ):
        again({**login, "login_port": port}, good)


def test_row_security_is_not_dumped_as_nothing(
    login: dict[str, Any], good: Path, server: PostgresServer, shop: str
) -> None:
    server.create_role(f"{shop}_reader", "secret")
    server.execute(f"GRANT pg_read_all_data TO {shop}_reader; ALTER TABLE orders ENABLE ROW LEVEL SECURITY", shop)
    with pytest.raises(RollbackError, match=r"row security hides rows of public\.orders"):
        again({**login, "login_user": f"{shop}_reader", "login_password": "secret"}, good)


def test_tables_that_may_not_be_read_are_named(
    login: dict[str, Any], good: Path, server: PostgresServer, shop: str
) -> None:
    server.create_role(f"{shop}_blind", "secret")
    server.execute(f"GRANT SELECT ON orders TO {shop}_blind", shop)
    with pytest.raises(RollbackError, match=r"may not read .*public\.events.*pg_read_all_data") as caught:
        again({**login, "login_user": f"{shop}_blind", "login_password": "secret"}, good)
    assert "public.orders," not in caught.value.message


def test_held_lock_names_its_holder(login: dict[str, Any], good: Path, server: PostgresServer, shop: str) -> None:
    with server.connect(shop) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE orders")
        with pytest.raises(
            RollbackError, match=rf"locks are held by pid {holder.get_backend_pid()}.*LOCK TABLE orders"
        ):
            again(login, good, lock_timeout=0.3)


def test_two_backups_to_one_path(login: dict[str, Any], good: Path, folder: Path) -> None:
    place = false_program(folder, 'sleep 2; exec $real "$@"')
    errors: list[str] = []

    def slow() -> None:
        with suppress(RollbackError):
            call(postgres_backup, **login, path=str(folder / "other.dump"), bin_directory=place, timeout=1)

    first = threading.Thread(target=slow)
    first.start()
    while not (folder / ".other.dump.partial").exists():
        assert first.is_alive()
    with pytest.raises(RollbackError, match=r"another backup to .* is running") as caught:
        call(postgres_backup, **login, path=str(folder / "other.dump"))
    errors.append(caught.value.message)
    first.join()
    assert good.exists()


def test_remains_of_a_killed_run_are_cleared(login: dict[str, Any], good: Path, folder: Path) -> None:
    remains = folder / ".new.dump.partial"
    remains.mkdir()
    (remains / "archive").write_text("half")
    call(postgres_backup, **login, path=str(folder / "new.dump"))
    assert not remains.exists()
    (folder / "new.dump").unlink()
    (folder / "new.dump.json").unlink()
    assert good.exists()


def test_proof_by_restore_leaves_no_database_behind(
    login: dict[str, Any], good: Path, folder: Path, server: PostgresServer
) -> None:
    place = false_program(folder, 'exec $real "$@"')
    restore = Path(place) / "pg_restore"
    restore.unlink()
    restore.write_text("#!/bin/sh\necho 'out of memory' >&2\nexit 1\n")
    restore.chmod(0o755)
    with pytest.raises(RollbackError, match=r"pg_restore failed \(rc 1\): out of memory"):
        again(login, good, bin_directory=place, proof="restore", jobs=1)
    assert server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%_scratch_%'") == [(0,)]


def test_copies_that_a_killed_run_has_left_are_dropped(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    forgotten, busy = f"octalume_scratch_{shop}_0123abcd", f"octalume_scratch_{shop}_89ab4567"
    others = {f"octalume_scratch_x{shop}_0123abcd", f"octalume_scratch_{shop}_mine", f"{shop}_scratch_0123abcd"}
    somebodys = f"octalume_scratch_{shop}_ffffffff"
    for name in (forgotten, busy, somebodys, *others):
        server.create_database(name)
    server.create_role(f"{shop}_somebody", "secret")
    server.execute(f"ALTER DATABASE {somebodys} OWNER TO {shop}_somebody")
    with server.connect() as connection, connection.cursor() as cursor:  # somebody is at work on this one
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (busy,))
        call(postgres_backup, **login, path=str(folder / "shop.dump"), proof="restore")
        left = {row[0] for row in server.execute("SELECT datname FROM pg_database WHERE datname LIKE '%_scratch_%'")}
    for name in left:
        server.execute(f"DROP DATABASE {name}")
    assert left == {busy, somebodys, *others}


def test_role_without_createdb_is_told_so(login: dict[str, Any], good: Path, server: PostgresServer, shop: str) -> None:
    server.create_role(f"{shop}_plain", "secret")
    server.execute(f"GRANT pg_read_all_data TO {shop}_plain", shop)
    with pytest.raises(RollbackError, match=r"permission denied to create database.*CREATEDB"):
        again({**login, "login_user": f"{shop}_plain", "login_password": "secret"}, good, proof="restore")
