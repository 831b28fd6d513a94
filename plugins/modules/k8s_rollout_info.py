#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout_info
version_added: 0.1.0
short_description: Tell which version of workloads is live and what a rollback would go back to
description:
  - Compares the live pod templates with the release's images and with the previous ones, and finds the revision to go
    back to among the ReplicaSets or ControllerRevisions that the workload owns, by identity and not by number.
  - Names everything that stands in the way of a rollback. Changes nothing.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.kubernetes
  - octalume.rollback.kubernetes.workloads
  - kubernetes.core.k8s_auth_options
options:
  include_template:
    description: Whether to return the live pod templates, for example to record them in a manifest.
    type: bool
    default: false
  argocd_namespace:
    description: Namespace of Argo CD's Applications where the workload does not tell.
    type: str
    default: argocd
"""

EXAMPLES = r"""
- name: See what a rollback would do
  octalume.rollback.k8s_rollout_info:
    workloads:
      - name: api-server
        namespace: production
        containers:
          - name: api
            current: registry.example.com/shop:1.4.2
            previous: registry.example.com/shop:1.4.1
  register: live
"""

RETURN = r"""
workloads:
  description: One entry for each entry of O(workloads), in the same order.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the workload.
      type: str
      returned: always
    name:
      description: Its name.
      type: str
      returned: always
    namespace:
      description: Its namespace.
      type: str
      returned: always
    position:
      description: V(release), V(previous), or V(other) if the live images are neither.
      type: str
      returned: always
    images:
      description: Live image of each container, init containers too.
      type: dict
      returned: always
    replicas:
      description: Wanted number of pods.
      type: int
      returned: always
    recorded_replicas:
      description: The number that a quiesce has written down on the object, or null.
      type: int
      returned: always
    hpa:
      description: Name and bounds (C(min), C(max)) of the HorizontalPodAutoscaler on it, or null.
      type: dict
      returned: always
    paused:
      description: Whether the rollout is paused.
      type: bool
      returned: always
    owner:
      description:
        - The C(tool) that would undo a rollback (Argo CD, Flux, Helm, Config Sync, Rancher, kapp, an image
          trigger of OpenShift, an operator), its C(name), C(advice), and whether
          it is C(suspendable).
      type: dict
      returned: always
    revision:
      description: Number of the live revision.
      type: int
      returned: always
    deployed_at:
      description: When the newest rollout of a Deployment made progress last, its end once it is over; null if unknown.
      type: str
      returned: always
    target:
      description:
        - What a rollback would go back to, with C(revision), C(replica_set), C(images), C(source) and C(ambiguous).
          The source is V(history), an owned revision; V(manifest), the recorded template; or V(live), the live template
          with the previous images, where neither is left.
        - Null where the release is not live or nothing usable is left; C(problems) then tells why.
      type: dict
      returned: always
    ready:
      description: Number of ready pods.
      type: int
      returned: always
    updated:
      description: Number of pods made from the live template.
      type: int
      returned: always
    available:
      description: Number of available pods.
      type: int
      returned: always
    pods:
      description:
        - Pods it owns, with C(name), C(node), C(phase), C(ready), C(image_id) by container, C(deletion_timestamp).
      type: list
      elements: dict
      returned: always
    problems:
      description: What stands in the way of a rollback, in sentences.
      type: list
      elements: str
      returned: always
    refusals:
      description:
        - What M(octalume.rollback.k8s_rollout) would say to refuse a rollback, by its way, C(quiesce) or C(rolling), a
          list of sentences each; a paused rollout and an owner, which options let through, apart.
      type: dict
      returned: always
    template:
      description: The live pod template.
      type: dict
      returned: when O(include_template=true)
  sample:
    - kind: Deployment
      name: api-server
      namespace: production
      position: release
      images: {api: "registry.example.com/shop:1.4.2"}
      replicas: 3
      recorded_replicas: null
      hpa: {name: api-server, min: 2, max: 5}
      paused: false
      owner: null
      revision: 7
      deployed_at: "2026-11-23T17:55:10Z"
      target:
        revision: 6
        replica_set: api-server-77c68df548
        images: {api: "registry.example.com/shop:1.4.1"}
        source: history
        ambiguous: false
      ready: 3
      updated: 3
      available: 3
      pods: []
      problems: []
      refusals: {quiesce: [], rolling: []}
bystanders:
  description:
    - Jobs that run, and CronJobs that may start, with an image of the release, each as a sentence with what to type.
      They are neither stopped nor rolled back, and warned of. Needs the right to list them, and is empty without.
  returned: success
  type: list
  elements: str
  sample: []
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.arguments import WORKLOADS
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.bystanders import bystanders
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.describe import describe
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Workload
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import observe
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "workloads": WORKLOADS,
        "include_template": {"type": "bool", "default": False},
        "argocd_namespace": {"type": "str", "default": "argocd"},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Look at all workloads."""
    params = call.params
    cluster = ApiServer(connect(params, call.warn))
    workloads = [Workload.from_params(entry) for entry in params["workloads"]]
    with ThreadPoolExecutor(max_workers=8) as pool:
        observed = list(pool.map(lambda workload: observe(cluster, workload), workloads))
    others = bystanders(cluster, workloads)
    for text in others:
        call.warn(text)
    return {
        "changed": False,
        "bystanders": others,
        "workloads": [
            describe(one, params["argocd_namespace"], with_template=params["include_template"]) for one in observed
        ],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
