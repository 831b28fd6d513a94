# SPDX-License-Identifier: GPL-3.0-or-later
"""Scratch databases: made from an archive, compared with its manifest, and dropped whatever happens."""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._module import RollbackError
from . import archive
from .client import CannotConnect, Database, QueryError, Session, frozen, identifier, server_version, session
from .contents import read_tables
from .model import Connection, Manifest, Table
from .plan import compare_tables, major
from .programs import PipelineError, Programs, run_pipeline

NO_RIGHT = re.compile(r"permission denied|must be (superuser|(a )?member|(the )?owner)|Must be superuser")
UNPACKED = 10  # times the size of a compressed archive must be free to unpack it
INDEX_MEMORY = 256 * 1024  # kB, for building one index
PREFIX = "octalume_scratch_"
COPIES = """
SELECT datname FROM pg_database WHERE datname ~ %s AND pg_get_userbyid(datdba) = current_user
"""
# A lock that nobody waits for and that ends with the process which works on the copy, however that ends.
BUSY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
STAY = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class MayNotCreate(RollbackError):
    """There is no scratch copy to be had: this role may not connect for it, or not create all that belongs to it."""


def create_database(connection: Connection, name: str, manifest: Manifest) -> None:
    """An empty database ``name`` with the encoding and locale of the one in the backup."""
    with session(connection.standing_in, statement_timeout=300) as server:
        settings = {"ENCODING": manifest.encoding, "LC_COLLATE": manifest.collate, "LC_CTYPE": manifest.ctype}
        if manifest.locale_provider and major(server_version(server)) >= 15:  # the first that may choose
            settings["LOCALE_PROVIDER"] = manifest.locale_provider
            words = {"icu": "ICU_LOCALE", "builtin": "BUILTIN_LOCALE"}
            more = {words.get(manifest.locale_provider, ""): manifest.locale, "ICU_RULES": manifest.icu_rules}
            settings |= {word: value for word, value in more.items() if word and value}
        words_of = " ".join(f"{word} %s" for word in settings)
        try:
            server.query(f"CREATE DATABASE {identifier(name)} TEMPLATE template0 {words_of}", tuple(settings.values()))
        except QueryError as error:
            told = f"cannot create the database {name}: {error.message}"
            if error.sqlstate == "42501":
                raise MayNotCreate(f"{told}; ALTER ROLE {connection.user} CREATEDB allows it") from error
            raise RollbackError(told) from error


def drop_database(connection: Connection, name: str) -> None:
    """Drop ``name`` and the sessions in it."""
    with session(connection.standing_in, statement_timeout=300) as server:
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
        argv += ["--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"]
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


def _drop_forgotten(keeper: Database, connection: Connection) -> None:
    """Drop copies of this database whose process was killed; one that is being worked on holds its lock."""
    pattern = f"^{re.escape(PREFIX + connection.database[:36])}_[0-9a-f]{{8}}$"
    for (name,) in keeper.query(COPIES, (pattern,)):
        if keeper.query(BUSY, (name,))[0][0]:
            keeper.query(f"DROP DATABASE IF EXISTS {identifier(str(name))} WITH (FORCE)")


@contextmanager
def _standing_in(connection: Connection) -> Iterator[Database]:
    """A session in the maintenance database."""
    try:
        server = Session(connection.standing_in, statement_timeout=300)
    except CannotConnect as error:
        raise MayNotCreate(f"{error.message}, and maintenance_db") from error
    try:
        yield server
    finally:
        server.close()


def _load_copy(copy: Connection, path: Path, manifest: Manifest, programs: Programs, jobs: int, timeout: float) -> None:
    try:
        load(copy, path, manifest, programs, jobs=jobs, timeout=timeout, owners=False)
    except CannotConnect as error:
        raise MayNotCreate(error.message) from error
    except PipelineError as error:
        if NO_RIGHT.search(error.stderr):
            raise MayNotCreate(f"{error.message}; a role that may is needed for a copy") from error
        raise


@contextmanager
def scratch_copy(
    connection: Connection, path: Path, manifest: Manifest, programs: Programs, *, jobs: int, timeout: float
) -> Iterator[Connection]:
    """A scratch database loaded from the archive; dropped at the end. :class:`MayNotCreate` if there can be none."""
    with _standing_in(connection) as keeper:
        keeper.query(STAY)
        _drop_forgotten(keeper, connection)
        copy = connection.to(f"{PREFIX}{connection.database[:36]}_{secrets.token_hex(4)}")
        keeper.query(BUSY, (copy.database,))
        create_database(connection, copy.database, manifest)
        try:
            _load_copy(copy, path, manifest, programs, jobs, timeout)
            yield copy
        finally:
            drop_database(connection, copy.database)


def prove_by_restore(
    connection: Connection, path: Path, manifest: Manifest, programs: Programs, *, jobs: int, timeout: float
) -> None:
    """Restore into a scratch database and compare it with the manifest."""
    with scratch_copy(connection, path, manifest, programs, jobs=jobs, timeout=timeout) as copy:
        demand_equal(copy, manifest, timeout)
