# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes, the scheduler that gives them pods, and the kubelet that runs these."""

from __future__ import annotations

import asyncio
import logging
import signal
import uuid
from typing import Any

from .cluster import Cluster
from .daemonsets import node_of
from .dead_nodes import DEAD
from .kinds import NODE, POD
from .meta import copy, now
from .pod import PodWorker
from .store import Change

Object = dict[str, Any]
_log = logging.getLogger(__name__)
SETTLE = 0.01


def _node(name: str) -> Object:
    arch = {
        f"{prefix}kubernetes.io/{key}": value
        for prefix in ("", "beta.")
        for key, value in (("arch", "amd64"), ("os", "linux"))
    }
    conditions = [
        _node_condition(
            "MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"
        ),
        _node_condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        _node_condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        _node_condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    resources = {"cpu": "2", "memory": "8Gi", "pods": "110"}
    info = {
        "machineID": uuid.uuid4().hex, "systemUUID": uuid.uuid4().hex, "bootID": str(uuid.uuid4()),
        "kernelVersion": "sandbox", "osImage": "Sandbox", "containerRuntimeVersion": "containerd://sandbox",
        "kubeletVersion": "v1.36.2", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
    }  # fmt: skip
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {**arch, "kubernetes.io/hostname": name}},
        "spec": {},
        "status": {"capacity": resources, "allocatable": resources, "conditions": conditions, "addresses": addresses,
                   "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}, "nodeInfo": info},
    }  # fmt: skip


def _node_condition(kind: str, status: str, reason: str, message: str) -> Object:
    times = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    return {"type": kind, "status": status, **times, "reason": reason, "message": message}


def node_is_ready(node: Object) -> bool:
    """Whether the node takes pods and tends to them."""
    return any(found["type"] == "Ready" and found["status"] == "True" for found in node["status"]["conditions"])


class Kubelet:
    """Every node's kubelet, and the scheduler."""

    def __init__(self, cluster: Cluster) -> None:
        """Register the nodes and listen for pods."""
        self.cluster, self.store, self.registry = cluster, cluster.store, cluster.registry
        self.workers: dict[str, PodWorker] = {}
        for name in cluster.settings.nodes:
            self.registry.create(NODE, _node(name))
        self.store.listen(self._heard)

    def worker(self, pod: Object) -> PodWorker | None:
        """Who runs the pod."""
        return self.workers.get(pod["metadata"]["uid"])

    def stop(self) -> None:
        """End every container; none is started again."""
        for worker in self.workers.values():
            worker.stopping.set()
            for run in worker.runs.values():
                run.send(signal.SIGKILL)

    def _heard(self, change: Change) -> None:
        loop = asyncio.get_running_loop()
        if change.key == NODE.key:
            for pod in self.store.list(POD):
                loop.call_later(SETTLE, self._attend, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if change.key != POD.key:
            return
        metadata = change.new["metadata"]
        if change.type == "DELETED":
            self._drop(metadata["uid"])
        elif (
            not change.new["spec"].get("nodeName")
            or metadata["uid"] not in self.workers
            or "deletionTimestamp" in metadata
        ):
            loop.call_later(SETTLE, self._attend, metadata["namespace"], metadata["name"])

    def _attend(self, namespace: str, name: str) -> None:
        """Do the next thing for a pod: schedule it, run it, or stop it."""
        pod = self.store.find(POD, namespace, name)
        if pod is None:
            return
        if not pod["spec"].get("nodeName"):
            self._schedule(pod)
            return
        node = self.store.find(NODE, "", pod["spec"]["nodeName"])
        if node is None or node["metadata"].get("annotations", {}).get(DEAD) == "true":
            return  # nobody is there to do anything
        worker = self.worker(pod)
        if worker is None:
            if "deletionTimestamp" in pod["metadata"]:
                self._let_go(pod)
                return
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                return
            worker = self.workers[pod["metadata"]["uid"]] = PodWorker(self.cluster, pod, pod["spec"]["nodeName"])
            self.cluster.spawn(self._run(worker))
        elif "deletionTimestamp" in pod["metadata"]:
            worker.stopping.set()

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - one bad object must not end the controller
            _log.exception("pod %s", worker.place)
        await asyncio.sleep(SETTLE)
        pod = worker.pod
        if pod is not None:
            self._let_go(pod)
        self.workers.pop(worker.uid, None)

    def _let_go(self, pod: Object) -> None:
        """Tell the server that nothing of a deleted pod is left."""
        if "deletionTimestamp" not in pod["metadata"]:
            return
        final = copy(pod)
        final["metadata"].update(deletionGracePeriodSeconds=0, deletionTimestamp=now())
        kept = self.store.update(POD, final)
        if not kept["metadata"].get("finalizers"):
            self.store.remove(POD, kept)

    def _drop(self, uid: str) -> None:
        """The pod was taken away (or let go): nothing of it may go on."""
        worker = self.workers.get(uid)
        if worker is not None:
            worker.stopping.set()

    def _schedule(self, pod: Object) -> None:
        """Bind to the ready node with the fewest pods, or to the one that the pod is meant for."""
        if "deletionTimestamp" in pod["metadata"]:
            self._let_go(pod)
            return
        nodes = self.store.list(NODE)
        if meant := node_of(pod):  # a DaemonSet's pod, which tolerates what keeps others away
            nodes = [node for node in nodes if node["metadata"]["name"] == meant]
        else:
            nodes = [node for node in nodes if node_is_ready(node) and not node["spec"].get("unschedulable")]
        selector = pod["spec"].get("nodeSelector", {}).items()
        nodes = [node for node in nodes if selector <= node["metadata"].get("labels", {}).items()]
        if not nodes:
            self._unschedulable(pod)
            return
        load = [other["spec"].get("nodeName") for other in self.store.list(POD)]
        node = min(nodes, key=lambda found: load.count(found["metadata"]["name"]))["metadata"]["name"]
        bound = copy(pod)
        bound["spec"]["nodeName"] = node
        scheduled = {"type": "PodScheduled", "observedGeneration": 1, "status": "True", "lastProbeTime": None}
        bound["status"]["conditions"] = [{**scheduled, "lastTransitionTime": now()}]
        self.store.update(POD, bound)
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        text = f"Successfully assigned {name} to {node}"
        self.cluster.events.record(bound, "Scheduled", text, "default-scheduler", action="Binding")

    def _unschedulable(self, pod: Object) -> None:
        count = len(self.store.list(NODE))
        text = f"0/{count} nodes are available: {count} node(s) didn't match the pod's requirements or were not ready."
        waiting = copy(pod)
        condition = {"type": "PodScheduled", "observedGeneration": 1, "status": "False", "lastProbeTime": None}
        condition |= {"lastTransitionTime": now(), "reason": "Unschedulable", "message": text}
        if waiting["status"].get("conditions"):
            condition["lastTransitionTime"] = waiting["status"]["conditions"][0]["lastTransitionTime"]
        waiting["status"]["conditions"] = [condition]
        self.store.update(POD, waiting)
        self.cluster.events.record(
            pod, "FailedScheduling", text, "default-scheduler", warning=True, action="Scheduling"
        )
        place = pod["metadata"]["namespace"], pod["metadata"]["name"]
        asyncio.get_running_loop().call_later(1.0, self._attend, *place)
