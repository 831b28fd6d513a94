# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions about backups."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import (
    LATER,
    Connection,
    Manifest,
    Table,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.plan import (
    Kept,
    Preflight,
    choose_compression,
    compare_tables,
    nearest,
    preflight_problems,
    proof_level,
    refuse_foreign,
    restore_problems,
    to_prune,
)

MANIFEST = Manifest(
    database="shop", server_version="15.3", client_version="15.3", format="custom", compression="zstd", size=1,
    sha256="x", taken_at="2026-01-01T00:00:00+00:00", seconds=1.0, release="1.4.2", migration_version="42",
    schema_fingerprint="f", tables={"public.a": Table(2, {"id": "5", "n": "7"}, ("id",))},
)  # fmt: skip
GB = 10**9
FINE = Preflight("15.3", "15.18", GB, 10 * GB, "zstd", "/backups")


@pytest.mark.parametrize(
    ("wanted", "form", "client", "zstd", "chosen", "warned"),
    [
        ("auto", "custom", "15.3", True, "zstd", False),
        ("auto", "custom", "15.3", False, "gzip", True),
        ("auto", "directory", "15.3", True, "none", False),
        ("auto", "directory", "16.1", False, "zstd", False),
        ("zstd", "custom", "15.3", False, "gzip", True),
        ("zstd", "directory", "17.0", False, "zstd", False),
        ("gzip", "custom", "15.3", True, "gzip", False),
        ("none", "directory", "15.3", True, "none", False),
    ],
)
def test_compression(wanted: str, form: str, client: str, zstd: bool, chosen: str, warned: bool) -> None:
    compression, warning = choose_compression(wanted, form, client, zstd)
    assert (compression, bool(warning)) == (chosen, warned)


def test_directory_with_zstd_needs_a_newer_client() -> None:
    with pytest.raises(RollbackError, match=r"pg_dump 15\.3 cannot write a directory with zstd"):
        choose_compression("zstd", "directory", "15.3", True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"client": "16.0"}, None),
        ({"client": "17.2"}, "cannot be restored on a server 15.18.*apt-get install postgresql-client-15"),
        ({"client": "18.0", "server": "17.1"}, None),
        ({"client": "14.9"}, "is older than the server 15.18"),
        ({"client": "9.6.24"}, "is older than the server"),
        ({"free": GB // 2}, "bytes free, the backup may need"),
        ({"free": GB, "compression": "none"}, "bytes free, the backup may need"),
        ({"row_security": ("public.a",)}, "row security hides rows of public.a"),
        ({"unreadable": ("public.a", "public.b")}, "may not read public.a, public.b"),
    ],
)
def test_preflight(change: dict[str, object], problem: str | None) -> None:
    problems = preflight_problems(replace(FINE, **change))  # type: ignore[arg-type]
    assert len(problems) == (problem is not None)
    assert problem is None or re.search(problem, problems[0])


@pytest.mark.parametrize(
    ("installed", "wanted", "order"),
    [
        ([15, 16, 17], 16, [16, 17, 15]),
        ([14, 15, 17, 18], 16, [17, 18, 15, 14]),
        ([13, 14], 16, [14, 13]),
        ([15, 17], None, [17, 15]),
        ([], 16, []),
    ],
)
def test_programs_of_the_servers_own_version_come_first(
    installed: list[int], wanted: int | None, order: list[int]
) -> None:
    assert nearest(installed, wanted) == order


@pytest.mark.parametrize(
    ("archive", "client", "server", "problem"),
    [
        ("15.3", "15.3", "15.18", None),
        ("15.3", "17.2", "17.2", None),
        ("17.2", "16.9", "17.2", r"pg_restore 16\.9 may not read what pg_dump 17\.2 wrote.*postgresql-client-17"),
        ("15.3", "17.2", "16.1", "transaction_timeout.*postgresql-client-16"),
    ],
)
def test_programs_that_cannot_restore(archive: str, client: str, server: str, problem: str | None) -> None:
    problems = restore_problems(archive, client, server)
    assert len(problems) == (problem is not None)
    assert problem is None or re.search(problem, problems[0])


