# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a database back from a backup: loaded beside the live one, compared, and swapped in by two renames."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .._module import RollbackError
from . import archive, plan
from .client import Database, QueryError, frozen, identifier, session, version_at
from .contents import behind, fingerprint, read_table, schema_lines, table_shapes
from .locks import terminate as end_sessions
from .model import Connection, Manifest
from .programs import Programs, find_programs
from .scratch import create_database, demand_equal, drop_database, load

SESSIONS = """
SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, '') FROM pg_stat_activity
WHERE datname = %s AND pid <> pg_backend_pid()
  AND (backend_type = 'client backend' OR backend_type IS NULL AND usesysid IS NOT NULL) ORDER BY pid
"""
MISSING_ROLES = """
SELECT name FROM unnest(%s::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY 1
"""
MISSING_EXTENSIONS = """
SELECT wanted FROM unnest(%s::text[]) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = wanted) ORDER BY 1
"""
# What belongs to the database as such and is not in a dump of its contents: owner, grants, settings, connection limit.
PROPERTIES = """
SELECT format('ALTER DATABASE %%I OWNER TO %%I', %s, pg_get_userbyid(datdba)) FROM pg_database WHERE datname = %s
UNION ALL SELECT format('ALTER DATABASE %%I CONNECTION LIMIT %%s', %s, datconnlimit) FROM pg_database WHERE datname = %s
UNION ALL SELECT format('REVOKE ALL ON DATABASE %%I FROM PUBLIC', %s) FROM pg_database
  WHERE datname = %s AND datacl IS NOT NULL
UNION ALL SELECT format('GRANT %%s ON DATABASE %%I TO %%s%%s', a.privilege_type, %s,
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM pg_database, aclexplode(datacl) a WHERE datname = %s
UNION ALL SELECT format(CASE s.setrole WHEN 0 THEN 'ALTER DATABASE %%1$I SET %%2$I = %%3$s'
    ELSE 'ALTER ROLE %%4$I IN DATABASE %%1$I SET %%2$I = %%3$s' END,
    %s, split_part(c, '=', 1),
    CASE WHEN split_part(c, '=', 1) IN ('search_path', 'temp_tablespaces', 'DateStyle')
         THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END,
    coalesce(pg_get_userbyid(nullif(s.setrole, 0)), ''))
  FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) c WHERE d.datname = %s
"""
SWAP_TRIES = 20


@dataclass(frozen=True)
class Request:
    """Which backup into which database; ``timeout`` in seconds."""

    path: Path
    release: str | None
    jobs: int
    terminate: bool
    timeout: float
    environment: str | None = None


@dataclass(frozen=True)
class Restored:
    """What came of it; ``previous`` is the old database's new name, if there was one."""

    previous: str | None
    seconds: float


def inspect(connection: Connection, request: Request) -> Manifest:
    """The backup's manifest, after its bytes and its belonging have been checked."""
    manifest = archive.read_manifest(request.path)
    plan.refuse_foreign(
        manifest, path=str(request.path), release=request.release, database=connection.database,
        environment=request.environment,
    )  # fmt: skip
    archive.verify_bytes(request.path, manifest)
    return manifest


def exists(connection: Connection) -> bool:
    """Whether the database is there."""
    with session(connection.standing_in, statement_timeout=60) as server:
        return bool(server.query("SELECT 1 FROM pg_database WHERE datname = %s", (connection.database,)))


def is_as_recorded(connection: Connection, manifest: Manifest, timeout: float) -> bool:
    """Whether the live database already holds exactly what the backup does."""
    with frozen(connection, timeout=timeout, lock_timeout=30) as database:
        if fingerprint(schema_lines(database)) != manifest.schema_fingerprint:
            return False
        if behind(database, manifest.sequences):
            return False
        shapes = {".".join(place): (place, shape) for place, shape in table_shapes(database).items()}
        if set(shapes) != set(manifest.tables):
            return False
        # The small ones first: the first difference is enough.
        smallest = sorted(manifest.tables.items(), key=lambda item: item[1].rows)
        return all(read_table(database, *shapes[name], recorded) == recorded for name, recorded in smallest)


def fitting_programs(connection: Connection, manifest: Manifest, directory: str | None) -> Programs:
    """The programs to restore this backup with; raises if those that are here cannot."""
    server = version_at(connection.standing_in)
    programs = find_programs(directory, server, manifest.client_version)
    if problems := plan.restore_problems(manifest.client_version, programs.version, server):
        raise RollbackError(f"no restore on {connection.place}: {'; '.join(problems)}", problems=problems)
    return programs


