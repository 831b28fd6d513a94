#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take a database's schema down to an earlier version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_downgrade
short_description: Take a schema down to an earlier version
version_added: 0.1.0
author: The octalume.rollback authors (@octalume)
description:
  - Plans the steps from the schema's version down to O(target), runs them with a migration tool, one after the other,
    and asks the tool again afterwards.
  - Before the first statement it refuses the wrong direction, an unknown target, a missing, empty or irreversible
    step, a schema that is marked dirty, branches, a loss beyond O(max_loss) and, with O(login_db), locks that others
    hold.
  - If a step fails, the error tells where the schema is; running it again goes on from there.
options:
  target:
    description: Version to go down to.
    type: str
    required: true
  lock_timeout:
    description:
      - Seconds to wait for locks, first for the sessions that hold any now, then in each statement of the tool.
      - Reaches tools that are built on libpq or read C(PGOPTIONS).
    type: float
    default: 10
  statement_timeout:
    description: Seconds that one statement of the tool may take. V(0) for no limit.
    type: float
    default: 300
  timeout:
    description: Seconds that all steps together may take.
    type: float
    default: 600
  terminate_blockers:
    description: Whether to end the sessions that still hold locks after O(lock_timeout).
    type: bool
    default: false
  max_loss:
    description:
      - Rows and values that may be lost, see RV(loss). Beyond it nothing is run.
      - Steps whose loss cannot be seen count as beyond it. Needs O(login_db).
    type: int
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.migration
  - octalume.rollback.postgres
  - octalume.rollback.lock
"""

EXAMPLES = r"""
- name: Take the schema down to where the previous release needs it
  octalume.rollback.migration_downgrade:
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
    lock_timeout: 10
    max_loss: 1000
"""

RETURN = r"""
from:
  description: The version before.
  returned: always
  type: str
  sample: "42"
to:
  description: The version after; in check mode the one it would be.
  returned: success
  type: str
  sample: "41"
steps:
  description:
    - The steps that were run (in check mode, that would be), newest first, each with C(version), C(to), C(name) and
      C(seconds).
  returned: always
  type: list
  elements: dict
  sample: [{"version": "42", "to": "41", "name": "loyalty", "seconds": 0.41}]
seconds:
  description: Time the steps took.
  returned: success
  type: float
output:
  description: What the tool printed.
  returned: always
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
terminated:
  description: Sessions that were ended by O(terminate_blockers), with C(pid), C(user), C(query) and more.
  returned: success
  type: list
  elements: dict
at:
  description: Where the schema is after a step failed.
  returned: failure
  type: str
problems:
  description: Why the way down was refused.
  returned: failure
  type: list
  elements: str
blockers:
  description: Sessions whose locks stood in the way.
  returned: failure
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
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.migrator import (
    Limits,
    Migrator,
    Observation,
)
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.model import Preview
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **MIGRATION,
        "target": {"type": "str", "required": True},
        "lock_timeout": {"type": "float", "default": 10},
        "statement_timeout": {"type": "float", "default": 300},
        "timeout": {"type": "float", "default": 600},
        "terminate_blockers": {"type": "bool", "default": False},
        "max_loss": {"type": "int"},
    },
    "supports_check_mode": True,
    "required_by": {"max_loss": ["login_db"]},
}


def refuse_loss(preview: Preview | None, limit: int | None) -> None:
    """Raise if more would be lost than ``limit`` rows, or if nobody can tell."""
    if preview is None or limit is None:
        return
    told = preview.as_dict()
    if preview.unseen:
        raise RollbackError(
            f"max_loss is {limit}, but what would be lost cannot be seen: {'; '.join(preview.unseen)}."
            " Name the scripts by down_scripts, or decide without max_loss",
            loss=told,
        )
    if preview.rows > limit:
        items = (f"{loss.rows} in {loss.table}{'.' * bool(loss.column)}{loss.column}" for loss in preview.losses)
        raise RollbackError(
            f"going down would lose {preview.rows} rows, max_loss is {limit}: {', '.join(items)}."
            " Raise max_loss if they may go",
            loss=told,
        )


def foreseen(seen: Observation, left: list[str]) -> dict[str, Any]:
    """The result if all goes as planned; ``left``: what an earlier run had still to say."""
    plan = seen.plan
    return {
        "changed": bool(plan.steps),
        "from": plan.current,
        "to": plan.target,
        "steps": [step.as_dict() for step in plan.steps],
        "seconds": 0.0,
        "output": left,
        "loss": seen.preview.as_dict() if seen.preview else None,
        "terminated": [],
    }


def run(call: Call) -> dict[str, Any]:
    """Plan, refuse or go down."""
    params = call.params
    migrator = Migrator(
        params["tool"],
        tool_from(call),
        optional_connection(params),
        limits=Limits(params["lock_timeout"], params["statement_timeout"], params["timeout"]),
        progress=call.progress,
        place=place_from(call),
        fence=call.fence,
    )
    left = migrator.settle(take=not call.check_mode)
    seen = migrator.observe(params["target"])
    plan = seen.plan
    if plan.problems:
        raise RollbackError(
            f"the schema cannot go down from {plan.current} to {plan.target}: {'; '.join(plan.problems)}",
            problems=list(plan.problems),
            **{"from": plan.current},
        )
    refuse_loss(seen.preview, params["max_loss"])
    result = foreseen(seen, left)
    if call.diff:
        result["diff"] = {"before": f"version: {plan.current}\n", "after": f"version: {plan.target}\n"}
    if not plan.steps or call.check_mode:
        return result
    ended = migrator.clear_the_way(params["terminate_blockers"])
    done = migrator.descend(plan)
    seconds = round(sum(step["seconds"] for step in done.steps), 3)
    terminated = [blocker.__dict__ for blocker in ended]
    return {**result, "steps": done.steps, "seconds": seconds, "output": left + done.output, "terminated": terminated}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
