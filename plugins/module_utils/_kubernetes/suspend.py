# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops what would undo a rollback: Argo CD and Flux until a person has reverted the release, KEDA while it is down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .._module import RollbackError
from .client import MERGE_PATCH, ApiError, Cluster, Json, path_of
from .model import PREFIX, SCALED_OBJECTS
from .owner import Owner
from .plan import GONE, Plan

SYNC_POLICY = PREFIX + "sync-policy"
"""Annotation of an Application that keeps the automatic sync it had."""
SUSPENDED = PREFIX + "suspended"
"""Annotation of what was suspended by a rollback, and not by a person before."""
PAUSED = "autoscaling.keda.sh/paused"
PAUSED_AT = "autoscaling.keda.sh/paused-replicas"
"""Not used to hold KEDA, which would scale to that number before the count there was is written down."""


@dataclass(frozen=True)
class Suspended:
    """A tool whose reconciliation a rollback has suspended, now or in an earlier run."""

    owner: Owner
    resume: str
    changed: bool

    @property
    def note(self) -> str:
        """What a person has to do."""
        tool = f"{self.owner.tool} ({self.owner.name})"
        return f"{tool} is suspended. Once its repository has what runs now (git revert the release): {self.resume}"

    def as_result(self) -> Json:
        """What a module returns about it."""
        return {**self.owner.as_result(), "resume": self.resume, "note": self.note}


def suspend_owners(cluster: Cluster, plans: Iterable[Plan], argocd_namespace: str, *, dry_run: bool) -> list[Suspended]:
    """Suspend every tool that owns a workload about to be changed; tells also of those suspended by an earlier run."""
    owners: dict[str, tuple[Owner, bool]] = {}
    for plan in plans:
        owner = plan.owner(argocd_namespace)
        if owner and owner.path:
            owners[owner.path] = (owner, plan.changed or owners.get(owner.path, (owner, False))[1])
    found = [_suspend(cluster, owner, wanted, dry_run) for _unused, (owner, wanted) in sorted(owners.items())]
    return [one for one in found if one]


def _suspend(cluster: Cluster, owner: Owner, wanted: bool, dry_run: bool) -> Suspended | None:
    """Suspend ``owner`` if it is ``wanted``; None if it is not suspended, or was so by somebody else."""
    decide = _argocd_change if owner.tool == "Argo CD" else _flux_change
    try:
        live = cluster.get(owner.path)
        change = decide(live) if wanted else None
        if change:
            change["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            live = cluster.patch(owner.path, change, content_type=MERGE_PATCH, dry_run=dry_run)
    except ApiError as error:
        raise RollbackError(
            f"{owner.tool} ({owner.namespace}/{owner.name}) could not be suspended: {error.message}. {owner.advice}"
        ) from None
    marks = live["metadata"].get("annotations") or {}
    if SUSPENDED not in marks and SYNC_POLICY not in marks:
        return None
    return Suspended(owner, _resume_command(owner, marks.get(SYNC_POLICY)), bool(change))


def _argocd_change(live: Json) -> Json | None:
    automated = (live["spec"].get("syncPolicy") or {}).get("automated")
    if automated is None:
        return None
    return {
        "metadata": {"annotations": {SYNC_POLICY: json.dumps(automated)}},
        "spec": {"syncPolicy": {"automated": None}},
    }


def _flux_change(live: Json) -> Json | None:
    if live["spec"].get("suspend"):
        return None
    return {"metadata": {"annotations": {SUSPENDED: "true"}}, "spec": {"suspend": True}}


def _resume_command(owner: Owner, policy: str | None) -> str:
    """The command that puts back what was there."""
    spec: Json = {"syncPolicy": {"automated": json.loads(policy)}} if policy else {"suspend": False}
    change = {"metadata": {"annotations": {SYNC_POLICY if policy else SUSPENDED: None}}, "spec": spec}
    _unused, _unused, group, _unused, _unused, _unused, resource, _unused = owner.path.split("/")
    text = json.dumps(change, separators=(",", ":"))
    return f"kubectl -n {owner.namespace} patch {resource}.{group} {owner.name} --type merge -p '{text}'"


def pause_scalers(cluster: Cluster, plans: Sequence[Plan], *, dry_run: bool) -> list[str]:
    """Hold KEDA for workloads that are quiesced, and let go before their replicas come back; the names it changed.

    KEDA takes its HorizontalPodAutoscaler away meanwhile; the bounds are in the workload's annotation.
    """
    changed = []
    for plan in plans:
        name = _scaled_object(cluster, plan)
        change = _pause if plan.wait == GONE else _let_go
        if name and _annotate(cluster, path_of(SCALED_OBJECTS, plan.workload.namespace, name), change, dry_run):
            changed.append(f"{plan.workload.namespace}/{name}")
    return changed


def _scaled_object(cluster: Cluster, plan: Plan) -> str:
    """The ScaledObject of a workload, or an empty text. An earlier run may have ended before it was written down."""
    if plan.observed.bounds:
        return plan.observed.bounds.scaled_object
    try:
        items = cluster.get(path_of(SCALED_OBJECTS, plan.workload.namespace))["items"]
    except ApiError as error:
        if error.status in (403, 404):
            return ""
        raise
    for item in items:
        target = item["spec"]["scaleTargetRef"]
        same = (target.get("kind", "Deployment"), target["name"]) == (plan.workload.kind, plan.workload.name)
        if same and SUSPENDED in (item["metadata"].get("annotations") or {}):
            return str(item["metadata"]["name"])
    return ""


def _annotate(cluster: Cluster, path: str, decide: Callable[[Json], Json | None], dry_run: bool) -> bool:
    try:
        live = cluster.get(path)
        marks = decide(live["metadata"].get("annotations") or {})
        if marks:
            change = {"metadata": {"annotations": marks, "resourceVersion": live["metadata"]["resourceVersion"]}}
            cluster.patch(path, change, content_type=MERGE_PATCH, dry_run=dry_run)
    except ApiError as error:
        raise RollbackError(
            f"KEDA could not be held: {error.message}. Annotate its ScaledObject with {PAUSED}=true until the rollback "
            "is done, and set owner_policy=ignore"
        ) from None
    return bool(marks)


def _pause(marks: Json) -> Json | None:
    return None if PAUSED in marks or PAUSED_AT in marks else {PAUSED: "true", SUSPENDED: "true"}


def _let_go(marks: Json) -> Json | None:
    return {PAUSED: None, SUSPENDED: None} if SUSPENDED in marks else None
