# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that die: one annotated ``sandbox.octalume/dead: "true"`` stops answering, and its pods stay as they were."""

from __future__ import annotations

import asyncio
from typing import Any

from .cluster import Cluster
from .kinds import NODE, POD
from .meta import condition, copy, now
from .store import Change

Object = dict[str, Any]
DEAD = "sandbox.octalume/dead"
_GRACE = 40.0  # seconds, before haste, until the node controller calls a silent node unknown


class DeadNodes:
    """The node controller's part in a node's death and return."""

    def __init__(self, cluster: Cluster) -> None:
        """Listen for the annotation."""
        self.cluster, self.store = cluster, cluster.store
        self.store.listen(self._heard)

    def _heard(self, change: Change) -> None:
        if change.key != NODE.key or change.type == "DELETED":
            return
        before, after = (_is_dead(found) if found else False for found in (change.old, change.new))
        if before == after:
            return
        delay = _GRACE / self.cluster.settings.haste if after else 0.05
        asyncio.get_running_loop().call_later(delay, self._judge, change.new["metadata"]["name"], after)

    def _judge(self, name: str, dead: bool) -> None:
        """Tell of the node's state, and of its pods': not ready while nobody hears of them."""
        node = self.store.find(NODE, "", name)
        if node is None or _is_dead(node) is not dead:
            return
        judged = copy(node)
        word = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
        alive = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
        ready = condition(judged, "Ready")
        assert ready is not None
        ready.update(word if dead else alive, lastTransitionTime=now())
        taint = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": now()}
        judged["spec"].pop("taints", None)
        if dead:
            judged["spec"]["taints"] = [taint]
        self.store.update(NODE, judged)
        for pod in self.store.list(POD) if dead else []:
            if pod["spec"].get("nodeName") == name:
                self._lost(pod)

    def _lost(self, pod: Object) -> None:
        found = copy(pod)
        ready = condition(found, "Ready")
        if ready and ready["status"] == "True":
            ready.update(status="False", lastTransitionTime=now())
            self.store.update(POD, found)
        self.cluster.events.record(pod, "NodeNotReady", "Node is not ready", "node-controller", warning=True)


def _is_dead(node: Object) -> bool:
    return bool(node["metadata"].get("annotations", {}).get(DEAD) == "true")
