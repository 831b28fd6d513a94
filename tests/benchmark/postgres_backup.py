# SPDX-License-Identifier: GPL-3.0-or-later
"""Wall times of backup, proof and restore against pg_dump, psql and pg_restore, on one database in one run.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark.postgres_backup [GIGABYTES] [ROUNDS]
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._postgres.programs import find_programs
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup, postgres_restore

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer

ROWS_PER_GB = 6_500_000  # of the table below, which is 150 bytes a row
LARGE = """
CREATE TABLE {table} AS SELECT i::bigint AS id, md5(i::text) AS token, (i % 1000) AS product,
  timestamptz '2026-01-01' + i * interval '1 second' AS placed, (i % 97) * 1.25 AS amount,
  'note ' || md5((i / 3)::text) AS note FROM generate_series(1, {rows}) i;
ALTER TABLE {table} ADD PRIMARY KEY (id)
"""
ITEMS = "CREATE TABLE items AS SELECT id, product, amount FROM orders WHERE id % 10 = 0"
BACKUPS: list[dict[str, Any]] = [
    {"compression": "none"},
    {"compression": "zstd"},
    {"compression": "gzip"},
    {"format": "directory", "compression": "none"},
]
DEFAULT = "custom, zstd"


@dataclass(frozen=True)
class Row:
    """One way to back up and restore: seconds, and bytes of the archive; ``wall`` is everything until it is proven."""

    name: str
    dump: float
    read: float | None
    wall: float
    restore: float
    size: int


def large_table(name: str, gigabytes: float) -> list[str]:
    """The statements that make a table of about this size."""
    return LARGE.format(table=name, rows=int(ROWS_PER_GB * gigabytes)).split(";")


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of ``what``."""
    started = time.monotonic()
    result = what()
    return time.monotonic() - started, result


def run(argv: list[str], environment: dict[str, str], output: Path | None = None) -> None:
    """Run one program to its end, its output going to a file."""
    with (output or Path(os.devnull)).open("wb") as file:
        subprocess.run(argv, env=environment, stdout=file, check=True)


def by_hand(server: PostgresServer, folder: Path) -> list[Row]:
    """``pg_dump > file`` and ``psql``; ``pg_dump -Fc``, a full read of it and ``pg_restore``."""
    environment = {**os.environ, **server.environment("big")}
    tools = find_programs(None)
    sql, archive = folder / "plain.sql", folder / "custom.dump"
    psql = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(sql), "-d", "copy"]
    read = [tools.pg_restore, "--file=/dev/null", str(archive)]
    load = [tools.pg_restore, "--exit-on-error", "-d", "copy", str(archive)]
    ways = (
        ("`pg_dump > file`, `psql`", sql, [tools.pg_dump], None, psql),
        ("`pg_dump -Fc`, full read, `pg_restore`", archive, [tools.pg_dump, "-Fc"], read, load),
    )
    rows = []
    for name, file, dump, check, restore in ways:
        dumped, _unused = timed(partial(run, dump, environment, file))
        checked = timed(partial(run, check, environment))[0] if check else None
        server.create_database("copy")
        restored, _unused = timed(partial(run, restore, environment))
        server.execute("DROP DATABASE copy")
        rows.append(Row(name, dumped, checked, dumped + (checked or 0), restored, file.stat().st_size))
        file.unlink()
    return rows


def named(options: dict[str, Any]) -> str:
    """How the table calls a kind of backup."""
    return f"{options.get('format', 'custom')}, {options['compression']}"


def ours(server: PostgresServer, path: Path, options: dict[str, Any]) -> Row:
    """One kind of backup, proven by reading, and its restore over the live database."""
    login = server.login("big")
    wall, taken = timed(lambda: call(postgres_backup, **login, path=str(path), proof="read", **options))
    backup = taken["backup"]
    server.execute("UPDATE items SET product = product + 1 WHERE id = 10", "big")
    restored, done = timed(lambda: call(postgres_restore, **login, path=str(path)))
    server.execute(f"DROP DATABASE {done['previous_database']}")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return Row(named(options), backup["seconds"], backup["proof"]["seconds"], wall, restored, backup["size"])


def show(rows: list[Row]) -> None:
    """The table, and how ours by default compares with what people do by hand."""
    plain, custom = rows[:2]
    print("| | dump | full read | dump and proof | restore | size |\n|---|---|---|---|---|---|")
    for row in rows:
        read = f"{row.read:.1f}" if row.read is not None else "-"
        seconds = f"{row.dump:.1f} | {read} | {row.wall:.1f} | {row.restore:.1f}"
        print(f"| {row.name} | {seconds} | {row.size / 1e6:.0f} MB |")
    found = next(row for row in rows if row.name == DEFAULT)
    print(f"{DEFAULT} / pg_dump > file: wall {found.wall / plain.wall:.2f}, size {found.size / plain.size:.2f}")
    print(f"{DEFAULT} / pg_dump -Fc and full read: wall {found.wall / custom.wall:.2f}")
    print(f"{DEFAULT} / psql: restore {found.restore / plain.restore:.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory of this process at most {peak:.0f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def measured(gigabytes: float, rounds: int) -> list[list[Row]]:
    """Every way, in turns; the first round also with the compressions that are not the default."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".sandbox-benchmark-") as place:
        folder = Path(place)
        with PostgresServer(folder / "server", settings=["shared_buffers=256MB", "max_wal_size=4GB"]) as server:
            server.create_database("big")
            for statement in (*large_table("orders", gigabytes), ITEMS, "VACUUM ANALYZE"):
                server.execute(statement, "big")
            size = server.execute("SELECT pg_database_size('big')")[0][0]
            print(f"database {size / 1e9:.2f} GB", flush=True)
            found = []
            for number in range(rounds):
                wanted = BACKUPS if number == 0 else [options for options in BACKUPS if named(options) == DEFAULT]
                found.append(by_hand(server, folder))
                found[-1] += [ours(server, folder / f"{index}.dump", options) for index, options in enumerate(wanted)]
                show(found[-1])
    return found


def main() -> None:
    """Fill, measure, print."""
    words = [*sys.argv[1:], "1", "1"][: max(2, len(sys.argv) - 1)]
    measured(float(words[0]), int(words[1]))


if __name__ == "__main__":
    main()
