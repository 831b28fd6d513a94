# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of a rollout and the status that tells of it: decisions without any I/O."""

from __future__ import annotations

import math
from typing import Any

from .meta import condition, copy, now, seconds_since

Object = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HASH_LABEL = "pod-template-hash"
_NOT_COPIED = {REVISION, HISTORY, DESIRED, MAXIMUM, LAST_APPLIED, "deprecated.deployment.rollback.to"}


def resolve(value: Any, total: int, *, up: bool) -> int:
    """A count or a percentage of ``total`` as a count."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * total / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value)


def fenceposts(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as counts; never both 0."""
    strategy = deployment["spec"]["strategy"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling, replicas = strategy.get("rollingUpdate") or {}, deployment["spec"]["replicas"]
    surge = resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return surge, 1 if surge == 0 and unavailable == 0 else unavailable


def max_unavailable(deployment: Object) -> int:
    """How many replicas may be missing."""
    replicas: int = deployment["spec"]["replicas"]
    return min(fenceposts(deployment)[1], replicas) if replicas else 0


def revision(replica_set: Object) -> int:
    """The revision that the annotation holds; 0 without one."""
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def bare_template(replica_set: Object) -> Object:
    """The template without the hash label, as the Deployment wrote it."""
    template: Object = copy(replica_set["spec"]["template"])
    template["metadata"].get("labels", {}).pop(HASH_LABEL, None)
    return template


def oldest_first(replica_sets: list[Object]) -> list[Object]:
    """In the order of their making."""
    return sorted(replica_sets, key=lambda rs: (rs["metadata"]["creationTimestamp"], rs["metadata"]["name"]))


def find_new(deployment: Object, replica_sets: list[Object]) -> Object | None:
    """The ReplicaSet with the Deployment's template."""
    template = deployment["spec"]["template"]
    return next((rs for rs in oldest_first(replica_sets) if bare_template(rs) == template), None)


def wanted(replica_sets: list[Object]) -> int:
    """The replicas that ReplicaSets are asked for."""
    return sum(rs["spec"].get("replicas", 0) for rs in replica_sets)


def counted(replica_sets: list[Object], field: str) -> int:
    """The sum of a status field."""
    return sum(rs["status"].get(field, 0) for rs in replica_sets)


def new_replicas(deployment: Object, everything: list[Object], current: int) -> int:
    """How many replicas the new ReplicaSet may have now."""
    replicas: int = deployment["spec"]["replicas"]
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return replicas
    room = replicas + fenceposts(deployment)[0] - wanted(everything)
    return current if room <= 0 else current + min(room, replicas - current)


def annotate_new(deployment: Object, replica_set: Object, number: int, *, exists: bool) -> bool:
    """Give the new ReplicaSet its annotations; whether any changed."""
    annotations = replica_set["metadata"].setdefault("annotations", {})
    before = dict(annotations)
    for key, value in (deployment["metadata"].get("annotations") or {}).items():
        if key not in _NOT_COPIED:
            annotations[key] = value
    old = int(annotations.get(REVISION, 0))
    if old < number:
        annotations[REVISION] = str(number)
        if REVISION in before and old > 0:
            history = [part for part in annotations.get(HISTORY, "").split(",") if part]
            annotations[HISTORY] = ",".join([*history, str(old)])
    if not exists:
        annotate_size(deployment, replica_set)
    return before != annotations


def annotate_size(deployment: Object, replica_set: Object) -> None:
    """Note the size that the Deployment wants and the most that it allows."""
    replicas = deployment["spec"]["replicas"]
    annotations = replica_set["metadata"].setdefault("annotations", {})
    annotations[DESIRED] = str(replicas)
    annotations[MAXIMUM] = str(replicas + fenceposts(deployment)[0])


def set_condition(status: Object, kind: str, value: str, reason: str, message: str, *, again: bool = False) -> None:
    """Set a condition unless it says the same already; ``again`` renews its update time in any case."""
    held = condition({"status": status}, kind)
    if held and (held["status"], held["reason"]) == (value, reason) and not again:
        return
    since = held["lastTransitionTime"] if held and held["status"] == value else now()
    fresh = {"type": kind, "status": value, "lastUpdateTime": now(), "lastTransitionTime": since}
    fresh |= {"reason": reason, "message": message}
    status["conditions"] = [c for c in status.get("conditions", []) if c["type"] != kind] + [fresh]


def drop_condition(status: Object, kind: str) -> None:
    """Take a condition away."""
    status["conditions"] = [found for found in status.get("conditions", []) if found["type"] != kind]
    if not status["conditions"]:
        del status["conditions"]


def status_of(deployment: Object, replica_sets: list[Object], new: Object | None) -> Object:
    """The counts and the Available condition."""
    available = counted(replica_sets, "availableReplicas")
    counts = {
        "replicas": counted(replica_sets, "replicas"),
        "updatedReplicas": counted([new], "replicas") if new else 0,
        "readyReplicas": counted(replica_sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted(replica_sets) - available, 0),
    }
    status: Object = {"observedGeneration": deployment["metadata"]["generation"]}
    status |= {key: value for key, value in counts.items() if value}
    if any("terminatingReplicas" in rs["status"] for rs in replica_sets):
        status["terminatingReplicas"] = counted(replica_sets, "terminatingReplicas")
    status["conditions"] = copy(deployment["status"].get("conditions", []))
    if available >= deployment["spec"]["replicas"] - max_unavailable(deployment):
        set_condition(status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        text = "Deployment does not have minimum availability."
        set_condition(status, "Available", "False", "MinimumReplicasUnavailable", text)
    return status


def complete(deployment: Object, status: Object) -> bool:
    """Whether every replica is updated and available and no old one is left."""
    replicas = deployment["spec"]["replicas"]
    fields = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(field, 0) == replicas for field in fields) and (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    )


def _progressing(old: Object, new: Object) -> bool:
    def left(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = any(new.get(f, 0) > old.get(f, 0) for f in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return grown or left(new) < left(old)


def timed_out(deployment: Object, status: Object) -> bool:
    """Whether nothing moved for the progress deadline."""
    held = condition({"status": status}, "Progressing")
    if held is None or held["reason"] == "NewReplicaSetAvailable":
        return False
    if held["reason"] == "ProgressDeadlineExceeded":
        return True
    return seconds_since(held["lastUpdateTime"]) > deployment["spec"]["progressDeadlineSeconds"]


def judge_progress(deployment: Object, status: Object, new: Object | None) -> None:
    """Write the Progressing condition of a rollout into ``status``."""
    subject = f'ReplicaSet "{new["metadata"]["name"]}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    held = condition(deployment, "Progressing")
    done = held is not None and held["reason"] == "NewReplicaSetAvailable"
    if done and status.get("replicas", 0) == status.get("updatedReplicas", 0):
        return
    if complete(deployment, status):
        set_condition(
            status, "Progressing", "True", "NewReplicaSetAvailable", f"{subject} has successfully progressed."
        )
    elif _progressing(deployment["status"], status):
        set_condition(status, "Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", again=True)
    elif timed_out(deployment, status):
        text = f"{subject} has timed out progressing."
        set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", text)
