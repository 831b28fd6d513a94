# SPDX-License-Identifier: GPL-3.0-or-later
"""postgres_restore against a real server: the live database is swapped only for a proven copy, and never lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import (
    postgres_backup,
    postgres_restore,
    postgres_validate_info,
)

from tests.integration.postgres.calling import call
from tests.integration.postgres.conftest import databases
from tests.sandbox.postgres import PostgresServer


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize(("form", "compression"), [("custom", "zstd"), ("custom", "none"), ("directory", "gzip")])
@pytest.mark.parametrize("jobs", [1, 2])
def test_restore_swaps_and_keeps_the_old_one(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str, form: str, compression: str, jobs: int
) -> None:
    path = str(folder / "shop.dump")
    taken = call(postgres_backup, **login, path=path, format=form, compression=compression, release="1.4.2")
    server.execute("DELETE FROM orders; DROP TABLE events", shop)
    done = call(postgres_restore, **login, path=path, release="1.4.2", jobs=jobs)
    assert done["changed"]
    assert done["backup"]["tables"] == taken["backup"]["tables"]
    assert databases(server, shop) == [shop, done["previous_database"]]
    assert server.execute("SELECT count(*) FROM orders", done["previous_database"]) == [(0,)]
    assert call(postgres_validate_info, **login, manifest=path)["verdict"] == "pass"
    assert server.execute("SELECT nextval('orders_id_seq')", shop) == [(2001,)]
    assert sorted(entry.name for entry in folder.iterdir()) == ["shop.dump", "shop.dump.json"]


@pytest.mark.usefixtures("cleared")
def test_second_restore_changes_nothing(login: dict[str, Any], folder: Path, server: PostgresServer, shop: str) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    assert not call(postgres_restore, **login, path=path)["changed"]
    server.execute("UPDATE orders SET note = 'x' WHERE id = 1", shop)
    told = call(postgres_restore, check_mode=True, diff=True, **login, path=path)
    assert told["changed"]
    assert shop in told["diff"]["before"]
    assert databases(server, shop) == [shop]
    assert call(postgres_restore, **login, path=path)["changed"]
    assert not call(postgres_restore, **login, path=path)["changed"]


def test_programs_that_cannot_read_the_archive_are_refused_before_anything_is_done(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path))
    edit_manifest(path, client_version="99.1")
    server.execute("DELETE FROM orders", shop)
    with pytest.raises(RollbackError, match=r"may not read what pg_dump 99\.1 wrote.*postgresql-client-99"):
        call(postgres_restore, check_mode=True, **login, path=str(path))
    assert databases(server, shop) == [shop]


@pytest.mark.usefixtures("cleared")
def test_dropped_database_comes_back(login: dict[str, Any], folder: Path, server: PostgresServer, shop: str) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute(f"DROP DATABASE {shop}")
    done = call(postgres_restore, **login, path=path)
    assert (done["changed"], done["previous_database"]) == (True, None)
    assert call(postgres_validate_info, **login, manifest=path)["verdict"] == "pass"


@pytest.mark.usefixtures("cleared")
def test_database_in_use_is_refused_or_its_sessions_are_ended(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute("DELETE FROM orders", shop)
    with server.connect(shop) as user:
        with pytest.raises(RollbackError, match=f"is in use by pid {user.get_backend_pid()}"):
            call(postgres_restore, **login, path=path)
        assert databases(server, shop) == [shop]
        assert call(postgres_restore, **login, path=path, terminate_sessions=True)["changed"]
    assert server.execute("SELECT count(*) FROM orders", shop) == [(2000,)]


def test_missing_roles_are_named_before_anything_is_done(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    server.create_role(f"{shop}_gone", "secret")
    server.execute(f"ALTER TABLE events OWNER TO {shop}_gone", shop)
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute(f"REASSIGN OWNED BY {shop}_gone TO postgres; DROP TABLE events", shop)
    server.execute(f"DROP ROLE {shop}_gone")
    with pytest.raises(RollbackError, match=f"the roles {shop}_gone"):
        call(postgres_restore, **login, path=path)
    assert databases(server, shop) == [shop]


def test_missing_extensions_are_named_before_anything_is_done(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path))
    edit_manifest(path, extensions=["plpgsql", "postgis", "timescaledb"])
    server.execute("DELETE FROM orders", shop)
    with pytest.raises(RollbackError, match=r"the extensions postgis, timescaledb \(install their packages\)"):
        call(postgres_restore, **login, path=str(path))
    assert databases(server, shop) == [shop]


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file's bytes."""
    path.write_bytes(change(path.read_bytes()))


