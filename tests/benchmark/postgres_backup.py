# SPDX-License-Identifier: GPL-3.0-or-later
"""Wall times of backup, proof and restore against plain pg_dump and psql, on one database in one run.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark.postgres_backup [GIGABYTES]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._postgres.programs import find_programs
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup, postgres_restore

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer

ROWS_PER_GB = 6_500_000  # of the table below, which is 150 bytes a row
FILL = """
CREATE TABLE orders AS SELECT i::bigint AS id, md5(i::text) AS token, (i % 1000) AS product,
  timestamptz '2026-01-01' + i * interval '1 second' AS placed, (i % 97) * 1.25 AS amount,
  'note ' || md5((i / 3)::text) AS note FROM generate_series(1, {rows}) i;
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE TABLE items AS SELECT id, product, amount FROM orders WHERE id % 10 = 0; VACUUM ANALYZE;
"""
BACKUPS: list[dict[str, Any]] = [
    {"compression": "none"},
    {"compression": "zstd"},
    {"compression": "gzip"},
    {"format": "directory", "compression": "none"},
]


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of ``what``."""
    started = time.monotonic()
    result = what()
    return time.monotonic() - started, result


def plain(server: PostgresServer, folder: Path) -> tuple[float, float, int]:
    """Seconds of ``pg_dump > file`` and of ``psql < file``, and the file's bytes."""
    environment = {**os.environ, **server.environment("big")}
    file = folder / "plain.sql"

    def dump() -> None:
        with file.open("wb") as output:
            subprocess.run([find_programs(None).pg_dump], env=environment, stdout=output, check=True)

    def restore() -> None:
        server.create_database("plain")
        argv = ["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file), "-d", "plain"]
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, check=True)
        server.execute("DROP DATABASE plain")

    dumped, _unused = timed(dump)
    restored, _unused = timed(restore)
    return dumped, restored, file.stat().st_size


def main() -> None:
    """Fill, measure, print."""
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".sandbox-benchmark-") as place:
        folder = Path(place)
        with PostgresServer(folder / "server", settings=["shared_buffers=256MB", "max_wal_size=4GB"]) as server:
            server.create_database("big")
            for statement in FILL.format(rows=int(ROWS_PER_GB * gigabytes)).split(";")[:-1]:
                server.execute(statement, "big")
            size = server.execute("SELECT pg_database_size('big')")[0][0]
            dumped, restored, written = plain(server, folder)
            print(f"database {size / 1e9:.2f} GB")
            print(
                f"{'pg_dump > file':32} dump {dumped:6.1f} s {'':24} restore {restored:6.1f} s {written / 1e6:5.0f} MB"
            )
            for number, options in enumerate(BACKUPS):
                measure(server, folder / f"{number}.dump", options)


def measure(server: PostgresServer, path: Path, options: dict[str, Any]) -> None:
    """One kind of backup, proven by reading, and its restore over the live database."""
    login = server.login("big")
    wall, taken = timed(lambda: call(postgres_backup, **login, path=str(path), proof="read", **options))
    backup = taken["backup"]
    server.execute("UPDATE items SET product = product + 1 WHERE id = 10", "big")
    restored, done = timed(lambda: call(postgres_restore, **login, path=str(path)))
    server.execute(f"DROP DATABASE {done['previous_database']}")
    name = f"{options.get('format', 'custom')}, {options['compression']}"
    proof = backup["proof"]["seconds"]
    print(
        f"{name:32} dump {backup['seconds']:6.1f} s  read {proof:5.1f} s  all {wall:5.1f} s"
        f"  restore {restored:6.1f} s {backup['size'] / 1e6:6.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
