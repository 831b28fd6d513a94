# SPDX-License-Identifier: GPL-3.0-or-later
"""postgres_backup against a real server and a real pg_dump."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.programs import find_programs
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer

FORMATS = [
    ("custom", "none"),
    ("custom", "gzip"),
    ("custom", "zstd"),
    ("directory", "none"),
    ("directory", "gzip"),
]


@pytest.mark.parametrize(("form", "compression"), FORMATS)
@pytest.mark.parametrize("proof", ["read", "restore"])
def test_every_kind_of_backup_is_proven(
    login: dict[str, Any], folder: Path, server: PostgresServer, form: str, compression: str, proof: str
) -> None:
    path = folder / "shop.dump"
    result = call(
        postgres_backup, **login, path=str(path), format=form, compression=compression, release="1.4.2",
        migration_version="42", proof=proof,
    )  # fmt: skip
    backup = result["backup"]
    assert result["changed"]
    assert backup["proof"]["level"] == proof
    assert backup["proof"]["verdict"] == "pass"
    assert {name: table["rows"] for name, table in backup["tables"].items()} == {
        "public.products": 50,
        "public.orders": 2000,
        "public.events": 300,
        'public.Odd "name"': 2,
    }
    assert sorted(entry.name for entry in folder.iterdir()) == ["shop.dump", "shop.dump.json"]
    assert json.loads((folder / "shop.dump.json").read_text())["sha256"] == backup["sha256"]
    assert server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%_scratch_%'") == [(0,)]


def test_zstd_archive_is_what_the_documentation_says(login: dict[str, Any], folder: Path) -> None:
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path), compression="zstd")
    unpacked = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    listing = subprocess.run(["pg_restore", "--list"], input=unpacked, capture_output=True, check=True).stdout
    assert b"TABLE DATA public orders" in listing


def test_second_run_keeps_the_first_backup(login: dict[str, Any], folder: Path, server: PostgresServer) -> None:
    arguments = {**login, "path": str(folder / "shop.dump"), "release": "1.4.2"}
    first = call(postgres_backup, **arguments)
    server.execute("DELETE FROM orders", login["login_db"])
    second = call(postgres_backup, **arguments)
    assert not second["changed"]
    assert second["backup"] == first["backup"]
    forced = call(postgres_backup, **arguments, force=True)
    assert forced["changed"]
    assert forced["backup"]["tables"]["public.orders"]["rows"] == 0
    assert sorted(entry.name for entry in folder.iterdir()) == ["shop.dump", "shop.dump.json"]


def test_check_mode_tells_and_writes_nothing(login: dict[str, Any], folder: Path) -> None:
    result = call(postgres_backup, check_mode=True, diff=True, **login, path=str(folder / "shop.dump"))
    assert result["changed"]
    assert "shop.dump" in result["diff"]["after"]
    assert list(folder.iterdir()) == []


def test_backup_of_another_release_is_not_replaced(login: dict[str, Any], folder: Path) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path, release="1.4.1")
    with pytest.raises(RollbackError, match=r"belongs to release 1\.4\.1, not to 1\.4\.2"):
        call(postgres_backup, **login, path=path, release="1.4.2")


def test_damaged_backup_gives_way_to_a_new_one(login: dict[str, Any], folder: Path) -> None:
    path = folder / "shop.dump"
    call(postgres_backup, **login, path=str(path))
    path.write_bytes(path.read_bytes()[:-100])
    warnings: list[str] = []
    assert call(postgres_backup, **login, path=str(path), warnings=warnings)["changed"]
    assert "truncated" in warnings[0]
    assert not call(postgres_backup, **login, path=str(path))["changed"]


def test_file_that_is_no_backup_is_not_replaced(login: dict[str, Any], folder: Path) -> None:
    path = folder / "shop.dump"
    path.write_text("my thesis")
    with pytest.raises(RollbackError, match="has no manifest"):
        call(postgres_backup, **login, path=str(path))
    assert path.read_text() == "my thesis"


def test_counts_and_archive_are_of_one_moment(login: dict[str, Any], folder: Path, server: PostgresServer) -> None:
    """Rows that arrive while the backup runs are in neither; the proof by restore would tell."""
    with server.connect(login["login_db"]) as writer, writer.cursor() as cursor:
        cursor.execute("CREATE TABLE busy (n serial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())")
        cursor.execute("INSERT INTO busy SELECT FROM generate_series(1, 1000)")
        pump = subprocess.Popen(
            [
                "psql", "-qAt", server.dsn(login["login_db"]), "-c",
                "DO $$ BEGIN FOR i IN 1..400 LOOP INSERT INTO public.busy DEFAULT VALUES; COMMIT;"
                " PERFORM pg_sleep(0.002); END LOOP; END $$",
            ]
        )  # fmt: skip
        try:
            result = call(postgres_backup, **login, path=str(folder / "shop.dump"), proof="restore")
        finally:
            pump.kill()
            pump.wait()
    assert result["backup"]["proof"]["verdict"] == "pass"
    assert result["backup"]["tables"]["public.busy"]["rows"] >= 1000


def test_retention_keeps_the_newest_and_strangers(login: dict[str, Any], folder: Path) -> None:
    (folder / "notes.json").write_text("{}")
    for number in range(3):
        call(postgres_backup, **login, path=str(folder / f"{number}.dump"))
        manifest = folder / f"{number}.dump.json"
        data = json.loads(manifest.read_text())
        data["taken_at"] = f"2026-01-0{number + 1}T00:00:00+00:00"
        manifest.write_text(json.dumps(data))
    result = call(postgres_backup, **login, path=str(folder / "new.dump"), keep=2)
    assert sorted(Path(path).name for path in result["pruned"]) == ["0.dump", "1.dump"]
    left = sorted(entry.name for entry in folder.iterdir())
    assert left == ["2.dump", "2.dump.json", "new.dump", "new.dump.json", "notes.json"]
    result = call(postgres_backup, **login, path=str(folder / "newer.dump"), keep_days=7)
    assert [Path(path).name for path in result["pruned"]] == ["2.dump"]


def test_retention_leaves_other_environments_alone(login: dict[str, Any], folder: Path) -> None:
    for name, environment in (("old", None), ("eu", "eu-1"), ("us", "us-1")):
        call(postgres_backup, **login, path=str(folder / f"{name}.dump"), environment=environment)
    result = call(postgres_backup, **login, path=str(folder / "new.dump"), environment="eu-1", keep=1)
    assert [Path(path).name for path in result["pruned"]] == ["eu.dump"]
    assert result["backup"]["environment"] == "eu-1"
    with pytest.raises(RollbackError, match="is of environment us-1, not of eu-1"):
        call(postgres_backup, **login, path=str(folder / "us.dump"), environment="eu-1")
    assert not call(postgres_backup, **login, path=str(folder / "old.dump"), environment="eu-1")["changed"]


@pytest.mark.parametrize("form", ["custom", "directory"])
def test_long_dumps_tell_how_far_they_are(
    login: dict[str, Any], folder: Path, server: PostgresServer, form: str
) -> None:
    noise = "decode(string_agg(md5(i::text || j), ''), 'hex') FROM generate_series(1, 65) j, generate_series(1, 1000) i"
    server.execute(f"CREATE TABLE bulk AS SELECT {noise} GROUP BY j", login["login_db"])
    heard: list[str] = []
    # It is held up at its end, as a large database would keep it.
    place = slow_program(folder, seconds=6)
    call(postgres_backup, **login, path=str(folder / "x.dump"), format=form, bin_directory=place, compression="none",
         progress=heard)  # fmt: skip
    assert heard
    assert all(re.fullmatch(r"backup: \d+ MB written", line) for line in heard)
    assert int(heard[-1].split()[1]) >= 1


def slow_program(folder: Path, seconds: int) -> str:
    """A directory with a pg_dump that takes its time to end, after it has written everything."""
    real = find_programs(None)
    place = folder.parent / "slow"
    place.mkdir()
    dump = place / "pg_dump"
    # The archive's end is held back, so that the reader is still at work.
    dump.write_text(f"""#!/bin/sh
