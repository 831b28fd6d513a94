# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups onto a disk that has no room, that others fill meanwhile, and that has room again.

``unshare -rm python -m tests.chaos.full_disk PARAMS``: the disk is a tmpfs that only this process sees. Prints what
came of the three backups, and what lay on the disk after each.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup

from tests.chaos.matrix import ask
from tests.sandbox.process import wait_until

OTHERS = "others"


def attempt(params: dict[str, Any]) -> list[Any]:
    """What came of one backup, and the files that are there afterwards."""
    try:
        ask(postgres_backup, params)
        came = "success"
    except RollbackError as error:
        came = f"error: {error.message}"
    return [came, sorted(path.name for path in Path(params["path"]).parent.iterdir() if path.name != OTHERS)]


def main() -> None:
    """Back up three times."""
    params = json.loads(sys.argv[1])
    place = Path(params["path"]).parent

    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", place], check=True)
    told = [attempt(params)]
    subprocess.run(["mount", "-o", "remount,size=32m", place], check=True)
    login = {"user": params["login_user"], "password": params["login_password"], "dbname": params["login_db"]}
    owner = psycopg2.connect(host=params["login_host"], port=params["login_port"], **login)
    with owner, owner.cursor() as cursor:  # which takes a while to dump
        cursor.execute("CREATE TABLE bulky AS SELECT md5(random()::text) FROM generate_series(1, 300000)")
    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(attempt, params)
        wait_until(lambda: any(place.iterdir()), 60, "the file of pg_dump")
        with contextlib.suppress(OSError), (place / OTHERS).open("wb", buffering=0) as others:
            while True:
                others.write(bytes(4096))
        told.append(filled.result())
    (place / OTHERS).unlink()
    with owner, owner.cursor() as cursor:
        cursor.execute("DROP TABLE bulky")
    owner.close()
    told.append(attempt(params))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
