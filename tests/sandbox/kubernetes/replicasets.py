# SPDX-License-Identifier: GPL-3.0-or-later
"""The ReplicaSet controller: as many pods as asked for."""

from __future__ import annotations

from typing import Any

from . import selectors
from .controller import Controller
from .errors import ApiError
from .kinds import POD, REPLICASET
from .meta import (
    condition,
    controller_of,
    copy,
    is_owned_by,
    now,
    owner_reference,
    pod_is_active,
    pod_is_ready,
    seconds_since,
)
from .store import Change

Object = dict[str, Any]
_MANAGER = "kube-controller-manager"
_COMPONENT = "replicaset-controller"


def deletion_order(pod: Object, crowd: int) -> tuple[Any, ...]:
    """Sorts the pods that go first to the front: unscheduled, pending, not ready, crowded on a node, youngest."""
    ready = condition(pod, "Ready")
    restarts = sum(found["restartCount"] for found in pod["status"].get("containerStatuses", []))
    return (
        bool(pod["spec"].get("nodeName")),
        {"Pending": 0, "Unknown": 1}.get(pod["status"].get("phase", "Pending"), 2),
        pod_is_ready(pod),
        int(pod["metadata"].get("annotations", {}).get("controller.kubernetes.io/pod-deletion-cost", 0)),
        -crowd,
        seconds_since(ready["lastTransitionTime"]) if ready and pod_is_ready(pod) else 0,
        -restarts,
        seconds_since(pod["metadata"]["creationTimestamp"]),
    )


def available(pod: Object, min_ready_seconds: int) -> bool:
    """Whether a pod has been ready for long enough."""
    if not pod_is_ready(pod):
        return False
    ready = condition(pod, "Ready")
    assert ready is not None
    return not min_ready_seconds or seconds_since(ready["lastTransitionTime"]) >= min_ready_seconds


class ReplicaSetController(Controller):
    """Keeps the pods of each ReplicaSet."""

    kind = REPLICASET

    def changed(self, change: Change) -> None:
        """A pod changed."""
        if change.key != POD.key:
            return
        self.wake_owner(change.new)
        if controller_of(change.new) is None:
            for replica_set in self.store.list(REPLICASET, change.new["metadata"]["namespace"]):
                if selectors.from_spec(replica_set["spec"]["selector"])(selectors.labels_of(change.new)):
                    self.wake((replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]))

    def reconcile(self, item: Object) -> None:
        """Create or delete pods, then write the status of what was there before."""
        pods = self._claim(item)
        active = [pod for pod in pods if pod_is_active(pod)]
        finished = ("Succeeded", "Failed")
        leaving = [p for p in pods if "deletionTimestamp" in p["metadata"] and p["status"].get("phase") not in finished]
        failure = None
        if "deletionTimestamp" not in item["metadata"]:
            try:
                self._manage(item, active)
            except ApiError as error:
                failure = error
        self._write_status(item, active, len(leaving), failure)
        if failure:
            self.wake_later(item, 1.0)

    def _claim(self, replica_set: Object) -> list[Object]:
        """The pods it controls: a matching orphan is adopted, one whose labels no longer match is let go."""
        matches = selectors.from_spec(replica_set["spec"]["selector"])
        found = []
        for pod in self.store.list(POD, replica_set["metadata"]["namespace"]):
            fits = matches(selectors.labels_of(pod))
            mine = is_owned_by(pod, replica_set)
            if mine and fits:
                found.append(pod)
            elif mine or (fits and controller_of(pod) is None and pod_is_active(pod)):
                changed = copy(pod)
                others = [r for r in changed["metadata"].get("ownerReferences", []) if not r.get("controller")]
                changed["metadata"]["ownerReferences"] = others + ([] if mine else [owner_reference(replica_set)])
                kept = self.registry.update(POD, changed, manager=_MANAGER)
                found += [] if mine else [kept]
        return found

    def _manage(self, replica_set: Object, active: list[Object]) -> None:
        excess = len(active) - replica_set["spec"]["replicas"]
        if excess > 0:
            nodes = [pod["spec"].get("nodeName") for pod in active]
            crowd = {pod["metadata"]["name"]: nodes.count(pod["spec"].get("nodeName")) for pod in active}
            order = sorted(active, key=lambda pod: deletion_order(pod, crowd[pod["metadata"]["name"]]))
            for pod in order[:excess]:
                self.registry.delete(POD, pod)
                text = f"Deleted pod: {pod['metadata']['name']}"
                self.cluster.events.record(replica_set, "SuccessfulDelete", text, _COMPONENT)
        for _ in range(-excess):
            try:
                pod = self.registry.create(POD, pod_from_template(replica_set), manager=_MANAGER)
            except ApiError as error:
                text = f"Error creating: {error.message}"
                self.cluster.events.record(replica_set, "FailedCreate", text, _COMPONENT, warning=True)
                raise
            text = f"Created pod: {pod['metadata']['name']}"
            self.cluster.events.record(replica_set, "SuccessfulCreate", text, _COMPONENT)

    def _write_status(self, item: Object, active: list[Object], leaving: int, failure: ApiError | None) -> None:
        wait = item["spec"].get("minReadySeconds", 0)
        labels = item["spec"]["template"]["metadata"].get("labels", {}).items()
        counts = {
            "fullyLabeledReplicas": sum(1 for pod in active if labels <= pod["metadata"].get("labels", {}).items()),
            "readyReplicas": sum(1 for pod in active if pod_is_ready(pod)),
            "availableReplicas": sum(1 for pod in active if available(pod, wait)),
        }
        status: Object = {"replicas": len(active), **{key: value for key, value in counts.items() if value}}
        status |= {"terminatingReplicas": leaving, "observedGeneration": item["metadata"]["generation"]}
        conditions = [found for found in item["status"].get("conditions", []) if found["type"] != "ReplicaFailure"]
        if failure:
            held = condition(item, "ReplicaFailure")
            fresh = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": now()}
            fresh |= {"reason": "FailedCreate", "message": failure.message}
            conditions.append(held or fresh)
        if conditions:
            status["conditions"] = conditions
        if counts["readyReplicas"] > counts["availableReplicas"]:
            self.wake_later(item, 1.0)
        if status != item["status"]:
            self.registry.update(REPLICASET, {**item, "status": status}, subresource="status", manager=_MANAGER)


def pod_from_template(owner: Object) -> Object:
    """A pod as the owner's template describes it."""
    template = copy(owner["spec"]["template"])
    metadata = {key: template["metadata"][key] for key in ("labels", "annotations") if key in template["metadata"]}
    metadata |= {"generateName": f"{owner['metadata']['name']}-", "namespace": owner["metadata"]["namespace"]}
    metadata["ownerReferences"] = [owner_reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