@pytest.mark.parametrize(
    ("wanted", "budget", "seconds", "level"),
    [
        ("restore", None, 1000, "restore"),
        ("restore", 60, 10, "restore"),
        ("restore", 60, 12, "read"),
        ("read", 0, 1000, "read"),
        ("none", 60, 1, "none"),
    ],
)
def test_proof_fits_its_budget(wanted: str, budget: float | None, seconds: float, level: str) -> None:
    got, note = proof_level(wanted, budget, seconds)
    assert got == level
    assert bool(note) == (got != wanted)


def test_tables_that_differ() -> None:
    a, b = Table(1, {"id": "1"}), Table(1, {"id": "2"})
    assert compare_tables({"t": a}, {"t": a}) == []
    told = [(one.table, one.expected, one.found) for one in compare_tables({"t": a, "u": a}, {"t": b, "v": a})]
    assert told == [
        ("t", f"1 rows, checksum {a.checksum}", f"1 rows, checksum {b.checksum}"),
        ("u", "present", "absent"),
        ("v", "absent", "present"),
    ]


def _kept(name: str, day: int) -> Kept:
    return Kept(name, replace(MANIFEST, taken_at=f"2026-01-{day:02}T00:00:00+00:00"))


@pytest.mark.parametrize(
    ("count", "days", "gone"),
    [
        (None, None, []),
        (1, None, ["b", "c", "d"]),
        (2, None, ["c", "d"]),
        (9, None, []),
        (None, 8, ["c", "d"]),
        (2, 8, ["c", "d"]),
        (None, 0, ["b", "c", "d"]),
    ],
)
def test_retention(count: int | None, days: int | None, gone: list[str]) -> None:
    kept = [_kept("d", 1), _kept("c", 2), _kept("b", 9), _kept("a", 10)]
    now = datetime(2026, 1, 12, tzinfo=UTC)
    assert sorted(to_prune(kept, newest="a", count=count, days=days, now=now)) == gone


def test_backup_that_is_only_planned_counts_too() -> None:
    now = datetime(2026, 1, 12, tzinfo=UTC)
    assert to_prune([_kept("b", 9), _kept("a", 10)], newest="new", count=2, days=None, now=now) == ["b"]


def test_clock_that_went_back_does_not_cost_the_new_backup() -> None:
    kept = [_kept("new", 1), _kept("old", 9)]
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert to_prune(kept, newest="new", count=1, days=1, now=now) == ["old"]


def test_backup_of_something_else_is_refused() -> None:
    refuse_foreign(MANIFEST, path="p", release="1.4.2", database="shop")
    refuse_foreign(MANIFEST, path="p", release=None, database=None)
    with pytest.raises(RollbackError, match="belongs to release"):
        refuse_foreign(MANIFEST, path="p", release="1.4.1", database="shop")
    with pytest.raises(RollbackError, match="is of database shop, not of crm"):
        refuse_foreign(MANIFEST, path="p", release="1.4.2", database="crm")


def test_backup_of_another_environment_is_refused() -> None:
    theirs = replace(MANIFEST, environment="us-1")
    refuse_foreign(theirs, path="p", release=None, database=None)
    refuse_foreign(theirs, path="p", release=None, database=None, environment="us-1")
    refuse_foreign(MANIFEST, path="p", release=None, database=None, environment="eu-1")
    with pytest.raises(RollbackError, match=r"is of environment us-1, not of eu-1; .* environment us-1 if"):
        refuse_foreign(theirs, path="p", release=None, database=None, environment="eu-1")


def test_manifest_of_the_first_releases_is_read() -> None:
    first = {name: value for name, value in MANIFEST.as_dict().items() if name not in LATER}
    assert Manifest.from_dict(first, "m") == MANIFEST


def test_manifest_survives_its_own_file() -> None:
    assert Manifest.from_dict(MANIFEST.as_dict(), "m") == MANIFEST


def test_password_is_not_in_the_words_of_a_connection() -> None:
    where = Connection("db", 5432, "ann", "shop", "hunter2", ssl_mode="verify-full", ca_cert="/ca")
    assert "hunter2" not in repr(where) + where.place
    assert where.environment() == {
        "PGCONNECT_TIMEOUT": "10",
        "PGHOST": "db", "PGPORT": "5432", "PGUSER": "ann", "PGPASSWORD": "hunter2", "PGDATABASE": "shop",
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca",
    }  # fmt: skip
