#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_rollout
version_added: 0.1.0
short_description: Quiesce, roll back, restore or restart workloads, and prove that the right pods serve
description:
  - Works on all workloads of a release at the same time. Everything is looked at first, and one refusal refuses all of
    it before anything is touched.
  - Each change is one write that the API server refuses if anyone else has written since the object was read. Killed
    at any moment and run again, it ends with the right images and the right number of pods.
  - Success is judged by counts (pods updated, ready and available as wanted, none of another version left), held for
    O(soak) seconds, and never by a condition alone.
  - Fails within seconds where a rollout cannot succeed (an image that does not exist, C(CreateContainerConfigError), a
    full quota), and as soon as it is certain otherwise (C(CrashLoopBackOff), O(unschedulable) pods), naming pod,
    container, reason and the last lines of the log.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.kubernetes
  - octalume.rollback.kubernetes.workloads
  - kubernetes.core.k8s_auth_options
  - octalume.rollback.lock
attributes:
  check_mode:
    details: The server judges each change by a dry run. Nothing is waited for.
  idempotent:
    details: With O(state=restarted) only where O(restart_id) is given.
options:
  state:
    description:
      - V(quiesced) writes the number of replicas and the autoscaler's bounds down on the object, scales to zero in the
        same write, and waits until no pod is left. A DaemonSet gets a node selector that no node has. A workload that
        runs the previous version already is left alone. Before anything is written, the server judges what will go back
        by a dry run, so a policy that would refuse the previous version is told while the release still serves.
      - V(rolled_back) puts back the pod template of the newest owned revision with the previous images, and the number
        of replicas, in one write. Where the previous version is live already, only the number of replicas is looked
        after. Where neither version is live, it refuses.
      - V(restored) brings back the number of replicas that a quiesce has written down, whatever version is live.
      - V(restarted) replaces all pods by new ones of the same template. A workload without pods is left alone.
    type: str
    required: true
    choices: [quiesced, rolled_back, restored, restarted]
  replicas:
    description:
      - Number of replicas to return to, by C(name) or C(namespace/name), where it is known better than the object
        knows it. Otherwise it is the larger of the recorded and the live number. In both cases the autoscaler's bounds
        are kept.
    type: dict
    default: {}
  timeout:
    description: Seconds after which a workload that is not done is an error.
    type: int
    default: 600
  soak:
    description: Seconds for which all counts must stay as wanted, without a container restarting.
    type: int
    default: 10
  unschedulable:
    description:
      - Seconds for which a pod may wait for a node with room, in any case at most O(timeout). A cluster that grows by
        itself (Karpenter, cluster-autoscaler) needs one to three minutes for a node. A small number tells a lack of
        room at once where nothing adds nodes.
    type: int
    default: 180
  resume_paused:
    description: Resume a paused rollout in the same write. Otherwise a paused one is refused.
    type: bool
    default: false
  owner_policy:
    description:
      - What to do about a workload that Argo CD, Flux, Helm, Config Sync, Rancher, kapp, an image trigger of OpenShift
        or an operator manages, which would undo the change.
        V(refuse) it, V(ignore) the owner, or V(suspend) the automatic sync of Argo CD or Flux first. It stays
        suspended until a person has reverted the release in its repository.
      - With V(suspend), KEDA too is held while a workload is quiesced, and let go when its pods come back.
    type: str
    choices: [refuse, ignore, suspend]
    default: refuse
  argocd_namespace:
    description: Namespace of Argo CD's Applications where the workload does not tell.
    type: str
    default: argocd
  change_cause:
    description: Text for the annotation C(kubernetes.io/change-cause), which C(kubectl rollout history) shows.
    type: str
  restart_id:
    description: Name of a restart. Pods that were restarted under this name already are not restarted again.
    type: str
"""

EXAMPLES = r"""
- name: Take the shop down before its schema moves
  octalume.rollback.k8s_rollout:
    state: quiesced
    workloads: "{{ release_workloads }}"
    timeout: 120

- name: Bring it back in the previous version
  octalume.rollback.k8s_rollout:
    state: rolled_back
    workloads:
      - name: api-server
        namespace: production
        containers:
          - name: api
            current: registry.example.com/shop:1.4.2
            previous: registry.example.com/shop:1.4.1
      - kind: StatefulSet
        name: sessions
        namespace: production
        containers:
          - name: cache
            current: registry.example.com/cache:8
            previous: registry.example.com/cache:7
    change_cause: Rollback of release 1.4.2 (P7-ROLLBACK-014)
