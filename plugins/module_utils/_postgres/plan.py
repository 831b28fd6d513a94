# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions about backups, without any input or output: what to choose, what to refuse, what to keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._module import RollbackError
from .model import Manifest, Table

# Measured on 1 GB: a restore takes about five times its dump, and the comparison a tenth of that.
RESTORE_PER_DUMP = 5.5
# Share of the tables' size a dump needs; compressed ones were 0.4, text can exceed the stored size.
SPACE_NEEDED = {"none": 1.3, "gzip": 0.7, "zstd": 0.7}
MARGIN = 16 * 1024 * 1024  # bytes


def major(version: str) -> int:
    """The number that decides which client fits which server: 15 of ``15.18``."""
    return int(version.split(".")[0])


def nearest(majors: Sequence[int], wanted: int | None) -> list[int]:
    """The installed ``majors`` in the order in which their programs are to be taken.

    Those of ``wanted`` first, then newer ones; without a wish the newest.
    """
    if wanted is None:
        return sorted(majors, reverse=True)
    return sorted(majors, key=lambda number: (number < wanted, abs(number - wanted)))


def misfit(client: str, server: str) -> str:
    """Why no archive of this client comes back on this server; nothing if it does.

    From 17 on pg_restore begins with SET transaction_timeout, which servers before 17 do not know.
    """
    if major(client) < 17 or major(server) >= 17:
        return ""
    return (
        f"what pg_dump {client} writes cannot be restored on a server {server}, which does not know"
        f" transaction_timeout; apt-get install postgresql-client-{major(server)}, or point bin_directory at"
        " programs of that version"
    )


def restore_problems(archive: str, client: str, server: str) -> list[str]:
    """Why pg_restore ``client`` cannot bring an archive that pg_dump ``archive`` wrote back on ``server``."""
    problems = [text for text in (misfit(client, server),) if text]
    if major(client) < major(archive):
        problems.append(
            f"pg_restore {client} may not read what pg_dump {archive} wrote; apt-get install"
            f" postgresql-client-{major(archive)}, or point bin_directory at programs of that version"
        )
    return problems


def choose_compression(wanted: str, form: str, client: str, has_zstd: bool) -> tuple[str, str]:
    """``(compression, warning)`` for ``wanted`` (auto, none, gzip, zstd), the format and what is installed.

    On 1 GB: zstd in a pipe costs 10 % over no compression and leaves 0.4 of the size; gzip doubles the time. The
    directory format compresses inside pg_dump, which knows zstd from version 16 on.
    """
    inside = major(client) >= 16
    possible = inside if form == "directory" else has_zstd
    if wanted == "zstd" and not possible:
        if form == "directory":
            raise RollbackError(
                f"compression zstd: pg_dump {client} cannot write a directory with zstd (16 and newer can);"
                " use compression: gzip or format: custom"
            )
        return (
            "gzip",
            "zstd is not installed, gzip takes its place and is slower: apt-get install zstd",
        )
    if wanted != "auto":
        return wanted, ""
    if form == "directory":
        return ("zstd" if inside else "none"), ""
    return ("zstd", "") if has_zstd else ("gzip", "zstd is not installed, gzip is slower: apt-get install zstd")


@dataclass(frozen=True)
class Preflight:
    """What was found before the dump; sizes in bytes."""

    client: str
    server: str
    tables_size: int
    free: int
    compression: str
    destination: str
    unreadable: tuple[str, ...] = ()
    row_security: tuple[str, ...] = ()


def preflight_problems(found: Preflight) -> list[str]:
    """Every reason not to start, each with what to do."""
    problems = []
    if major(found.client) < major(found.server):
        problems.append(
            f"pg_dump {found.client} is older than the server {found.server} and would refuse;"
            f" apt-get install postgresql-client-{major(found.server)}, or point bin_directory at newer programs"
        )
    if problem := misfit(found.client, found.server):
        problems.append(problem)
    need = int(found.tables_size * SPACE_NEEDED[found.compression]) + MARGIN
    if found.free < need:
        problems.append(
            f"{found.destination} has {found.free} bytes free, the backup may need {need};"
            " free space there or choose another path"
        )
    if found.row_security:
        problems.append(
            f"row security hides rows of {', '.join(found.row_security)} from this role, the backup would miss them;"
            " use the tables' owner or a role with BYPASSRLS"
        )
    if found.unreadable:
        problems.append(
            f"this role may not read {', '.join(found.unreadable)}; GRANT pg_read_all_data to it or use the owner"
        )
    return problems


