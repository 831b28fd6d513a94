#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell where a database's schema is and which steps lead down to a target."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_info
short_description: Tell where a schema is, the way down to a target and what it would lose
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Asks a migration tool for the schema's version and plans the steps down to O(target), without running any.
  - Finds beforehand what would stop the way down, that is the wrong direction, an unknown target, a missing, empty or
    irreversible step, a schema that is marked dirty, and branches.
  - With O(login_db) it counts in the live database what the steps would lose, and names sessions that hold locks.
options:
  target:
    description: Version to go down to. Without it only the current version is told.
    type: str
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.migration
  - octalume.rollback.postgres
"""

EXAMPLES = r"""
- name: Look at the way down
  octalume.rollback.migration_info:
    tool: command
    command: [./migrate.sh]
    chdir: /srv/shop
    env_name: production
    down_scripts: migrations/*.down.sql
    login_host: db.example.com
    login_user: shop_owner
    login_password: "{{ vault_shop_password }}"
    login_db: shop
    target: "41"
  register: migration

- name: Where is the schema, by Alembic
  octalume.rollback.migration_info:
    tool: alembic
    command: [/srv/shop/.venv/bin/alembic]
    chdir: /srv/shop
"""

RETURN = r"""
current:
  description: The schema's version. Without any migration V(0), for Alembic V(base) and for Django V(zero).
  returned: success
  type: str
  sample: "42"
target:
  description: The version O(target) means, as the tool writes it; RV(current) without O(target).
  returned: success
  type: str
  sample: "41"
direction:
  description: V(down), V(none) if it is there already, V(up) or V(unknown).
  returned: success
  type: str
steps:
  description: The steps to run, newest first, each with C(version) (what is undone), C(to) (where that leads) and
    C(name), which tells the migrations of other applications that O(tool=django) undoes with it.
  returned: success
  type: list
  elements: dict
  sample: [{"version": "42", "to": "41", "name": "loyalty"}]
dirty:
  description: Whether the tool says that a migration broke off half-way.
  returned: success
  type: bool
problems:
  description: Why the way down cannot be gone; empty if it can.
  returned: success
  type: list
  elements: str
loss:
  description:
    - What the steps lose, counted in the live database from the SQL of the steps. Null without O(login_db), or when
      there is no step.
    - RV(loss.rows) counts rows of dropped and emptied tables and values of dropped columns. RV(loss.unseen) names steps
      and statements nothing can be said about.
  returned: success
  type: dict
  contains:
    rows:
      description: Rows and values in all.
      type: int
      returned: always
    items:
      description: Per table or column C(step), C(kind), C(table), C(column), C(rows) and C(exact).
      type: list
      elements: dict
      returned: always
      sample:
        - {"step": "42", "kind": "column", "table": "public.users", "column": "tier", "rows": 17, "exact": true}
    unseen:
      description: Steps and statements nothing can be said about.
      type: list
      elements: str
      returned: always
schema_fingerprint:
  description: SHA-256 over one line per schema object of the live database. Null without O(login_db).
  returned: success
  type: str
blockers:
  description: Sessions that hold locks on tables of the database now, with C(pid), C(user), C(query) and more.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._migrations.arguments import (
    MIGRATION,
    optional_connection,
    place_from,
    tool_from,
)
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.migrator import Migrator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {**MIGRATION, "target": {"type": "str"}},
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Observe and tell."""
    params = call.params
    migrator = Migrator(
        params["tool"], tool_from(call), optional_connection(params), progress=call.progress, place=place_from(call)
    )
    migrator.settle(take=False)
    seen = migrator.observe(params["target"])
    return {
        "changed": False,
        "current": seen.status.current,
        "target": seen.plan.target,
        "direction": seen.plan.direction,
        "steps": [step.as_dict() for step in seen.plan.steps],
        "dirty": seen.status.dirty,
        "problems": list(seen.plan.problems),
        "loss": seen.preview.as_dict() if seen.preview else None,
        "schema_fingerprint": migrator.fingerprint(),
        "blockers": [blocker.__dict__ for blocker in migrator.blockers()],
    }


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