def edit_manifest(path: Path, **fields: Any) -> None:
    """Replace fields of a backup's manifest."""
    manifest = path.with_name(path.name + ".json")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **fields}))


def flip(data: bytes, at: float) -> bytes:
    """One bit changed at a share of the length."""
    place = int(len(data) * at)
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


def zero(data: bytes) -> bytes:
    """A block of zeros where a disk lost it."""
    middle = len(data) // 2
    return data[:middle] + bytes(512) + data[middle + 512 :]


def a_data_file(path: Path) -> Path:
    """The largest data file of a directory backup."""
    return max(path.glob("*.dat*"), key=lambda file: file.stat().st_size)


def without_a_table(path: Path) -> None:
    """A manifest whose table counts were edited."""
    manifest = path.with_name(path.name + ".json")
    data = json.loads(manifest.read_text())
    data["tables"]["public.orders"]["rows"] = 1
    manifest.write_text(json.dumps(data))


DAMAGES: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("empty", "custom", lambda path: path.write_bytes(b""), "is empty"),
    ("cut to 60 %", "custom", lambda path: edit(path, lambda data: data[: len(data) * 6 // 10]), "is truncated"),
    ("last byte gone", "custom", lambda path: edit(path, lambda data: data[:-1]), "is truncated"),
    ("bit in the middle", "custom", lambda path: edit(path, lambda data: flip(data, 0.5)), "is corrupt: its SHA-256"),
    ("bit near the end", "custom", lambda path: edit(path, lambda data: flip(data, 0.99)), "is corrupt: its SHA-256"),
    ("lost block", "custom", lambda path: edit(path, zero), "is corrupt: its SHA-256"),
    ("text appended", "custom", lambda path: edit(path, lambda data: data + b"\n"), "has grown"),
    ("overwritten", "custom", lambda path: edit(path, lambda data: b"x" * len(data)), "does not begin like"),
    ("archive gone", "custom", lambda path: path.unlink(), "is missing, only its manifest"),
    ("manifest gone", "custom", lambda path: path.with_name("shop.dump.json").unlink(), "has no manifest"),
    ("manifest cut", "custom", lambda path: edit(path.with_name("shop.dump.json"), lambda d: d[:99]), "cannot be read"),
    ("counts edited", "custom", without_a_table, "manifest .* is damaged"),
    ("other release", "custom", lambda path: edit_manifest(path, release="1.4.1"), r"belongs to release 1\.4\.1, not"),
    ("other database", "custom", lambda path: edit_manifest(path, database="crm"), "is of database crm, not of"),
    ("other format", "custom", lambda path: edit_manifest(path, format="directory"), "is a file, its manifest tells"),
    ("newer manifest", "custom", lambda path: edit_manifest(path, manifest_format=9), "manifest format 9"),
    ("data file gone", "directory", lambda path: a_data_file(path).unlink(), "is incomplete"),
    ("data file cut", "directory", lambda path: edit(a_data_file(path), lambda data: data[:-9]), "is corrupt"),
    ("bit in toc.dat", "directory", lambda path: edit(path / "toc.dat", lambda data: flip(data, 0.5)), "is corrupt"),
    ("file added", "directory", lambda path: (path / "9999.dat").write_text("\\.\n"), "not its own"),
]


@pytest.mark.parametrize(("name", "form", "damage", "message"), DAMAGES, ids=[damage[0] for damage in DAMAGES])
def test_damaged_backups_are_refused(
    login: dict[str, Any],
    folder: Path,
    server: PostgresServer,
    shop: str,
    name: str,
    form: str,
    damage: Callable[[Path], object],
    message: str,
) -> None:
    del name
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path), format=form, release="1.4.2", proof="none")
    server.execute("DELETE FROM events", shop)
    damage(path)
    with pytest.raises(RollbackError, match=message):
        call(postgres_restore, **login, path=str(path), release="1.4.2")
    assert databases(server, shop) == [shop]
    assert server.execute("SELECT count(*) FROM orders", shop) == [(2000,)]


def test_archive_that_is_not_what_it_was_counted_to_be_is_not_swapped_in(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    """A backup whose bytes fit its manifest and whose rows do not: only the comparison after the load can tell."""
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path))
    other = folder / "other.dump"
    server.execute("UPDATE orders SET note = 'x' WHERE id = 1", shop)
    call(postgres_backup, **login, path=str(other))
    bytes_of_other = json.loads((folder / "other.dump.json").read_text())
    path.write_bytes(other.read_bytes())
    edit_manifest(path, size=bytes_of_other["size"], sha256=bytes_of_other["sha256"])
    with pytest.raises(RollbackError, match=r"not what was backed up: public\.orders"):
        call(postgres_restore, **login, path=str(path))
    assert databases(server, shop) == [shop]