def proof_level(wanted: str, budget: float | None, dump_seconds: float) -> tuple[str, str]:
    """``(level, note)``: a proof by restore that would take longer than ``budget`` seconds becomes one by reading."""
    estimate = dump_seconds * RESTORE_PER_DUMP
    if wanted != "restore" or budget is None or estimate <= budget:
        return wanted, ""
    return "read", f"a restore would take about {estimate:.0f} s, proof_budget is {budget:g} s: proven by a full read"


@dataclass(frozen=True)
class Difference:
    """One table that is not as recorded."""

    table: str
    expected: str
    found: str


def compare_tables(expected: Mapping[str, Table], found: Mapping[str, Table]) -> list[Difference]:
    """Where ``found`` is not exactly ``expected``: missing, unexpected and changed tables."""
    differences = []
    for name in sorted({*expected, *found}):
        want, have = expected.get(name), found.get(name)
        if want is None or have is None:
            differences.append(Difference(name, "present" if want else "absent", "present" if have else "absent"))
        elif want != have:
            differences.append(Difference(name, _words(want), _words(have)))
    return differences


def _words(table: Table) -> str:
    return f"{table.rows} rows, checksum {table.checksum}"


@dataclass(frozen=True)
class Kept:
    """A backup that lies in the directory: its path and what its manifest says."""

    path: str
    manifest: Manifest


def to_prune(kept: Sequence[Kept], *, newest: str, count: int | None, days: int | None, now: datetime) -> list[str]:
    """Paths of backups to remove: beyond the ``count`` newest or older than ``days`` days, never ``newest`` itself.

    ``newest`` counts even if it is not among ``kept`` yet.
    """
    ordered = sorted(kept, key=lambda one: one.manifest.taken_at, reverse=True)
    ordered.sort(key=lambda one: one.path != newest)
    gone = []
    for position, one in enumerate(ordered, start=int(all(one.path != newest for one in kept))):
        too_many = count is not None and position >= count
        too_old = days is not None and now - datetime.fromisoformat(one.manifest.taken_at) > timedelta(days=days)
        if one.path != newest and (too_many or too_old):
            gone.append(one.path)
    return gone


def refuse_foreign(
    manifest: Manifest, *, path: str, release: str | None, database: str | None, environment: str | None = None
) -> None:
    """Raise if the backup at ``path`` is of another release, database or environment than asked for.

    One that names no environment is taken for what its path says it is.
    """
    if release is not None and manifest.release != release:
        raise RollbackError(
            f"the backup {path} belongs to release {manifest.release or '(none recorded)'}, not to {release};"
            " name the right path",
            path=path,
        )
    if database is not None and manifest.database != database:
        raise RollbackError(
            f"the backup {path} is of database {manifest.database}, not of {database}; name the right path", path=path
        )
    if environment is not None and manifest.environment not in (None, environment):
        raise RollbackError(
            f"the backup {path} is of environment {manifest.environment}, not of {environment}; name the right path, or"
            f" environment {manifest.environment} if its data are to come here",
            path=path,
        )


def explain_dump_failure(stderr: str) -> str:
    """The next step for what pg_dump said, or nothing."""
    table = (
        (r"row-level security", "use the tables' owner or a role with BYPASSRLS"),
        (r"lock timeout|statement timeout", "somebody holds a lock: end that session or raise lock_timeout"),
        (r"No space left|File too large|Disk quota", "free space at the destination or choose another path"),
        (r"password authentication failed|no password supplied", "check login_user and login_password"),
        (r"server version mismatch", "install the server's version of postgresql-client"),
        (r"permission denied for", "GRANT pg_read_all_data to the role or use the owner"),
        (r"server closed the connection|could not receive|terminat|SSL SYSCALL", "the server went away: run it again"),
    )
    return next((f"; {advice}" for pattern, advice in table if re.search(pattern, stderr)), "")
