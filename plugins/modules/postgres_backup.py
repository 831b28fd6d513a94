#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a proven backup of a PostgreSQL database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_backup
short_description: Take a proven backup of a PostgreSQL database
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Runs C(pg_dump) into a temporary place beside O(path), makes the archive durable, proves it, and only then renames
    it. A backup that fails leaves the earlier one untouched.
  - Row counts and content checksums of every table are read under the snapshot that C(pg_dump) uses and are kept, with
    the archive's SHA-256, in a manifest beside it, C(<path>.json).
  - Refuses to start when the result would be worthless or impossible, that is with a client older than the server, or
    one of version 17 and newer for a server of 16 and older, too little space, tables the role may not read, row
    security that would hide rows, or a destination that is read-only.
options:
  path:
    description:
      - Name of the backup, a file for O(format=custom) and a directory for O(format=directory).
      - The directory it lies in is made where it is missing, for its owner alone, as the backup is.
    type: path
    required: true
  format:
    description: Archive format of C(pg_dump).
    type: str
    choices: [custom, directory]
    default: custom
  compression:
    description:
      - How the archive is compressed.
      - V(auto) is V(zstd) for O(format=custom) where the C(zstd) program is installed, else V(gzip). For
        O(format=directory) it is V(zstd) from C(pg_dump) 16 on, else V(none), which is the fastest.
      - A custom archive under V(zstd) is compressed as a whole, so it is read with C(zstd -dc PATH | pg_restore).
    type: str
    choices: [auto, none, gzip, zstd]
    default: auto
  compression_level:
    description: Level of the compression, V(1) without. Higher levels cost much time and save little.
    type: int
  jobs:
    description: Parallel jobs of C(pg_dump) for O(format=directory), and threads of the compressor.
    type: int
    default: 2
  release:
    description: The release that is running now, kept in the manifest. A restore for another release is refused.
    type: str
  environment:
    description:
      - The environment the database is in, kept in the manifest. A restore into another one is refused.
      - Only backups of the same environment are removed by O(keep) and O(keep_days).
    type: str
  migration_version:
    description: Version of the schema, kept in the manifest.
    type: str
  force:
    description:
      - Whether to take a new backup although a good one of the same database and O(release) lies at O(path).
      - Without it such a backup is verified and kept, so that a resumed run does not replace the backup taken before
        the first change.
    type: bool
    default: false
  proof:
    description:
      - V(read) decodes the whole archive, as a restore would, and compares its SHA-256.
      - V(restore) loads it into a scratch database on the same server and compares every table with the manifest. It
        needs the right to create databases.
      - V(none) leaves the backup unproven.
    type: str
    choices: [none, read, restore]
    default: read
  proof_budget:
    description:
      - Seconds that a proof by restore may take. If the estimate is longer, or the role may not create databases, the
        backup is proven by reading and the result says so.
      - Without it there is no limit but O(timeout), and a proof by restore is insisted on.
    type: float
  keep:
    description: Backups of this database to keep in the directory of O(path), the new one included.
    type: int
  keep_days:
    description: Remove backups of this database older than so many days from that directory, never the new one.
    type: int
  lock_timeout:
    description: Seconds to wait for a lock before giving up.
    type: float
    default: 30
  timeout:
    description: Seconds that the dump, and then the proof, may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.postgres.database
  - octalume.rollback.postgres
  - octalume.rollback.postgres.programs
  - octalume.rollback.lock
"""

EXAMPLES = r"""
- name: Back the database up before its schema goes down
  octalume.rollback.postgres_backup:
    login_host: db.example.com
    login_user: shop_owner
    login_password: "{{ vault_shop_password }}"
    login_db: shop
    path: /var/backups/shop/1.4.2.dump
    release: 1.4.2
    environment: eu-1
    migration_version: "42"
    proof: restore
    proof_budget: 60
    keep: 5
"""

RETURN = r"""
backup:
  description: The backup at O(path). In check mode without RV(backup.tables), unless there is one already.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is.
      type: str
      returned: always
    size:
      description: Bytes.
      type: int
      returned: when it exists
    sha256:
      description: Of the file; for a directory of the list of its files' sums.
      type: str
      returned: when it exists
    format:
      description: V(custom) or V(directory).
      type: str
      returned: always
    compression:
      description: V(none), V(gzip) or V(zstd).
      type: str
      returned: always
    server_version:
      description: Version of the server.
      type: str
      returned: when it exists
      sample: "15.18"
    client_version:
      description: Version of C(pg_dump).
      type: str
      returned: when it exists
    database:
      description: Name of the database.
      type: str
      returned: always
    release:
      description: The release it belongs to.
      type: str
      returned: always
    environment:
      description: The environment it was taken in. Null where none was named.
      type: str
      returned: always
    migration_version:
      description: Version of the schema in it.
      type: str
      returned: always
    schema_fingerprint:
      description: SHA-256 over one line per schema object; equal for equal schemas, whatever the order of columns.
      type: str
      returned: when it exists
    taken_at:
      description: Start of the snapshot, UTC.
      type: str
      returned: when it exists
      sample: "2026-01-31T12:00:00+00:00"
    seconds:
      description: Time the dump and the counting took.
      type: float
      returned: when it exists
    tables:
      description: Per table (C(schema.table)) its C(rows) and C(checksum).
      type: dict
      returned: when it exists
      sample: {"public.orders": {"rows": 120, "checksum": "5f1d7a84db00d2fc"}}
    proof:
      description: C(level) reached, C(verdict), C(seconds) and a C(note) when it is weaker than asked for.
      type: dict
      returned: when it exists
      sample: {"level": "read", "verdict": "pass", "seconds": 0.4, "note": ""}