"""

RETURN = r"""
workloads:
  description: One entry for each entry of O(workloads), in the same order. Also returned on failure, as far as it came.
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
    changed:
      description: Whether it was changed.
      type: bool
      returned: always
    before:
      description: Its C(images), C(replicas) and C(revision) before.
      type: dict
      returned: always
    after:
      description: The same afterwards.
      type: dict
      returned: always
    target:
      description:
        - Where the pod template came from, with C(revision), C(replica_set), C(images), C(source) (V(history),
          V(manifest) or V(live)) and C(ambiguous).
      type: dict
      returned: always
    strategy:
      description:
        - How it was done, V(quiesce), V(quiesced) (from zero pods), V(rolling), V(recreate), V(scale), V(restart) or
          V(none).
      type: str
      returned: always
    seconds:
      description: How long it took.
      type: float
      returned: always
    error:
      description: Why it failed, or null.
      type: str
      returned: always
  sample:
    - kind: Deployment
      name: api-server
      namespace: production
      changed: true
      before: {images: {api: "registry.example.com/shop:1.4.2"}, replicas: 0, revision: 7}
      after: {images: {api: "registry.example.com/shop:1.4.1"}, replicas: 3, revision: 8}
      target:
        revision: 6
        replica_set: api-server-77c68df548
        images: {api: "registry.example.com/shop:1.4.1"}
        source: history
        ambiguous: false
      strategy: quiesced
      seconds: 12.4
      error: null
suspended:
  description:
    - Tools whose automatic sync this or an earlier run has suspended, with C(tool), C(name), C(advice), which tells
      what to revert, C(resume), the command that switches it on again, and both as a sentence in C(note). Also returned
      on failure.
    - With O(state=rolled_back) also each field manager whose next server-side apply of a workload conflicts with what
      the rollback wrote (C(tool) is C(server-side apply)), with the command that takes them over as C(resume).
  returned: always
  type: list
  elements: dict
  sample: []
"""

import datetime
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.appliers import appliers
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.arguments import WORKLOADS
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.bystanders import bystanders
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Workload
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.rollout import Rollout, results
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.suspend import (
    pause_scalers,
    suspend_owners,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "workloads": WORKLOADS,
        "state": {"type": "str", "required": True, "choices": ["quiesced", "rolled_back", "restored", "restarted"]},
        "replicas": {"type": "dict", "default": {}},
        "timeout": {"type": "int", "default": 600},
        "soak": {"type": "int", "default": 10},
        "unschedulable": {"type": "int", "default": 180},
        "resume_paused": {"type": "bool", "default": False},
        "owner_policy": {"type": "str", "choices": ["refuse", "ignore", "suspend"], "default": "refuse"},
        "argocd_namespace": {"type": "str", "default": "argocd"},
        "change_cause": {"type": "str"},
        "restart_id": {"type": "str"},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Plan for all workloads, then change and follow them."""
    params = call.params
    options, cluster = _options(call), ApiServer(connect(params, call.warn), fence=call.fence)
    rollout = Rollout(cluster, options, call.progress)
    plans = rollout.plan([Workload.from_params(entry) for entry in params["workloads"]])
    for note in dict.fromkeys(note for plan in plans for note in plan.notes):
        call.warn(note)
    if options.state == "quiesced":
        for note in rollout.foresee(plans):
            call.warn(note)
        for note in bystanders(cluster, [plan.workload for plan in plans if plan.changed]):
            call.warn(note)
    suspended, held = [], []
    if options.owner_policy == "suspend":
        suspended = suspend_owners(cluster, plans, options.argocd_namespace, dry_run=call.check_mode)
        held = pause_scalers(cluster, plans, dry_run=call.check_mode)
    conflicts = appliers(plans, options.state)
    for one in (*suspended, *conflicts):
        call.warn(one.note)
    outcomes = rollout.rehearse(plans) if call.check_mode else rollout.apply(plans)
    answer = results(outcomes, {"suspended": [one.as_result() for one in (*suspended, *conflicts)]})
    around = bool(held) or any(one.changed for one in suspended)
    return {**answer, "changed": answer["changed"] or around}


def _options(call: Call) -> Options:
    params = call.params
    try:
        replicas = {str(name): int(count) for name, count in params["replicas"].items()}
    except (TypeError, ValueError) as error:
        raise RollbackError(f"replicas: every value must be a number, as in {{api-server: 3}}: {error}") from error
    return Options(
        state=params["state"],
        timeout=params["timeout"],
        soak=params["soak"],
        unschedulable=params["unschedulable"],
        resume_paused=params["resume_paused"],
        owner_policy=params["owner_policy"],
        argocd_namespace=params["argocd_namespace"],
        change_cause=params["change_cause"] or "",
        replicas=replicas,
        restart_id=params["restart_id"] or "",
        now=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
