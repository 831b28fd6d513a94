#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_plan_info
version_added: 0.1.0
short_description: Say what is left to do to undo a release
description:
  - Compares the manifest of a release with what was observed of applications, databases and configurations, and
    returns the steps that are left, the strategy and every reason why the release cannot be undone.
  - Asks no server; it judges what the C(_info) modules found.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  manifest:
    description: The manifest, as M(octalume.rollback.release_manifest_info) returns it.
    type: dict
    required: true
  applications:
    description: RV(octalume.rollback.k8s_rollout_info#module:workloads) of the manifest's applications.
    type: list
    elements: dict
    default: []
  databases:
    description: >-
      One mapping for each database of the manifest: its C(name), and C(current) and C(problems) as
      M(octalume.rollback.migration_info) returns them.
    type: list
    elements: dict
    default: []
  configurations:
    description: RV(octalume.rollback.vault_kv2_rollback_info#module:secrets) of the manifest's configurations.
    type: list
    elements: dict
    default: []
  cluster_configurations:
    description: >-
      RV(octalume.rollback.k8s_configuration_info#module:configurations) of the manifest's C(cluster_configurations).
    type: list
    elements: dict
    default: []
  resume_paused:
    description: Whether paused rollouts will be resumed. They are a problem otherwise.
    type: bool
    default: false
  owner_policy:
    description:
      - What will be done about workloads that Argo CD, Flux, Helm or an operator manages, as
        M(octalume.rollback.k8s_rollout) takes it. They are a problem with V(refuse), and with V(suspend) where the
        owner cannot be suspended.
    type: str
    choices: [refuse, ignore, suspend]
    default: refuse
"""

EXAMPLES = r"""
- name: What is left to do
  octalume.rollback.rollback_plan_info:
    manifest: "{{ release.manifest }}"
    applications: "{{ workloads.workloads }}"
    configurations: "{{ secrets.secrets }}"
  register: left
"""

RETURN = r"""
pending:
  description: Whether anything is left to do.
  returned: success
  type: bool
  sample: true
steps:
  description: What is left to do, in no particular order.
  returned: success
  type: list
  elements: dict
  contains:
    component:
      description: V(application), V(database) or V(configuration).
      type: str
      sample: database
    name:
      description: Which one.
      type: str
      sample: shop
    from:
      description: How it is now.
      type: str
      sample: migration 42
    to:
      description: How it is going to be.
      type: str
      sample: migration 41
strategy:
  description: V(quiesce) to stop every pod first, V(rolling) to replace them one by one, V(none) when nothing is left.
  returned: success
  type: str
  sample: quiesce
reason:
  description: Why that strategy.
  returned: success
  type: str
  sample: a breaking down-migration is left, so no code may run while the schema changes
problems:
  description: Why the release cannot be undone as planned; empty when it can.
  returned: success
  type: list
  elements: str
  sample: []
drift:
  description:
    - What has changed since the release was recorded, one entry for each thing that is neither as the release had it
      nor as a rollback makes it, with C(component), C(name), C(what), how it was C(recorded) and is C(live), and all of
      it as a sentence in C(message).
    - Not every drift stands in the way; what does is in RV(problems) too.
  returned: success
  type: list
  elements: dict
  sample:
    - component: application
      name: deployment/api-server
      what: replicas
      recorded: "3"
      live: "5"
      message: "application deployment/api-server: replicas is 5, and was 3 when the release was recorded"
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release import drift, rollout

OBSERVED = {"type": "list", "elements": "dict", "default": []}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "manifest": {"type": "dict", "required": True},
        "applications": OBSERVED,
        "databases": OBSERVED,
        "configurations": OBSERVED,
        "cluster_configurations": OBSERVED,
        "resume_paused": {"type": "bool", "default": False},
        "owner_policy": {"type": "str", "choices": ["refuse", "ignore", "suspend"], "default": "refuse"},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Judge what was observed."""
    manifest, applications, databases, configurations, cluster_configurations = (
        call.params[kind]
        for kind in ("manifest", "applications", "databases", "configurations", "cluster_configurations")
    )
    wanted = manifest["databases"]
    schema_steps = rollout.databases_left(databases, wanted)
    steps = [
        *rollout.applications_left(applications),
        *schema_steps,
        *rollout.configurations_left(configurations),
        *rollout.cluster_configurations_left(cluster_configurations),
    ]
    leave = rollout.Leave(call.params["resume_paused"], call.params["owner_policy"])
    strategy = rollout.strategy(schema_steps, wanted, steps)
    return {
        "changed": False,
        "pending": bool(steps),
        "steps": steps,
        "strategy": strategy,
        "reason": rollout.WHY[strategy],
        "problems": [
            *rollout.problems(applications, databases, wanted, configurations, leave),
            *(text for item in cluster_configurations for text in item["problems"]),
        ],
        "drift": drift.drift(manifest, applications, databases, configurations, cluster_configurations),
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