pruned:
  description: Backups removed by O(keep) and O(keep_days).
  returned: success
  type: list
  elements: str
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._postgres import archive, backup, plan
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.arguments import (
    connection_from,
    connection_options,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.client import version_at
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import Manifest
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.programs import Programs, find_programs
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **connection_options(),
        "path": {"type": "path", "required": True},
        "format": {"type": "str", "choices": ["custom", "directory"], "default": "custom"},
        "compression": {"type": "str", "choices": ["auto", "none", "gzip", "zstd"], "default": "auto"},
        "compression_level": {"type": "int"},
        "jobs": {"type": "int", "default": 2},
        "release": {"type": "str"},
        "environment": {"type": "str"},
        "migration_version": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "proof": {"type": "str", "choices": ["none", "read", "restore"], "default": "read"},
        "proof_budget": {"type": "float"},
        "keep": {"type": "int"},
        "keep_days": {"type": "int"},
        "lock_timeout": {"type": "float", "default": 30},
        "timeout": {"type": "float", "default": 3600},
        "bin_directory": {"type": "path"},
    },
    "supports_check_mode": True,
}
BELONGS = ("release", "environment", "migration_version")


def wanted(call: Call, programs: Programs) -> backup.Request:
    """The request that the parameters describe."""
    params = call.params
    if params["keep"] is not None and params["keep"] < 1:
        raise RollbackError("keep must be at least 1: the last backup is never removed")
    compression, warning = plan.choose_compression(
        params["compression"], params["format"], programs.version, programs.zstd is not None
    )
    if warning:
        call.warn(warning)
    copied = ("format", "jobs", *BELONGS, "proof", "proof_budget")
    copied += ("lock_timeout", "timeout")
    return backup.Request(
        path=Path(params["path"]).absolute(),
        compression=compression,
        level=params["compression_level"],
        **{name: params[name] for name in copied},
    )


def good_one(call: Call, request: backup.Request) -> Manifest | None:
    """The backup that lies at the path already, if it is whole and the one that is wanted."""
    if not request.path.exists():
        return None
    manifest = archive.read_manifest(request.path)
    plan.refuse_foreign(
        manifest, path=str(request.path), release=request.release, database=call.params["login_db"],
        environment=request.environment,
    )  # fmt: skip
    try:
        archive.verify_bytes(request.path, manifest)
    except RollbackError as damage:
        call.warn(f"{damage.message}; a new backup takes its place")
        return None
    return manifest


def prune(call: Call, request: backup.Request) -> list[str]:
    """Remove what is beyond ``keep`` and ``keep_days``; the paths."""
    limits = (call.params["keep"], call.params["keep_days"])
    if limits == (None, None):
        return []
    kept = backup.existing(request.path.parent, call.params["login_db"], request.environment)
    gone = plan.to_prune(kept, newest=str(request.path), count=limits[0], days=limits[1], now=datetime.now(UTC))
    for path in gone:
        if not call.check_mode:
            call.fence()
            backup.remove(Path(path))
    return gone


def run(call: Call) -> dict[str, Any]:
    """Take the backup unless a good one is there."""
    connection = connection_from(call.params)
    programs = find_programs(call.params["bin_directory"], version_at(connection))
    request = wanted(call, programs)
    path = str(request.path)
    present = None if call.params["force"] else good_one(call, request)
    if present is not None:
        return {"changed": False, "backup": present.summary(path), "pruned": []}
    backup.preflight(connection, request, programs)
    if call.check_mode:
        planned = {name: getattr(request, name) for name in ("format", "compression", *BELONGS)}
        summary = {"path": path, "database": connection.database, **planned}
    else:
        summary = backup.take(connection, request, programs, call.progress, call.fence).summary(path)
    result = {"changed": True, "backup": summary, "pruned": prune(call, request)}
    if call.diff:
        before = f"{path}\n" if request.path.exists() and call.check_mode else ""
        after = f"{path} ({request.format}, {request.compression}) of {connection.database}\n"
        result["diff"] = {"before": before, "after": after, "before_header": "backup", "after_header": "backup"}
    return result


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
