#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_restore_point_info
version_added: 0.1.0
short_description: Tell what a later rollback has to know of workloads
description:
  - Looks at workloads for M(octalume.rollback.release_manifest) to record; everything about them but their names is
    found out, from images with the digests that the pods report to the ConfigMaps and Secrets that the pod template
    names.
  - The values of Secrets are returned encrypted by Ansible Vault, or not at all.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.kubernetes
  - octalume.rollback.configuration
  - kubernetes.core.k8s_auth_options
options:
  workloads:
    description: The workloads of the release. All are looked at at the same time.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
  elsewhere:
    description: Names of Secrets that are recorded elsewhere, because they are copies of what Vault holds.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See what is live
  octalume.rollback.k8s_restore_point_info:
    workloads:
      - name: api-server
        namespace: production
    elsewhere: [app-config]
    vault_password_file: ~/.rollback-password
  register: live
"""

RETURN = r"""
workloads:
  description: One entry for each entry of O(workloads), in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the workload.
      type: str
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    images:
      description: Image of each container as the pod template has it, init containers too.
      type: dict
      sample: {api: "registry.example.com/shop:1.4.2"}
    containers:
      description: The same with the digest that the pods report, where all report the same.
      type: dict
      sample:
        api: shop:1.4.2@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    image_ids:
      description: What the pods report, by container.
      type: dict
    replicas:
      description: Wanted number of pods.
      type: int
      sample: 3
    revision:
      description: Number of the live revision.
      type: int
      sample: 7
    preceding:
      description: Images of the newest remembered revision with other images, or null.
      type: dict
      sample: {api: "registry.example.com/shop:1.4.1"}
    autoscaler:
      description: Name and bounds (C(min), C(max)) of its HorizontalPodAutoscaler, or null.
      type: dict
    disruption_budget:
      description: Name and bounds (C(min_available), C(max_unavailable)) of its PodDisruptionBudget, or null.
      type: dict
    template:
      description: The pod template, without marks of restarts; null if a variable in it may hold a secret.
      type: dict
    secrets:
      description: Names of all Secrets it uses.
      type: list
      elements: str
cluster_configurations:
  description:
    - The ConfigMaps and Secrets that the workloads use, as
      O(octalume.rollback.k8s_configuration#module:configurations) has them.
  returned: success
  type: list
  elements: dict
notes:
  description: What could not be recorded, and why.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._configuration.arguments import VAULT_PASSWORD
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.encryption import Safe
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.recording import Recorder
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import COLLECTIONS, Workload
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "workloads": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "kind": {"type": "str", "choices": list(COLLECTIONS), "default": "Deployment"},
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
            },
        },
        "elsewhere": {"type": "list", "elements": "str", "default": []},
        **VAULT_PASSWORD,
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Look at all workloads."""
    params = call.params
    safe = Safe.opened(params["vault_password_file"], params["vault_id"])
    recorder = Recorder(ApiServer(connect(params, call.warn)), safe, params["elsewhere"])
    workloads = [Workload(entry["kind"], entry["name"], entry["namespace"], ()) for entry in params["workloads"]]
    found = recorder.record(workloads)
    return {"changed": False, **found, "notes": sorted(recorder.notes)}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
