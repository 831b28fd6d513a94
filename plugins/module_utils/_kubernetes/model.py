# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of this package: a workload as the manifest names it, and what the cluster says about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._module import RollbackError
from .identity import images_of

Json = dict[str, Any]

FIELD_MANAGER = "octalume-rollback"
"""Under which the server notes what this collection writes."""
PREFIX = "rollback.octalume.io/"
REPLICAS = PREFIX + "replicas"
HPA = PREFIX + "hpa"
CHANGE_CAUSE = "kubernetes.io/change-cause"
REVISION = "deployment.kubernetes.io/revision"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MARKED = (CHANGE_CAUSE, REPLICAS, HPA)
"""Annotations that a rollback writes or removes; the diff shows them."""

COLLECTIONS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
}
HISTORIES = {
    "Deployment": "/apis/apps/v1/replicasets",
    "StatefulSet": "/apis/apps/v1/controllerrevisions",
    "DaemonSet": "/apis/apps/v1/controllerrevisions",
}
PODS = "/api/v1/pods"
EVENTS = "/api/v1/events"
SCALED_OBJECTS = "/apis/keda.sh/v1alpha1/scaledobjects"
AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"


@dataclass(frozen=True)
class Container:
    """A container's image in the release and before it; ``None``: it does not exist there."""

    name: str
    current: str | None
    previous: str | None


@dataclass(frozen=True)
class Workload:
    """A workload of the release, as the manifest describes it."""

    kind: str
    name: str
    namespace: str
    containers: tuple[Container, ...]
    template: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def target(self) -> str:
        """How kubectl is told about it: ``-n production deployment/api-server``."""
        return f"-n {self.namespace} {self.kind.lower()}/{self.name}"

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Workload:
        """From one entry of a module's ``workloads``."""
        containers = tuple(
            Container(item["name"], item.get("current") or None, item.get("previous") or None)
            for item in params.get("containers") or []
        )
        if not containers:
            raise RollbackError(
                f"{params['namespace']}/{params['name']} has no containers, so nothing tells its version; name "
                "at least one container with its current and its previous image"
            )
        kind = params.get("kind") or "Deployment"
        return cls(kind, params["name"], params["namespace"], containers, params.get("template"))


@dataclass(frozen=True)
class Autoscaler:
    """A HorizontalPodAutoscaler on a workload."""

    name: str
    minimum: int
    maximum: int
    scaled_object: str = ""
    """The ScaledObject of KEDA that it belongs to."""

    @classmethod
    def from_json(cls, item: Json) -> Autoscaler:
        """From an autoscaling/v2 object; a floor that is not set is 1."""
        spec, owners = item["spec"], item["metadata"].get("ownerReferences") or []
        keda = next((owner["name"] for owner in owners if owner.get("kind") == "ScaledObject"), "")
        return cls(item["metadata"]["name"], spec.get("minReplicas", 1), spec["maxReplicas"], keda)

    @classmethod
    def from_record(cls, text: str) -> Autoscaler | None:
        """From what a quiesce wrote down; None if that is not readable."""
        try:
            record = json.loads(text)
            return cls(str(record["name"]), int(record["min"]), int(record["max"]), str(record.get("keda", "")))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def to_record(self) -> str:
        """What a quiesce writes down."""
        keda = {"keda": self.scaled_object} if self.scaled_object else {}
        return json.dumps({"name": self.name, "min": self.minimum, "max": self.maximum, **keda})

    def within(self, count: int) -> int:
        """``count`` within the bounds; 0 stays 0, where an autoscaler is inert."""
        return count and max(self.minimum, min(self.maximum, count))


@dataclass(frozen=True)
class Revision:
    """One remembered state of a workload: an owned ReplicaSet or ControllerRevision."""

    number: int
    name: str
    uid: str
    template: Mapping[str, Any]

    @property
    def images(self) -> dict[str, str]:
        """Image of each container."""
        return images_of(self.template)


@dataclass(frozen=True)
class Trouble:
    """Why a container, or a whole pod, does not run: the kubelet's or scheduler's own reason."""

    container: str
    reason: str
    message: str


