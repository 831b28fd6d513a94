#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a PostgreSQL database back from a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_restore
short_description: Bring a PostgreSQL database back from a backup
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Loads a backup of M(octalume.rollback.postgres_backup) into a new database, compares every table with the
    manifest, and only then swaps it in by renaming both in one transaction. The old database is kept under another
    name.
  - C(pg_restore) ends at its first error. Whatever fails before the swap leaves the live database as it is.
  - Refuses a backup that is missing, empty, truncated, changed in any byte, of another database or of another release.
  - Owner, grants, settings and connection limit of the old database are given to the new one.
  - If the live database already holds exactly what the backup does, nothing is changed.
options:
  path:
    description: The backup; its manifest C(<path>.json) lies beside it.
    type: path
    required: true
  release:
    description: The release the backup must belong to.
    type: str
  environment:
    description:
      - The environment the backup must have been taken in. Name another one than that of the database to bring its data
        here.
      - A backup that was taken without O(octalume.rollback.postgres_backup#module:environment) is not refused.
    type: str
  terminate_sessions:
    description: Whether to end the sessions of a database that is in use. Without it such a database is refused.
    type: bool
    default: false
  jobs:
    description:
      - Parallel jobs of C(pg_restore). With more than one a backup under zstd is unpacked beside itself for the time of
        the restore, if ten times its size is free there.
    type: int
    default: 2
  timeout:
    description: Seconds the restore may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.postgres.database
  - octalume.rollback.postgres
  - octalume.rollback.postgres.programs
  - octalume.rollback.lock
notes:
  - O(login_db) is the database to bring back. Creating and renaming it needs C(CREATEDB) and its ownership, and
    the right to connect to O(maintenance_db).
"""

EXAMPLES = r"""
- name: Back to how it was before the rollback
  octalume.rollback.postgres_restore:
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    login_db: shop
    path: /var/backups/shop/1.4.2.dump
    release: 1.4.2
    environment: eu-1
"""

RETURN = r"""
database:
  description: Name of the database.
  returned: success
  type: str
equal:
  description: Whether the database held exactly what the backup does, so that there was nothing to bring back.
  returned: success
  type: bool
previous_database:
  description: The old database's name now. Null if there was none or nothing was changed.
  returned: success
  type: str
  sample: shop_before_20260131_120000
seconds:
  description: Time the restore took.
  returned: success
  type: float
backup:
  description: What the manifest says of the backup, as RV(octalume.rollback.postgres_backup#module:backup).
  returned: success
  type: dict
missing_roles:
  description: Roles the backup needs and the server does not have.
  returned: failure
  type: list
  elements: str
missing_extensions:
  description: Extensions the backup needs and the server does not have.
  returned: failure
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._postgres import restore
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.arguments import (
    connection_from,
    connection_options,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **connection_options(),
        "path": {"type": "path", "required": True},
        "release": {"type": "str"},
        "environment": {"type": "str"},
        "terminate_sessions": {"type": "bool", "default": False},
        "jobs": {"type": "int", "default": 2},
        "timeout": {"type": "float", "default": 3600},
        "bin_directory": {"type": "path"},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Check the backup, and restore it unless its contents are there already."""
    params = call.params
    connection = connection_from(params)
    request = restore.Request(
        path=Path(params["path"]).absolute(),
        release=params["release"],
        jobs=params["jobs"],
        terminate=params["terminate_sessions"],
        timeout=params["timeout"],
        environment=params["environment"],
    )
    manifest = restore.inspect(connection, request)
    there = restore.exists(connection)
    same = there and restore.is_as_recorded(connection, manifest, request.timeout)
    result: dict[str, Any] = {
        "changed": not same,
        "equal": same,
        "database": connection.database,
        "previous_database": None,
        "seconds": 0.0,
        "backup": manifest.summary(str(request.path)),
    }
    if same:
        return result
    programs = restore.fitting_programs(connection, manifest, params["bin_directory"])
    restore.refuse_missing(connection, manifest)
    if there and not request.terminate:
        restore.refuse_sessions(connection)
    if call.diff:
        before = f"{connection.database}, kept as {connection.database}_before_...\n" if there else ""
        result["diff"] = {"before": before, "after": f"{connection.database} from {request.path}\n"}
    if not call.check_mode:
        done = restore.restore(connection, manifest, request, programs, call.progress, call.fence)
        result.update(previous_database=done.previous, seconds=done.seconds)
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
