# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch databases: made from an archive, compared with its manifest, and dropped whatever happens."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .._module import RollbackError
from . import archive
from .client import QueryError, frozen, identifier, session
from .contents import read_tables
from .model import Connection, Manifest, Table
from .plan import compare_tables
from .programs import Programs, run_pipeline

UNPACKED = 10  # times the size of a compressed archive must be free to unpack it
INDEX_MEMORY = 256 * 1024  # kB, for building one index
KEPT = 3  # times its time limit a copy is left alone: for the restore, the comparison and what is tried on it
MARK = "scratch copy of octalume.rollback, to be dropped after "
FORGOTTEN = """
SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database
WHERE datname LIKE %s AND shobj_description(oid, 'pg_database') LIKE %s AND pg_get_userbyid(datdba) = current_user
"""
MAINTENANCE = "postgres"  # the database to stand in while another one is created, renamed or dropped


class MayNotCreate(RollbackError):
    """The role has no right to create databases, so there is no scratch copy to be had."""


def create_database(connection: Connection, name: str, manifest: Manifest) -> None:
    """An empty database ``name`` with the encoding and locale of the one in the backup."""
    settings = (manifest.encoding, manifest.collate, manifest.ctype)
    with session(connection.to(MAINTENANCE), statement_timeout=300) as server:
        try:
            server.query(
                f"CREATE DATABASE {identifier(name)} TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s", settings
            )
        except QueryError as error:
            told = f"cannot create the database {name}: {error.message}"
            if error.sqlstate == "42501":
                raise MayNotCreate(f"{told}; ALTER ROLE {connection.user} CREATEDB allows it") from error
            raise RollbackError(told) from error


def drop_database(connection: Connection, name: str) -> None:
    """Drop ``name`` and the sessions in it."""
    with session(connection.to(MAINTENANCE), statement_timeout=300) as server:
        server.query(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


def load(
    connection: Connection,
    path: Path,
    manifest: Manifest,
    programs: Programs,
    *,
    jobs: int,
    timeout: float,
    owners: bool,
) -> None:
    """pg_restore the archive into the (empty) database of ``connection``, ending at the first error.

    Several jobs need a file they can seek in: one that is compressed as a whole is unpacked beside itself first, if
    there is room for it, else it is restored as a stream.
    """
    argv = [programs.pg_restore, "--exit-on-error", "--no-password", f"--dbname={connection.database}"]
    if not owners:
        argv += ["--no-owner", "--no-privileges"]
    environment = {**connection.environment(), "PGAPPNAME": "octalume.rollback", "PGOPTIONS": _haste(connection)}
    what = f"restoring {path} into {connection.database} failed"
    packed = manifest.format == "custom" and manifest.compression == "zstd"
    if jobs < 2 or (packed and shutil.disk_usage(path.parent).free < UNPACKED * manifest.size):
        archive.feed(path, manifest, programs, argv, environment, timeout, what)
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as place:
        archive_file = archive.unpack(path, programs, Path(place) / "archive", timeout) if packed else path
        run_pipeline(
            [[*argv, f"--jobs={jobs}", str(archive_file)]], what=what, environment=environment, timeout=timeout
        )


def _haste(connection: Connection) -> str:
    """Settings for sessions that fill a database nobody uses yet: memory for building indexes, no wait for the disk."""
    with session(connection, statement_timeout=60) as database:
        memory = database.query("SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem'")[0][0]
    return f"-c synchronous_commit=off -c maintenance_work_mem={max(int(memory), INDEX_MEMORY)}kB"


def contents(connection: Connection, manifest: Manifest, timeout: float) -> dict[str, Table]:
    """What every table of the database holds now, in the words of the manifest."""
    with frozen(connection, timeout=timeout, lock_timeout=30) as database:
        return read_tables(database, manifest.tables)


def demand_equal(connection: Connection, manifest: Manifest, timeout: float) -> None:
    """Raise unless every table of the database holds exactly what the manifest recorded."""
    differences = compare_tables(manifest.tables, contents(connection, manifest, timeout))
    if differences:
        told = "; ".join(f"{one.table}: expected {one.expected}, found {one.found}" for one in differences[:5])
        more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise RollbackError(
            f"the restored copy is not what was backed up: {told}{more}; do not use this backup, take another",
            differences=[one.__dict__ for one in differences],
        )


def _mark(copy: Connection, until: datetime) -> None:
    """Write on the copy until when somebody may be at work on it."""
    with session(copy.to(MAINTENANCE), statement_timeout=60) as server:
        server.query(f"COMMENT ON DATABASE {identifier(copy.database)} IS %s", (f"{MARK}{until.isoformat()}",))


def drop_forgotten(connection: Connection) -> None:
    """Drop copies of this database that a killed run has left behind, once their time is over."""
    pattern = f"{connection.database[:40]}_scratch_".replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    with session(connection.to(MAINTENANCE), statement_timeout=300) as server:
        for name, note in server.query(FORGOTTEN, (f"{pattern}%", f"{MARK}%")):
            if datetime.fromisoformat(note.removeprefix(MARK)) < datetime.now(UTC):
                server.query(f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)")


@contextmanager
def scratch_copy(
    connection: Connection, path: Path, manifest: Manifest, programs: Programs, *, jobs: int, timeout: float
) -> Iterator[Connection]:
    """A scratch database loaded from the archive; dropped at the end."""
    drop_forgotten(connection)
    copy = connection.to(f"{connection.database[:40]}_scratch_{secrets.token_hex(4)}")
    create_database(connection, copy.database, manifest)
    try:
        _mark(copy, datetime.now(UTC) + timedelta(seconds=KEPT * timeout))
        load(copy, path, manifest, programs, jobs=jobs, timeout=timeout, owners=False)
        yield copy
    finally:
        drop_database(connection, copy.database)


def prove_by_restore(
    connection: Connection, path: Path, manifest: Manifest, programs: Programs, *, jobs: int, timeout: float
) -> None:
    """Restore into a scratch database and compare it with the manifest."""
    with scratch_copy(connection, path, manifest, programs, jobs=jobs, timeout=timeout) as copy:
        demand_equal(copy, manifest, timeout)