@dataclass(frozen=True)
class Pod:
    """A pod of a workload."""

    name: str
    uid: str
    node: str | None
    phase: str
    ready: bool
    owner: str
    revision: str
    image_ids: Mapping[str, str]
    restarts_of: Mapping[str, int]
    """By container, how often it was started again."""
    deleted: str | None
    grace: int
    troubles: tuple[Trouble, ...]

    @property
    def restarts(self) -> int:
        """How often one of its containers was started again."""
        return sum(self.restarts_of.values())

    @property
    def finished(self) -> bool:
        """Whether nothing runs in it and it just lies there, as an evicted pod does for days."""
        return self.phase in ("Failed", "Succeeded") and not self.deleted

    @classmethod
    def from_json(cls, item: Json) -> Pod:
        """From a Pod object."""
        meta, status, labels = item["metadata"], item.get("status") or {}, item["metadata"].get("labels") or {}
        containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
        return cls(
            name=meta["name"],
            uid=meta.get("uid", ""),
            node=item["spec"].get("nodeName"),
            phase=status.get("phase", "Unknown"),
            ready=conditions.get("Ready", {}).get("status") == "True",
            owner=controller_of(item),
            revision=labels.get("controller-revision-hash") or labels.get("pod-template-hash", ""),
            image_ids={container["name"]: container.get("imageID", "") for container in containers},
            restarts_of={container["name"]: container.get("restartCount", 0) for container in containers},
            deleted=meta.get("deletionTimestamp"),
            grace=meta.get("deletionGracePeriodSeconds") or 0,
            troubles=(*_unscheduled(conditions), *(trouble for one in containers for trouble in _waiting(one))),
        )

    def as_result(self) -> Json:
        """What a module returns about it."""
        return {
            "name": self.name,
            "node": self.node,
            "phase": self.phase,
            "ready": self.ready and not self.deleted,
            "image_id": dict(self.image_ids),
            "deletion_timestamp": self.deleted,
        }


@dataclass(frozen=True)
class Observed:
    """All that is known about a workload at one moment."""

    workload: Workload
    live: Json
    revisions: tuple[Revision, ...]
    pods: tuple[Pod, ...]
    autoscaler: Autoscaler | None = None
    current_owner: str = ""
    """Which pods are of the live template: the uid of its ReplicaSet, or its controller-revision-hash."""
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    """Why pods could not be created lately, where the object's status does not tell (all but Deployments)."""

    @property
    def template(self) -> Json:
        """The live pod template."""
        template: Json = self.live["spec"]["template"]
        return template

    @property
    def annotations(self) -> dict[str, str]:
        """The object's annotations."""
        return self.live["metadata"].get("annotations") or {}

    @property
    def replicas(self) -> int:
        """The wanted count; for a DaemonSet the number of nodes it should run on."""
        if self.workload.kind == "DaemonSet":
            return int((self.live.get("status") or {}).get("desiredNumberScheduled", 0))
        return int(self.live["spec"].get("replicas", 1))

    @property
    def recorded(self) -> int | None:
        """The count that a quiesce wrote down, if there is one."""
        text = self.annotations.get(REPLICAS, "")
        return int(text) if text.isdecimal() else None

    @property
    def bounds(self) -> Autoscaler | None:
        """The autoscaler; the one that a quiesce has written down where there is none now."""
        return self.autoscaler or Autoscaler.from_record(self.annotations.get(HPA, ""))

    @property
    def revision(self) -> int | None:
        """The number of the live revision."""
        if self.workload.kind == "Deployment":
            text = self.annotations.get(REVISION, "")
            return int(text) if text.isdecimal() else None
        return max((revision.number for revision in self.revisions), default=None)

    def is_current(self, pod: Pod) -> bool:
        """Whether ``pod`` was made from the live template."""
        return bool(self.current_owner) and self.current_owner in (pod.owner, pod.revision)


def controller_of(item: Json) -> str:
    """The uid of the controller that owns an object, or an empty text."""
    for owner in item["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def selector_of(live: Json) -> str:
    """The label selector of a workload, as the API's query wants it."""
    selector = live["spec"]["selector"]
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or []:
        key, values = rule["key"], ",".join(rule.get("values") or [])
        terms.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                rule["operator"], f"!{key}"
            )
        )
    return ",".join(terms)


def _unscheduled(conditions: Mapping[str, Json]) -> tuple[Trouble, ...]:
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return (Trouble("", scheduled.get("reason", "Unschedulable"), scheduled.get("message", "")),)
    return ()


def _waiting(status: Json) -> tuple[Trouble, ...]:
    waiting = (status.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return ()
    return (Trouble(status["name"], reason, waiting.get("message", "")),)
