# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a backup: under one snapshot, beside the old one, proven, and only then in the old one's place."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from .._module import RollbackError
from . import archive, plan
from .client import Database, frozen, server_version, session
from .contents import fingerprint, read_tables, schema_lines, sequences
from .locks import wait_for_readers
from .model import Connection, Manifest, Proof, Table
from .programs import PipelineError, Programs, run_pipeline
from .scratch import MayNotCreate, prove_by_restore

UNREADABLE = """
SELECT n.nspname || '.' || c.relname,
       c.relkind = 'r' AND row_security_active(c.oid),
       NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
            WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'S', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1
"""
SIZE = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
"""
ABOUT = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype,
       CASE told->>'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
       coalesce(told->>'datlocale', told->>'daticulocale'), told->>'daticurules',
       ARRAY(SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c JOIN pg_namespace n
             ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1),
       ARRAY(SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1)
FROM pg_database AS d, to_jsonb(d) AS told WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Request:
    """What backup is wanted; times in seconds."""

    path: Path
    format: str
    compression: str
    level: int | None
    jobs: int
    release: str | None
    migration_version: str | None
    proof: str
    proof_budget: float | None
    lock_timeout: float
    timeout: float
    environment: str | None = None


def preflight(connection: Connection, request: Request, programs: Programs) -> None:
    """Raise with every reason why this backup would fail or be worthless."""
    parent = next(place for place in request.path.parents if place.exists())  # what is missing below is made
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise RollbackError(
            f"{parent} is not a directory this user can write to; create it first or choose another path",
            path=str(request.path),
        )
    with session(connection, statement_timeout=60, lock_timeout=request.lock_timeout) as database:
        wait_for_readers(database, request.lock_timeout)
        tables = database.query(UNREADABLE)
        found = plan.Preflight(
            client=programs.version,
            server=server_version(database),
            tables_size=int(database.query(SIZE)[0][0]),
            free=shutil.disk_usage(parent).free,
            compression=request.compression,
            destination=str(parent),
            unreadable=tuple(row[0] for row in tables if row[2]),
            row_security=tuple(row[0] for row in tables if row[1]),
        )
    problems = plan.preflight_problems(found)
    if problems:
        raise RollbackError(f"no backup of {connection.place}: {'; '.join(problems)}", problems=problems)


def take(
    connection: Connection,
    request: Request,
    programs: Programs,
    progress: Callable[[str], None],
    fence: Callable[[], None],
) -> Manifest:
    """Take, prove and put in place one backup. Until the last step nothing at ``request.path`` is touched."""
    fence()
    with _workplace(request.path) as workplace:
        target = workplace / "archive"
        manifest = _dump(connection, request, programs, target, progress)
        manifest = replace(manifest, proof=_prove(connection, request, programs, manifest, target))
        beside = workplace / "manifest"
        beside.write_text(json.dumps(manifest.as_dict(), indent=1, sort_keys=True) + "\n")
        archive.sync(beside)
        fence()
        _put_in_place(workplace, request.path)
    return manifest


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """A directory beside ``path``, ours alone while we live; what a killed run left in it is removed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = path.with_name(f".{path.name}.partial")
    place.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RollbackError(f"another backup to {path} is running; wait for it or choose another path") from None
        _empty(place)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        os.close(handle)


def _empty(place: Path) -> None:
    for entry in place.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _dump(
    connection: Connection, request: Request, programs: Programs, target: Path, progress: Callable[[str], None]
) -> Manifest:
    started = time.monotonic()
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    with frozen(connection, timeout=request.timeout, lock_timeout=request.lock_timeout) as database:
        snapshot = str(database.query("SELECT pg_export_snapshot()")[0][0])
        version = server_version(database)
        encoding, collate, ctype, provider, locale, rules, roles, extensions = database.query(ABOUT)[0]
        lines = schema_lines(database)
        given = sequences(database)
        counting = _Counting(database)
        try:
            size, digest, files = _write(connection, request, programs, target, snapshot, progress)
        except RollbackError:
            counting.give_up()
            raise
        tables = counting.result()
    return Manifest(
        database=connection.database, server_version=version, client_version=programs.version,
        format=request.format, compression=request.compression, size=size, sha256=digest, files=files,
        taken_at=taken_at, seconds=round(time.monotonic() - started, 3), release=request.release,
        migration_version=request.migration_version, schema_fingerprint=fingerprint(lines), tables=tables,
        encoding=encoding, collate=collate, ctype=ctype, roles=tuple(roles), extensions=tuple(extensions),
        environment=request.environment, sequences=given, locale_provider=provider, locale=locale, icu_rules=rules,
    )  # fmt: skip