def refuse_missing(connection: Connection, manifest: Manifest) -> None:
    """Raise if roles or extensions that the backup needs are not on this server."""
    with session(connection.standing_in, statement_timeout=60) as server:
        roles = [row[0] for row in server.query(MISSING_ROLES, (list(manifest.roles),))]
        extensions = [row[0] for row in server.query(MISSING_EXTENSIONS, (list(manifest.extensions),))]
    told = [f"the roles {', '.join(roles)} (CREATE ROLE)"] * bool(roles)
    told += [f"the extensions {', '.join(extensions)} (install their packages)"] * bool(extensions)
    if told:
        raise RollbackError(
            f"the backup needs what {connection.host}:{connection.port} does not have: {' and '.join(told)}",
            missing_roles=roles,
            missing_extensions=extensions,
        )


def refuse_sessions(connection: Connection) -> None:
    """Raise if anybody is connected to the database."""
    with session(connection.standing_in, statement_timeout=60) as server:
        people = server.query(SESSIONS, (connection.database,))
    if people:
        raise RollbackError(
            f"the database {connection.database} is in use by {_people(people)}; quiesce the application, or set"
            " terminate_sessions: true",
            sessions=[dict(zip(("pid", "user", "application", "state"), row, strict=True)) for row in people],
        )


def _people(rows: list[tuple[object, ...]]) -> str:
    return "; ".join(
        f"pid {pid} (user {user}, {name or 'no application name'}, {state})" for pid, user, name, state in rows
    )


def restore(
    connection: Connection,
    manifest: Manifest,
    request: Request,
    programs: Programs,
    progress: Callable[[str], None],
    fence: Callable[[], None],
) -> Restored:
    """Load, compare, swap. Until the swap the live database is not touched, and the swap is one transaction."""
    fence()
    started = time.monotonic()
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    name = connection.database
    new = connection.to(f"{name[:40]}_restored_{secrets.token_hex(3)}")
    create_database(connection, new.database, manifest)
    try:
        progress(f"restoring {request.path} into {new.database}")
        load(new, request.path, manifest, programs, jobs=request.jobs, timeout=request.timeout, owners=True)
        progress("comparing every table with the manifest")
        demand_equal(new, manifest, request.timeout)
        progress("telling the planner what it holds")
        with session(new, statement_timeout=request.timeout) as restored:
            restored.query("ANALYZE")
        previous = f"{name[:40]}_before_{stamp}" if exists(connection) else None
        fence()
        _swap(connection, new.database, previous, request.terminate)
    except BaseException:
        drop_database(connection, new.database)
        raise
    return Restored(previous, round(time.monotonic() - started, 3))


def _swap(connection: Connection, new: str, previous: str | None, terminate: bool) -> None:
    """Both renames in one transaction; sessions that come in between are ended or named."""
    name = connection.database
    with session(connection.standing_in, statement_timeout=60) as server:
        if previous:
            for row in server.query(PROPERTIES.replace("\n", " "), (new, name) * 5):
                server.query(row[0])
        for attempt in range(SWAP_TRIES):
            # What the server runs there itself, such as autovacuum, it ends for a rename by itself.
            people = server.query(SESSIONS, (name,)) if previous and terminate else []
            refused = end_sessions(server, [int(row[0]) for row in people])
            try:
                _rename(server, name, new, previous)
                return
            except QueryError as error:
                server.query("ROLLBACK")
                if error.sqlstate != "55006" or refused or attempt + 1 == SWAP_TRIES:
                    told = f"the restored database cannot take the place of {name}: {error.message}"
                    if refused:
                        stay = _people([row for row in people if row[0] in refused])
                        why = next(iter(refused.values()))
                        told += f"; {connection.user} may not end {stay} ({why}): end them, or restore as a superuser"
                    raise RollbackError(told) from error
                if not terminate:
                    refuse_sessions(connection)


def _rename(server: Database, name: str, new: str, previous: str | None) -> None:
    server.query("BEGIN")
    if previous:
        server.query(f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(previous)}")
    server.query(f"ALTER DATABASE {identifier(new)} RENAME TO {identifier(name)}")
    server.query("COMMIT")
