#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_permissions_info
version_added: 0.1.0
short_description: Name every right that a rollback would miss in the cluster
description:
  - Draws from the manifest, and from where lock, run record and maintenance mode are, every right that the rollback of
    a release takes, and asks the API server for each (C(SelfSubjectAccessReview)).
  - Changes nothing. A login without a single right in the namespaces may ask too.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.kubernetes
  - kubernetes.core.k8s_auth_options
options:
  manifest:
    description: The manifest, as M(octalume.rollback.release_manifest_info) returns it.
    type: dict
    required: true
  record_namespace:
    description: Namespace of the run records. Leave it out where they are files.
    type: str
  lease:
    description: The Lease that is the lock of M(octalume.rollback.rollback_lock).
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
  maintenance:
    description: >-
      How maintenance mode is switched, as M(octalume.rollback.k8s_maintenance) takes it. Of O(maintenance.service) and
      O(maintenance.config_map) the C(name) and C(namespace) are looked at.
    type: dict
    default: {}
    suboptions:
      service:
        description: A Service.
        type: dict
      config_map:
        description: A ConfigMap.
        type: dict
  owner_policy:
    description: >-
      With V(suspend) the rights to suspend the Argo CD or Flux objects that own the workloads, and KEDA's, are asked
      for.
    type: str
    choices: [refuse, ignore, suspend]
    default: refuse
  argocd_namespace:
    description: Namespace of Argo CD's Applications where a workload does not tell.
    type: str
    default: argocd
seealso:
  - module: octalume.rollback.k8s_rollout
"""

EXAMPLES = r"""
- name: Ask what this login may do
  octalume.rollback.k8s_permissions_info:
    manifest: "{{ release.manifest }}"
    record_namespace: production
    lease:
      name: rollback-shop
      namespace: production
  register: permissions
  failed_when: permissions.missing | length > 0
"""

RETURN = r"""
missing:
  description: Rights that are missing, one entry each, as C(kubectl auth can-i) takes them.
  returned: success
  type: list
  elements: str
  sample: [patch deployments.apps -n production, get pods --subresource=log -n production]
problems:
  description: The same with one sentence for each resource, and what it would be needed for.
  returned: success
  type: list
  elements: str
  sample: ["create, patch leases.coordination.k8s.io in production (the lock)"]
blind:
  description: Whether not even looking at the release is allowed.
  returned: success
  type: bool
  sample: false
asked:
  description: Every right that a rollback of this release takes.
  returned: success
  type: list
  elements: str
  sample: [get deployments.apps -n production]
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes import permissions
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.demand import Demand
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

PLACE = {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "manifest": {"type": "dict", "required": True},
        "record_namespace": {"type": "str"},
        "lease": {"type": "dict", "options": PLACE},
        "maintenance": {
            "type": "dict",
            "default": {},
            "options": {"service": {"type": "dict"}, "config_map": {"type": "dict"}},
        },
        "owner_policy": {"type": "str", "choices": ["refuse", "ignore", "suspend"], "default": "refuse"},
        "argocd_namespace": {"type": "str", "default": "argocd"},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Ask for every right."""
    cluster = ApiServer(connect(call.params, call.warn))
    wanted = Demand(cluster, call.params).rights()
    lacking = permissions.missing(cluster, wanted)
    return {
        "changed": False,
        "missing": [str(right) for right in lacking],
        "problems": list(permissions.sentences(lacking)),
        "blind": any(right.purpose == permissions.LOOK for right in lacking),
        "asked": [str(right) for right in sorted(wanted)],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