class _Counting:
    """Counts and checksums in a thread of their own, on the session that holds the snapshot, while pg_dump runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tables: dict[str, Table] = {}
        self._error: RollbackError | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._tables = read_tables(self._database)
        except RollbackError as error:
            self._error = error

    def give_up(self) -> None:
        """End it: nobody wants the result."""
        self._database.abandon()
        self._thread.join(5)

    def result(self) -> dict[str, Table]:
        """The tables, once they are all counted."""
        self._thread.join()
        if self._error:
            raise RollbackError(f"counting the rows of the backup failed: {self._error.message}", **self._error.details)
        return self._tables


def _write(
    connection: Connection,
    request: Request,
    programs: Programs,
    target: Path,
    snapshot: str,
    progress: Callable[[str], None],
) -> tuple[int, str, dict[str, str]]:
    """Run pg_dump into ``target``; ``(size, SHA-256, SHA-256 per file of a directory)``."""
    stages = archive.dump_stages(programs, request.format, request.compression, request.level, request.jobs)
    stages[0] += [f"--snapshot={snapshot}", f"--lock-wait-timeout={int(request.lock_timeout * 1000)}"]
    what = f"the backup of {connection.place} failed"
    environment = {**connection.environment(), "PGAPPNAME": "octalume.rollback"}
    try:
        if request.format == "directory":
            stages[0] += [f"--file={target}"]
            with archive.telling_size(target, progress):
                run_pipeline(stages, what=what, environment=environment, timeout=request.timeout)
            archive.sync(target)
            digests, size, digest = archive.directory_digests(target, request.jobs)
            return size, digest, digests
        file = archive.HashedFile(target, progress)
        try:
            run_pipeline(stages, what=what, environment=environment, timeout=request.timeout, sink=file.write)
            return file.size, file.finish(), {}
        finally:
            file.close()
    except PipelineError as error:
        advice = plan.explain_dump_failure(error.stderr)
        raise RollbackError(f"{error.message}{advice}; earlier backups are untouched", **error.details) from error


def _prove(connection: Connection, request: Request, programs: Programs, manifest: Manifest, target: Path) -> Proof:
    level, note = plan.proof_level(request.proof, request.proof_budget, manifest.seconds)
    if level == "none":
        return manifest.proof
    started = time.monotonic()
    if level == "read":
        archive.prove_by_reading(target, manifest, programs, request.timeout)
        return Proof(level, "pass", round(time.monotonic() - started, 3), note)
    try:
        archive.verify_bytes(target, manifest)
        prove_by_restore(connection, target, manifest, programs, jobs=request.jobs, timeout=request.timeout)
    except MayNotCreate as error:
        if request.proof_budget is None:
            raise
        level, note = "read", f"{error.message}: proven by a full read"
        archive.prove_by_reading(target, manifest, programs, request.timeout)
    return Proof(level, "pass", round(time.monotonic() - started, 3), note)


def _put_in_place(workplace: Path, path: Path) -> None:
    """Rename archive and manifest to their names; an earlier pair steps aside first and goes only at the end."""
    beside = archive.manifest_path(path)
    aside = path.with_name(path.name + ".previous")
    aside_manifest = archive.manifest_path(aside)
    replacing = path.exists()
    if replacing:
        remove(aside)
        for old, new in ((beside, aside_manifest), (path, aside)):
            if old.exists():
                old.rename(new)
    (workplace / "archive").rename(path)
    (workplace / "manifest").rename(beside)
    _sync_directory(path.parent)
    if replacing:
        remove(aside)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a backup and its manifest; the manifest last, so that what is left is known for what it is."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    archive.manifest_path(path).unlink(missing_ok=True)


def existing(directory: Path, database: str, environment: str | None) -> list[plan.Kept]:
    """The backups of ``database`` in ``environment`` that lie in ``directory``; other files are not ours."""
    found = []
    for beside in sorted(directory.glob("*.json")):
        path = beside.with_name(beside.name.removesuffix(".json"))
        with suppress(RollbackError):
            manifest = archive.read_manifest(path)
            if (manifest.database, manifest.environment) == (database, environment) and path.exists():
                found.append(plan.Kept(str(path), manifest))
    return found
