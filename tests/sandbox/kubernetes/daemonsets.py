# SPDX-License-Identifier: GPL-3.0-or-later
"""The DaemonSet controller: one pod on each node that fits, replaced node by node."""

from __future__ import annotations

import math
from typing import Any

from . import selectors
from .controller import Controller
from .errors import ApiError
from .kinds import CONTROLLER_REVISION, DAEMONSET, NODE, POD
from .meta import copy, is_owned_by, owner_reference, pod_is_ready
from .replicasets import available
from .revisions import MANAGER, POD_LABEL, History
from .store import Change

Object = dict[str, Any]
_COMPONENT = "daemonset-controller"
_TOLERATED = (
    ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
)  # fmt: skip
_Pods = dict[str, list[Object]]  # a node's name -> the pods that are meant for it


def node_of(pod: Object) -> str:
    """The node that a pod is bound to, or that its affinity names."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    fields = [field for term in terms for field in term.get("matchFields", []) if field["key"] == "metadata.name"]
    return str(pod["spec"].get("nodeName") or (fields[0]["values"][0] if fields else ""))


def _leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


class DaemonSetController(Controller):
    """Keeps the pods and the ControllerRevisions of each DaemonSet."""

    kind = DAEMONSET

    def changed(self, change: Change) -> None:
        """A pod, a revision or a node changed."""
        if change.key in (POD.key, CONTROLLER_REVISION.key):
            self.wake_owner(change.new)
        elif change.key == NODE.key:
            for found in self.store.list(DAEMONSET):
                self.wake((found["metadata"]["namespace"], found["metadata"]["name"]))

    def reconcile(self, item: Object) -> None:
        """See that each node has its pod, replace old ones as far as the strategy allows, write what was there."""
        if "deletionTimestamp" in item["metadata"]:
            return
        daemon_set = copy(item)
        history = History(self.cluster, daemon_set, POD_LABEL)
        word = history.hash_of(history.current())
        nodes = self._nodes(daemon_set)
        pods = self._pods(daemon_set)
        self._write_status(daemon_set, nodes, pods, word)
        self._manage(daemon_set, nodes, pods, word)
        if daemon_set["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._renew(daemon_set, nodes, pods, word)
        words = {pod["metadata"]["labels"].get(POD_LABEL) for found in pods.values() for pod in found} | {word}
        history.trim({found["metadata"]["name"] for found in history.revisions if history.hash_of(found) in words})

    def _nodes(self, daemon_set: Object) -> list[str]:
        """The nodes that shall have a pod; whether they are ready does not matter."""
        wanted = (daemon_set["spec"]["template"]["spec"].get("nodeSelector") or {}).items()
        found = [node["metadata"] for node in self.store.list(NODE)]
        return [metadata["name"] for metadata in found if wanted <= metadata.get("labels", {}).items()]

    def _pods(self, daemon_set: Object) -> _Pods:
        matches = selectors.from_spec(daemon_set["spec"]["selector"])
        found: _Pods = {}
        for pod in self.store.list(POD, daemon_set["metadata"]["namespace"]):
            if is_owned_by(pod, daemon_set) and matches(selectors.labels_of(pod)):
                found.setdefault(node_of(pod), []).append(pod)
        return found

    def _manage(self, daemon_set: Object, nodes: list[str], pods: _Pods, word: str) -> None:
        """A pod for each node without one, none for the others; a finished pod makes room for another."""
        surge = self._limits(daemon_set, len(nodes))[1]
        for node, found in pods.items():
            alive = [pod for pod in found if not _leaving(pod)]
            finished = [pod for pod in alive if pod["status"].get("phase") in ("Failed", "Succeeded")]
            for pod in finished if node in nodes else alive:
                self._delete(daemon_set, pod)
        surging = sum(1 for found in pods.values() if len([pod for pod in found if not _leaving(pod)]) > 1)
        for node in nodes:
            found = pods.get(node, [])
            old = [pod for pod in found if not self._is_new(pod, word)]
            if not found or (old == found and surging < surge and len(found) == 1):
                surging += 1 if found else 0
                self._create(daemon_set, node, word)

    @staticmethod
    def _is_new(pod: Object, word: str) -> bool:
        return bool(pod["metadata"]["labels"].get(POD_LABEL) == word)

    @staticmethod
    def _limits(daemon_set: Object, desired: int) -> tuple[int, int]:
        """(maxUnavailable, maxSurge) in pods; percents are rounded up. With OnDelete both are 0."""
        held = daemon_set["spec"]["updateStrategy"].get("rollingUpdate") or {}

        def count(value: int | str) -> int:
            return value if isinstance(value, int) else math.ceil(int(value.rstrip("%")) * desired / 100)

        unavailable, surge = count(held.get("maxUnavailable", 0)), count(held.get("maxSurge", 0))
        rolling = daemon_set["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        return (unavailable if surge else max(unavailable, 1), surge) if rolling else (0, 0)

    def _renew(self, daemon_set: Object, nodes: list[str], pods: _Pods, word: str) -> None:
        """Delete old pods: those that do not serve at once, others as far as enough nodes are left that serve."""
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        unavailable, surge = self._limits(daemon_set, len(nodes))
        doomed, candidates, down = [], [], 0
        for node in nodes:
            alive = [pod for pod in pods.get(node, []) if not _leaving(pod)]
            serving = [pod for pod in alive if available(pod, wait)]
            old = [pod for pod in alive if not self._is_new(pod, word)]
            alone = old == alive and not surge
            if (alone and not serving) or (surge and any(self._is_new(pod, word) for pod in serving)):
                doomed += old
            elif alone:
                candidates += old
            down += 0 if serving else 1
        for pod in doomed + candidates[: max(unavailable - down, 0)]:
            self._delete(daemon_set, pod)

    def _create(self, daemon_set: Object, node: str, word: str) -> None:
        template, name = copy(daemon_set["spec"]["template"]), daemon_set["metadata"]["name"]
        metadata = {key: template["metadata"][key] for key in ("labels", "annotations") if key in template["metadata"]}
        metadata |= {"generateName": f"{name}-", "namespace": daemon_set["metadata"]["namespace"]}
        metadata["labels"] = {**metadata.get("labels", {}), POD_LABEL: word}
        metadata["ownerReferences"] = [owner_reference(daemon_set)]
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        spec = {**template["spec"], "affinity": {**template["spec"].get("affinity", {}), "nodeAffinity": required}}
        spec["tolerations"] = [*template["spec"].get("tolerations", []), *(
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in _TOLERATED
        )]  # fmt: skip
        try:
            pod = self.registry.create(
                POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, manager=MANAGER
            )
        except ApiError as error:
            text = f"Error creating: {error.message}"
            self.cluster.events.record(daemon_set, "FailedCreate", text, _COMPONENT, warning=True)
            raise
        text = f"Created pod: {pod['metadata']['name']}"
        self.cluster.events.record(daemon_set, "SuccessfulCreate", text, _COMPONENT)

    def _delete(self, daemon_set: Object, pod: Object) -> None:
        self.registry.delete(POD, pod)
        text = f"Deleted pod: {pod['metadata']['name']}"
        self.cluster.events.record(daemon_set, "SuccessfulDelete", text, _COMPONENT)

    def _write_status(self, daemon_set: Object, nodes: list[str], pods: _Pods, word: str) -> None:
        wait = daemon_set["spec"].get("minReadySeconds", 0)
        newest = [sorted(pods[node], key=lambda pod: (_leaving(pod), not self._is_new(pod, word))) for node in nodes
                  if node in pods]  # fmt: skip
        serving = [found for found in newest if any(pod_is_ready(pod) for pod in found)]
        long = [found for found in newest if any(available(pod, wait) for pod in found)]
        status: Object = {
            "currentNumberScheduled": len(newest),
            "numberMisscheduled": sum(1 for node in pods if node not in nodes),
            "desiredNumberScheduled": len(nodes),
            "numberReady": len(serving),
            "observedGeneration": daemon_set["metadata"]["generation"],
        }
        some = {
            "updatedNumberScheduled": sum(1 for found in newest if self._is_new(found[0], word)),
            "numberAvailable": len(long),
            "numberUnavailable": len(nodes) - len(long),
        }
        status |= {key: value for key, value in some.items() if value}
        if len(serving) > len(long):
            self.wake_later(daemon_set, 1.0)
        if status != daemon_set["status"]:
            new = {**daemon_set, "status": status}
            self.registry.update(DAEMONSET, new, subresource="status", manager=MANAGER)
