# SPDX-License-Identifier: GPL-3.0-or-later
"""The disruption controller: how many pods of a budget may be evicted now."""

from __future__ import annotations

from typing import Any

from . import selectors
from .controller import Controller
from .kinds import DEPLOYMENT, PDB, POD, REPLICASET, STATEFULSET, Kind
from .meta import condition, controller_of, now, pod_is_active, pod_is_ready
from .rollout import resolve
from .store import Change

Object = dict[str, Any]
_SCALED: dict[str, Kind] = {"ReplicaSet": REPLICASET, "StatefulSet": STATEFULSET, "Deployment": DEPLOYMENT}


class DisruptionController(Controller):
    """Keeps the status of PodDisruptionBudgets."""

    kind = PDB

    def changed(self, change: Change) -> None:
        """A pod changed: told at once, so that no two evictions spend the same allowance."""
        if change.key == POD.key:
            for budget in self.store.list(PDB, change.new["metadata"]["namespace"]):
                if selectors.from_spec(budget["spec"].get("selector"))(selectors.labels_of(change.new)):
                    self.reconcile(budget)

    def reconcile(self, item: Object) -> None:
        """Count and write."""
        namespace = item["metadata"]["namespace"]
        if self.store.find(PDB, namespace, item["metadata"]["name"]) is None:
            return
        chosen = selectors.from_spec(item["spec"].get("selector"))
        pods = [
            pod for pod in self.store.list(POD, namespace) if chosen(selectors.labels_of(pod)) and pod_is_active(pod)
        ]
        healthy = sum(1 for pod in pods if pod_is_ready(pod))
        expected, desired = self._wanted(item, pods)
        allowed = max(healthy - desired, 0) if expected else 0
        status = {"observedGeneration": item["metadata"]["generation"], "disruptionsAllowed": allowed}
        status |= {"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected}
        held = condition(item, "DisruptionAllowed")
        flag = {"type": "DisruptionAllowed", "status": "True" if allowed else "False"}
        since = held["lastTransitionTime"] if held and held["status"] == flag["status"] else now()
        flag |= {"observedGeneration": item["metadata"]["generation"], "lastTransitionTime": since}
        flag |= {"reason": "SufficientPods" if allowed else "InsufficientPods", "message": ""}
        status["conditions"] = [flag]
        if status != item.get("status"):
            self.registry.update(
                PDB, {**item, "status": status}, subresource="status", manager="kube-controller-manager"
            )

    def _wanted(self, budget: Object, pods: list[Object]) -> tuple[int, int]:
        """(pods that the controllers want, pods that must stay healthy)."""
        spec = budget["spec"]
        if "maxUnavailable" in spec or isinstance(spec.get("minAvailable"), str):
            expected = self._scale(pods)
            if "maxUnavailable" in spec:
                return expected, max(expected - resolve(spec["maxUnavailable"], expected, up=True), 0)
            return expected, resolve(spec["minAvailable"], expected, up=True)
        return len(pods), int(spec.get("minAvailable", 1))

    def _scale(self, pods: list[Object]) -> int:
        """The sum of the replicas that the pods' controllers ask for."""
        owners = {}
        for pod in pods:
            ref = controller_of(pod)
            kind = _SCALED.get(ref["kind"]) if ref else None
            owner = self.store.find(kind, pod["metadata"]["namespace"], ref["name"]) if ref and kind else None
            if owner:
                owners[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 0)
        return sum(owners.values())
