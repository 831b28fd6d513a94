#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rehearse a way down on a scratch copy of the database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_rehearse
short_description: Rehearse a way down on a scratch copy of the database
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Restores a backup of M(octalume.rollback.postgres_backup) into a scratch database on the same server, takes its
    schema down to O(target) with the migration tool, and tells how long it took, which rows, columns and objects it
    cost, and whether the schema is then the one of the previous release. The scratch database is dropped at the end.
  - Proves the backup on the way, since the copy is compared with the backup's manifest first.
  - Makes sure that the tool goes to the copy before it runs a step, by asking it for the version while nobody may
    connect to the copy. A tool that answers all the same is refused, because it would go down on the live database.
options:
  path:
    description: The backup; its manifest C(<path>.json) lies beside it.
    type: path
    required: true
  release:
    description: The release the backup must belong to.
    type: str
  target:
    description: Version to go down to.
    type: str
    required: true
  schema_fingerprint:
    description: The fingerprint the schema had in the previous release. Without it the schema is not judged.
    type: str
  compare_rows:
    description:
      - Whether every surviving row of the copy has to be as in the backup afterwards, but for O(ignore_tables), as
        M(octalume.rollback.postgres_validate_info) will have it of the live database.
      - The script of that module is not run, since nobody can tell whether it would go to the copy.
    type: bool
    default: true
  budget:
    description:
      - Seconds the restore may take, as estimated from the time of the backup. If the estimate is longer, nothing is
        done and RV(verdict) is V(inconclusive), as it is where the role may not create databases or the tool does not
        go to the copy. Without it there is no limit but O(timeout), and the rehearsal is insisted on.
    type: float
  jobs:
    description: Parallel jobs of C(pg_restore).
    type: int
    default: 2
  timeout:
    description: Seconds the restore, and then the steps, may take.
    type: float
    default: 3600
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.postgres.database
  - octalume.rollback.migration
  - octalume.rollback.postgres
  - octalume.rollback.postgres.checks
  - octalume.rollback.postgres.programs
  - octalume.rollback.lock
attributes:
  idempotent:
    support: full
    description: Leaves nothing behind, so it never reports a change.
"""

EXAMPLES = r"""
- name: What would going down cost
  octalume.rollback.migration_rehearse:
    path: /var/backups/shop/1.4.2.dump
    release: 1.4.2
    command: [./migrate.sh]
    chdir: /srv/shop
    env_name: production
    login_host: db.example.com
    login_user: postgres
    login_password: "{{ vault_postgres_password }}"
    login_db: shop
    target: "41"
    budget: 60
"""

RETURN = r"""
verdict:
  description:
    - V(pass) if the steps ran, the schema is O(schema_fingerprint), where that is given, and the data are as
      O(compare_rows) and O(assertions) demand. V(fail) if not, see RV(note). V(inconclusive) if the restore does not
      fit O(budget), and in check mode.
    - A step that fails fails the task.
  returned: success
  type: str
note:
  description: Why the verdict is not V(pass).
  returned: success
  type: str
from:
  description: The version before, in the copy.
  returned: when it was rehearsed
  type: str
to:
  description: The version after, in the copy.
  returned: when it was rehearsed
  type: str
steps:
  description: The steps, newest first, each with C(version), C(to), C(name) and C(seconds).
  returned: when it was rehearsed
  type: list
  elements: dict
locks:
  description:
    - The longest time in seconds for which each table was locked against readers and writers.
    - Looked at 50 times a second, so a shorter lock may be missing.
  returned: when it was rehearsed
  type: list
  elements: dict
  sample: [{"table": "public.orders", "seconds": 0.38}]
