# SPDX-License-Identifier: GPL-3.0-or-later
"""The StatefulSet controller: pods with numbers, made, updated and taken away in order. Volume claims are not made."""

from __future__ import annotations

from typing import Any

from . import selectors
from .controller import Controller
from .errors import ApiError
from .kinds import CONTROLLER_REVISION, POD, STATEFULSET
from .meta import copy, is_owned_by, owner_reference, pod_is_ready
from .replicasets import available
from .revisions import MANAGER, POD_LABEL, History, template_of
from .store import Change

Object = dict[str, Any]
_REVISION_LABEL = "controller.kubernetes.io/hash"
_COMPONENT = "statefulset-controller"


def _ordinal(stateful_set: Object, pod: Object) -> int:
    """The number in the pod's name; -1 where there is none."""
    name, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if name == stateful_set["metadata"]["name"] and number.isdecimal() else -1


def _leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _finished(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Failed", "Succeeded")


def _revision(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(POD_LABEL, ""))


class StatefulSetController(Controller):
    """Keeps the pods and the ControllerRevisions of each StatefulSet."""

    kind = STATEFULSET

    def changed(self, change: Change) -> None:
        """A pod or a revision changed."""
        if change.key in (POD.key, CONTROLLER_REVISION.key):
            self.wake_owner(change.new)

    def reconcile(self, item: Object) -> None:
        """One sync: at most one step where the order matters; the status tells what was there before it."""
        if "deletionTimestamp" in item["metadata"]:
            return
        stateful_set = copy(item)
        history = History(self.cluster, stateful_set, _REVISION_LABEL)
        update = history.current()
        current = history.named(stateful_set["status"].get("currentRevision", "")) or update
        pods = self._claim(stateful_set)
        self._write_status(stateful_set, pods, current, update)
        self._step(stateful_set, pods, current, update)
        live = {found["metadata"]["name"] for found in (current, update)}
        history.trim(live | {_revision(pod) for pod in pods.values()})

    def _claim(self, stateful_set: Object) -> dict[int, Object]:
        """Its pods by number."""
        matches = selectors.from_spec(stateful_set["spec"]["selector"])
        found = {}
        for pod in self.store.list(POD, stateful_set["metadata"]["namespace"]):
            number = _ordinal(stateful_set, pod)
            if number >= 0 and is_owned_by(pod, stateful_set) and matches(selectors.labels_of(pod)):
                found[number] = pod
        return found

    def _step(self, stateful_set: Object, pods: dict[int, Object], current: Object, update: Object) -> None:
        spec = stateful_set["spec"]
        first = spec.get("ordinals", {}).get("start", 0)
        wanted = range(first, first + spec["replicas"])
        ordered = spec["podManagementPolicy"] == "OrderedReady"
        for number in wanted:
            if not self._keep(stateful_set, number, pods.get(number), current, update) and ordered:
                return
        if not self._shrink(stateful_set, pods, wanted, ordered=ordered):
            return
        if spec["updateStrategy"]["type"] == "RollingUpdate":
            self._renew(stateful_set, {number: pods[number] for number in wanted if number in pods}, update)

    def _keep(self, stateful_set: Object, number: int, pod: Object | None, current: Object, update: Object) -> bool:
        """See to one wanted pod; whether it is there, ready and available."""
        if pod is None:
            self._create(stateful_set, number, current if self._holds_back(stateful_set, number) else update)
            return False
        if _finished(pod) and not _leaving(pod):
            metadata = stateful_set["metadata"]
            whose = f"StatefulSet {metadata['namespace']}/{metadata['name']}"
            text = f"{whose} is recreating failed Pod {pod['metadata']['name']}"
            self.cluster.events.record(stateful_set, "RecreatingFailedPod", text, _COMPONENT, warning=True)
            self._delete(stateful_set, pod)
            return False
        return not _leaving(pod) and available(pod, stateful_set["spec"].get("minReadySeconds", 0))

    @staticmethod
    def _holds_back(stateful_set: Object, number: int) -> bool:
        """Whether a pod below the partition is made from the former template."""
        strategy = stateful_set["spec"]["updateStrategy"]
        start = stateful_set["spec"].get("ordinals", {}).get("start", 0)
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        return bool(strategy["type"] == "RollingUpdate" and number < start + partition)

    def _shrink(self, stateful_set: Object, pods: dict[int, Object], wanted: range, *, ordered: bool) -> bool:
        """Take away what is beyond the size, highest number first; whether nothing is left to do there."""
        well = {number for number, pod in pods.items() if pod_is_ready(pod) and not _leaving(pod)}
        first_sick = min(set(pods) - well, default=-1)
        for number in sorted(set(pods) - set(wanted), reverse=True):
            waits = _leaving(pods[number]) or (number not in well and number != first_sick)
            if not _leaving(pods[number]) and not (ordered and waits):
                self._delete(stateful_set, pods[number])
            if ordered:
                return False
        return True

    def _renew(self, stateful_set: Object, pods: dict[int, Object], update: Object) -> None:
        """Delete the highest pod that is not of the new revision; wait for one that is not well."""
        for number in sorted(pods, reverse=True):
            if self._holds_back(stateful_set, number):
                return
            pod = pods[number]
            if _revision(pod) != update["metadata"]["name"] and not _leaving(pod):
                self._delete(stateful_set, pod)
                return
            if _leaving(pod) or not available(pod, stateful_set["spec"].get("minReadySeconds", 0)):
                return

    def _create(self, stateful_set: Object, number: int, revision: Object) -> None:
        name = f"{stateful_set['metadata']['name']}-{number}"
        template = template_of(revision)
        metadata = {key: template["metadata"][key] for key in ("labels", "annotations") if key in template["metadata"]}
        metadata |= {"name": name, "namespace": stateful_set["metadata"]["namespace"]}
        metadata["labels"] = {
            **metadata.get("labels", {}), "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(number), POD_LABEL: revision["metadata"]["name"],
        }  # fmt: skip
        metadata["ownerReferences"] = [owner_reference(stateful_set)]
        spec = {**template["spec"], "hostname": name}
        if service := stateful_set["spec"].get("serviceName"):
            spec["subdomain"] = service
        what = f"create Pod {name} in StatefulSet {stateful_set['metadata']['name']}"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        try:
            self.registry.create(POD, pod, manager=MANAGER)
        except ApiError as error:
            text = f"{what} failed error: {error.message}"
            self.cluster.events.record(stateful_set, "FailedCreate", text, _COMPONENT, warning=True)
            raise
        self.cluster.events.record(stateful_set, "SuccessfulCreate", f"{what} successful", _COMPONENT)

    def _delete(self, stateful_set: Object, pod: Object) -> None:
        self.registry.delete(POD, pod)
        text = f"delete Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']} successful"
        self.cluster.events.record(stateful_set, "SuccessfulDelete", text, _COMPONENT)

    def _write_status(self, stateful_set: Object, pods: dict[int, Object], current: Object, update: Object) -> None:
        """Write the counts; when every pod is new, the new revision becomes the current one (not with OnDelete)."""
        spec, wait = stateful_set["spec"], stateful_set["spec"].get("minReadySeconds", 0)
        ready = [pod for pod in pods.values() if pod_is_ready(pod)]
        names = [_revision(pod) for pod in pods.values() if not _leaving(pod)]
        counts = {
            "readyReplicas": len(ready),
            "currentReplicas": names.count(current["metadata"]["name"]),
            "updatedReplicas": names.count(update["metadata"]["name"]),
        }
        complete = {len(pods), counts["readyReplicas"], counts["updatedReplicas"]} == {spec["replicas"]}
        if complete and spec["updateStrategy"]["type"] == "RollingUpdate":
            current = update
            counts["currentReplicas"] = counts["updatedReplicas"]
        ready_for_long = sum(1 for pod in ready if available(pod, wait))
        status: Object = {"observedGeneration": stateful_set["metadata"]["generation"], "replicas": len(pods)}
        status |= {key: value for key, value in counts.items() if value}
        status |= {"currentRevision": current["metadata"]["name"], "updateRevision": update["metadata"]["name"]}
        status |= {"collisionCount": 0, "availableReplicas": ready_for_long}
        if len(ready) > ready_for_long:
            self.wake_later(stateful_set, 1.0)
        if status != stateful_set["status"]:
            new = {**stateful_set, "status": status}
            self.registry.update(STATEFULSET, new, subresource="status", manager=MANAGER)