[ "$1" = --version ] && exec {real.pg_dump} --version
case "$*" in
*--format=custom*) {real.pg_dump} "$@" | {{ head -c 1500000; sleep {seconds}; cat; }} ;;
*) {real.pg_dump} "$@"; sleep {seconds} ;;
esac
""")
    dump.chmod(0o755)
    (place / "pg_restore").symlink_to(real.pg_restore)
    return str(place)


def test_proof_that_would_take_too_long_is_done_by_reading(login: dict[str, Any], folder: Path) -> None:
    result = call(postgres_backup, **login, path=str(folder / "shop.dump"), proof="restore", proof_budget=0.001)
    assert result["backup"]["proof"]["level"] == "read"
    assert "proof_budget is 0.001 s" in result["backup"]["proof"]["note"]


@pytest.fixture
def reader(server: PostgresServer, shop: str) -> Iterator[dict[str, Any]]:
    """Connection options of a role that may read everything and create no database."""
    server.create_role("reader", "secret")
    server.execute("GRANT pg_read_all_data TO reader")
    yield {**server.login(shop), "login_user": "reader", "login_password": "secret"}
    server.execute("DROP ROLE reader")


@pytest.mark.parametrize(
    ("hindrance", "told"),
    [
        ("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC", "check .* and maintenance_db: proven by a full read"),
        ("CREATE FUNCTION now2() RETURNS timestamptz LANGUAGE internal AS 'now'", "permission denied for language"),
    ],
)
def test_whatever_forbids_a_copy_means_a_proof_by_reading(
    reader: dict[str, Any], folder: Path, server: PostgresServer, shop: str, hindrance: str, told: str
) -> None:
    server.execute("ALTER ROLE reader CREATEDB")
    server.execute(hindrance, shop)
    try:
        path = str(folder / "shop.dump")
        with pytest.raises(RollbackError):
            call(postgres_backup, **reader, path=path, proof="restore")
        proof = call(postgres_backup, **reader, path=path, proof="restore", proof_budget=60)["backup"]["proof"]
        assert (proof["level"], proof["verdict"]) == ("read", "pass")
        assert re.search(told, proof["note"])
        assert server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%_scratch_%'") == [(0,)]
    finally:
        server.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")


def test_another_database_stands_in_and_a_copy_publishes_nothing(
    reader: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    server.execute("ALTER ROLE reader CREATEDB; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
    server.execute("CREATE PUBLICATION everything FOR ALL TABLES", shop)
    try:
        made = call(postgres_backup, **reader, path=str(folder / "x.dump"), proof="restore", maintenance_db="template1")
    finally:
        server.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
    assert (made["backup"]["proof"]["level"], made["backup"]["proof"]["verdict"]) == ("restore", "pass")


def test_role_that_may_not_create_databases_proves_by_reading_where_a_budget_allows_it(
    reader: dict[str, Any], folder: Path
) -> None:
    path = folder / "shop.dump"
    with pytest.raises(RollbackError, match="ALTER ROLE reader CREATEDB"):
        call(postgres_backup, **reader, path=str(path), proof="restore")
    assert not path.exists()
    proof = call(postgres_backup, **reader, path=str(path), proof="restore", proof_budget=60)["backup"]["proof"]
    assert (proof["level"], proof["verdict"]) == ("read", "pass")
    assert "ALTER ROLE reader CREATEDB allows it: proven by a full read" in proof["note"]
