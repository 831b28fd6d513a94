# SPDX-License-Identifier: GPL-3.0-or-later
"""The HorizontalPodAutoscaler: holds a workload within its bounds, and is inert at 0 replicas."""

from __future__ import annotations

from typing import Any

from .controller import Controller
from .kinds import BY_TYPE, HPA
from .meta import condition, copy, now

Object = dict[str, Any]
_PERIOD = 15.0  # seconds between two looks, before haste
_TOO_FEW = "the desired replica count is less than the minimum replica count"
_TOO_MANY = "the desired replica count is more than the maximum replica count"


class AutoscalerController(Controller):
    """Nothing measures the pods here: only the bounds move a workload."""

    kind = HPA

    def reconcile(self, item: Object) -> None:
        """Look at the target, correct its size, write the status, look again later."""
        self.wake_later(item, _PERIOD / self.cluster.settings.haste)
        spec, namespace = item["spec"], item["metadata"]["namespace"]
        target = spec["scaleTargetRef"]
        kind = BY_TYPE.get((target.get("apiVersion", "apps/v1"), target["kind"]))
        found = self.store.find(kind, namespace, target["name"]) if kind else None
        if kind is None or found is None:
            text = f"the HPA controller was unable to get the target's current scale: {target['name']} not found"
            self._write(item, 0, 0, [("AbleToScale", "False", "FailedGetScale", text)])
            return
        current = found["spec"].get("replicas", 0)
        if current == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            able = (
                "AbleToScale",
                "True",
                "SucceededGetScale",
                "the HPA controller was able to get the target's current scale",
            )
            self._write(item, 0, 0, [able, ("ScalingActive", "False", "ScalingDisabled", text)])
            return
        wanted = min(max(current, spec.get("minReplicas", 1)), spec["maxReplicas"])
        if wanted != current:
            resized = copy(found)
            resized["spec"]["replicas"] = wanted
            self.registry.update(kind, resized, manager="kube-controller-manager")
            reason = "Current number of replicas " + (
                "below Spec.MinReplicas" if wanted > current else "above Spec.MaxReplicas"
            )
            text = f"New size: {wanted}; reason: {reason}"
            self.cluster.events.record(item, "SuccessfulRescale", text, "horizontal-pod-autoscaler")
        self._write(item, current, wanted, self._verdicts(current, wanted))

    @staticmethod
    def _verdicts(current: int, wanted: int) -> list[tuple[str, str, str, str]]:
        able = (
            "AbleToScale",
            "True",
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        )
        if wanted == current:
            return [
                able,
                ("ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"),
            ]
        few = wanted > current
        limited = (
            "ScalingLimited",
            "True",
            "TooFewReplicas" if few else "TooManyReplicas",
            _TOO_FEW if few else _TOO_MANY,
        )
        return [
            ("AbleToScale", "True", "SucceededRescale", "the HPA controller was able to update the target scale"),
            limited,
        ]

    def _write(self, item: Object, current: int, wanted: int, verdicts: list[tuple[str, str, str, str]]) -> None:
        conditions = []
        for kind, status, reason, message in verdicts:
            held = condition(item, kind)
            since = held["lastTransitionTime"] if held and held["status"] == status else now()
            flag = {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
            conditions.append(flag)
        status = {
            "currentReplicas": current,
            "desiredReplicas": wanted,
            "currentMetrics": None,
            "conditions": conditions,
        }
        if status != item.get("status"):
            self.registry.update(
                HPA, {**item, "status": status}, subresource="status", manager="kube-controller-manager"
            )