loss:
  description: What was lost, counted before and after, like RV(octalume.rollback.migration_info#module:loss).
  returned: when it was rehearsed
  type: dict
columns_renamed:
  description: Columns that only have another name now.
  returned: when it was rehearsed
  type: dict
objects_gone:
  description: Objects of the schema before that are not in it after.
  returned: when it was rehearsed
  type: list
  elements: str
  sample: ["column public.orders.loyalty_points integer not null default 0"]
objects_new:
  description: Objects of the schema after that were not in it before.
  returned: when it was rehearsed
  type: list
  elements: str
schema_fingerprint:
  description: Fingerprint of the schema after.
  returned: when it was rehearsed
  type: str
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._migrations.arguments import (
    MIGRATION,
    place_from,
    tool_from,
)
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.migrator import Limits, Migrator
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.rehearsal import (
    CannotRehearse,
    Demands,
    Rehearsal,
    on_copy,
    rehearse,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.arguments import (
    CHECKS,
    connection_from,
    connection_options,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.evaluate import Check
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import Manifest
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.plan import proof_level
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.restore import (
    Request,
    fitting_programs,
    inspect,
)
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.scratch import (
    MayNotCreate,
    demand_equal,
    scratch_copy,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **MIGRATION,
        **connection_options(),
        "path": {"type": "path", "required": True},
        "release": {"type": "str"},
        "target": {"type": "str", "required": True},
        "schema_fingerprint": {"type": "str"},
        "compare_rows": {"type": "bool", "default": True},
        **CHECKS,
        "budget": {"type": "float"},
        "jobs": {"type": "int", "default": 2},
        "timeout": {"type": "float", "default": 3600},
        "bin_directory": {"type": "path"},
    },
    "supports_check_mode": True,
}


def words(check: Check) -> str:
    """What the check of the live database would stop at."""
    if check.name == "schema":
        return f"the schema after is not the expected one ({check.expected})"
    return f"{check.name}: {check.message or f'expected {check.expected}, found {check.found}'}"


def told(done: Rehearsal) -> dict[str, Any]:
    """The result of a rehearsal that ran to its end."""
    return {
        "changed": False,
        "verdict": "fail" if done.doubts else "pass",
        "note": "; ".join(map(words, done.doubts)),
        "from": done.plan.current,
        "to": done.plan.target,
        "steps": done.descent.steps,
        "loss": done.preview.as_dict(),
        "columns_renamed": dict(done.renamed),
        "objects_gone": list(done.gone),
        "objects_new": list(done.new),
        "schema_fingerprint": done.schema_fingerprint,
        "locks": [{"table": table, "seconds": seconds} for table, seconds in sorted(done.locked.items())],
    }


def not_rehearsed(why: str) -> dict[str, Any]:
    """The result where nothing was tried."""
    return {"changed": False, "verdict": "inconclusive", "note": f"not rehearsed: {why}"}


def demands_of(params: Mapping[str, Any], manifest: Manifest) -> Demands:
    """What the parameters say of the data afterwards."""
    return Demands(
        manifest.tables if params["compare_rows"] else {},
        params["ignore_tables"],
        params["assertions"],
        params["schema_fingerprint"],
    )


def run(call: Call) -> dict[str, Any]:
    """Restore a copy, go down on it, drop it."""
    params = call.params
    connection = connection_from(params)
    tool = tool_from(call)
    request = Request(Path(params["path"]).absolute(), params["release"], params["jobs"], False, params["timeout"])
    manifest = inspect(connection, request)
    level, _unused = proof_level("restore", params["budget"], manifest.seconds)
    if level != "restore" or call.check_mode:
        too_long = f"a restore does not fit the budget of {params['budget'] or 0:g} s"
        return not_rehearsed("check mode" if call.check_mode else too_long)
    call.fence()
    programs = fitting_programs(connection, manifest, params["bin_directory"])
    timeout, jobs = params["timeout"], params["jobs"]
    try:
        with scratch_copy(connection, request.path, manifest, programs, jobs=jobs, timeout=timeout) as copy:
            demand_equal(copy, manifest, timeout)
            aimed = on_copy(tool, copy)
            migrator = Migrator(params["tool"], aimed, copy, limits=Limits(tool=timeout), place=place_from(call))
            done = rehearse(migrator, copy, params["target"], demands_of(params, manifest))
    except (MayNotCreate, CannotRehearse) as error:
        if params["budget"] is None:
            raise
        return not_rehearsed(error.message)
    return told(done)


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
