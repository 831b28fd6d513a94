# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what to write to a workload, as one guarded change, or refuses before anything is touched. No I/O."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._module import RollbackError
from .evaluate import OTHER, PREVIOUS, position, undecided
from .identity import QUIESCED, RESTART_ID, RESTARTED_AT, as_written, images_of
from .model import CHANGE_CAUSE, HPA, LAST_APPLIED, MARKED, REPLICAS, Json, Observed, Workload
from .owner import Owner, owner_of
from .patience import UNSCHEDULABLE
from .stuck import NOTHING, partitioned, paused, waits_for_deletion
from .target import Target, find_target

QUIESCED_STATE, ROLLED_BACK, RESTORED, RESTARTED = "quiesced", "rolled_back", "restored", "restarted"
GONE, SERVING = "gone", "serving"
REFUSE, IGNORE, SUSPEND = "refuse", "ignore", "suspend"
WRITTEN = (("metadata", "annotations"), ("spec", "template"), ("spec", "replicas"), ("spec", "paused"))
LAST_APPLIED_LIMIT = 100_000
"""Bytes; all annotations of an object together may have 256 KiB."""


@dataclass(frozen=True)
class Options:
    """What the caller asks for, for all workloads of a call. Times in seconds."""

    state: str
    timeout: float = 600
    soak: float = 10
    unschedulable: float = UNSCHEDULABLE
    resume_paused: bool = False
    owner_policy: str = REFUSE
    argocd_namespace: str = "argocd"
    change_cause: str = ""
    replicas: Mapping[str, int] = field(default_factory=dict)
    restart_id: str = ""
    now: str = ""
    """Time of a restart, RFC 3339."""


@dataclass(frozen=True)
class Plan:
    """One workload's change: the object as it is and as it shall be, and what to wait for."""

    observed: Observed
    after: Json
    wanted: int
    wait: str
    strategy: str
    target: Target | None = None
    notes: tuple[str, ...] = ()

    @property
    def workload(self) -> Workload:
        """What the plan is for."""
        return self.observed.workload

    @property
    def operations(self) -> list[Json]:
        """A JSON patch of what differs; it carries the resourceVersion, so a stale one is refused with 409."""
        before, after = self.observed.live, self.after
        changes = []
        for parent, name in WRITTEN:
            old, new = before[parent].get(name), after[parent].get(name)
            if old == new:
                continue
            path = f"/{parent}/{name}"
            changes.append({"op": "remove", "path": path} if new is None else {"op": "add", "path": path, "value": new})
        if not changes:
            return []
        version = before["metadata"]["resourceVersion"]
        return [{"op": "replace", "path": "/metadata/resourceVersion", "value": version}, *changes]

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.operations)

    def owner(self, argocd_namespace: str) -> Owner | None:
        """The tool that would undo the change."""
        return owner_of(self.observed.live, argocd_namespace)

    def shown(self, live: Json) -> Json:
        """The part of ``live`` that the diff shows."""
        annotations = live["metadata"].get("annotations") or {}
        shown = {"images": images_of(live["spec"]["template"]), "replicas": live["spec"].get("replicas")}
        return {**shown, "annotations": {name: annotations[name] for name in MARKED if name in annotations}}


def plan(observed: Observed, options: Options) -> Plan:
    """The change that ``options.state`` asks for. Raises :class:`RollbackError` if it must not be made."""
    planners: Mapping[str, Callable[[Observed, Options], Plan]] = {
        QUIESCED_STATE: _quiesce,
        ROLLED_BACK: _roll_back,
        RESTORED: _restore,
        RESTARTED: _restart,
    }
    return planners[options.state](observed, options)


def restored_replicas(observed: Observed, options: Options) -> int:
    """The count to return to: the caller's, or the larger of recorded and current; within the autoscaler's bounds."""
    workload = observed.workload
    given = options.replicas.get(f"{workload.namespace}/{workload.name}", options.replicas.get(workload.name))
    count = given if given is not None else max(observed.recorded or 0, observed.replicas)
    return observed.bounds.within(count) if observed.bounds else count


def _quiesce(observed: Observed, options: Options) -> Plan:
    where = position(observed)
    if where == PREVIOUS:
        return Plan(observed, observed.live, observed.replicas, "", "none")
    _refuse_unless_ready(observed, options, where)
    target = find_target(observed)  # what cannot be brought back is not taken down
    after = copy.deepcopy(observed.live)
    if observed.workload.kind == "DaemonSet":
        spec = after["spec"]["template"]["spec"]
        spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), QUIESCED: "true"}
    else:
        after["spec"]["replicas"] = 0
    notes: tuple[str, ...] = ()
    if observed.replicas:
        marks = {REPLICAS: str(max(observed.recorded or 0, observed.replicas))}
        if observed.bounds:
            marks[HPA] = observed.bounds.to_record()
            if observed.bounds.scaled_object and options.owner_policy != SUSPEND:
                notes = (_keda_note(observed.workload, observed.bounds.scaled_object),)
        after["metadata"]["annotations"] = {**observed.annotations, **marks}
    return Plan(observed, after, 0, GONE, "quiesce", target, (*observed.warnings, *notes))


def _keda_note(workload: Workload, name: str) -> str:
    command = f"kubectl -n {workload.namespace} annotate scaledobject {name} autoscaling.keda.sh/paused"
    return (
        f"{workload} is scaled by KEDA, which may start pods from 0 while it is quiesced. owner_policy=suspend holds "
        f"it; or type: {command}=true, and before the pods come back: {command}-"
    )


def _roll_back(observed: Observed, options: Options) -> Plan:
    where = position(observed)
    if where == PREVIOUS:
        return _restore(observed, options)
    _refuse_unless_ready(observed, options, where)
    return brought_back(observed, options)


def brought_back(observed: Observed, options: Options) -> Plan:
    """The change that takes the release back, whatever may stand in its way."""
    target = find_target(observed)
    after = _with_replicas(observed, options)
    after["spec"]["template"] = target.template
    after["spec"].pop("paused", None)
    annotations = after["metadata"].get("annotations") or {}
    images = ", ".join(f"{one.name}={one.previous}" for one in observed.workload.containers if one.previous)
    annotations[CHANGE_CAUSE] = options.change_cause or f"rolled back to {images}"
    if LAST_APPLIED in annotations:
        annotations[LAST_APPLIED] = _applied(annotations[LAST_APPLIED], target.template)
    after["metadata"]["annotations"] = annotations
    wanted = restored_replicas(observed, options)
    notes = (*observed.warnings, *((f"{observed.workload}: {target.note}",) if target.note else ()))
    return Plan(observed, after, wanted, SERVING, _strategy(observed), target, (*notes, *_empty(observed, wanted)))


def _restore(observed: Observed, options: Options) -> Plan:
    """Bring the count back, whatever version runs."""
    if not all(observed.is_current(pod) for pod in observed.pods):
        _refuse_if_stuck(observed, options)
    after = _with_replicas(observed, options)
    after["spec"]["template"] = _unquiesced(observed)
    if options.resume_paused:
        after["spec"].pop("paused", None)
    wanted = restored_replicas(observed, options)
    strategy = "scale" if after != observed.live else "none"
    return Plan(observed, after, wanted, SERVING, strategy, notes=(*observed.warnings, *_empty(observed, wanted)))


def _restart(observed: Observed, options: Options) -> Plan:
    if not observed.replicas:
        return Plan(observed, observed.live, 0, "", "none")
    after = copy.deepcopy(observed.live)
    metadata = after["spec"]["template"].setdefault("metadata", {})
    marks = metadata.get("annotations") or {}
    if not options.restart_id or marks.get(RESTART_ID) != options.restart_id:
        marks = {**marks, RESTARTED_AT: options.now, **({RESTART_ID: options.restart_id} if options.restart_id else {})}
        metadata["annotations"] = marks
    _refuse_if_stuck(observed, options)
    after["spec"].pop("paused", None)
    strategy = "restart" if after != observed.live else "none"
    return Plan(observed, after, observed.replicas, SERVING, strategy)


def _with_replicas(observed: Observed, options: Options) -> Json:
    """A copy of the live object with the count restored and our own annotations removed."""
    after = copy.deepcopy(observed.live)
    if observed.workload.kind != "DaemonSet":
        after["spec"]["replicas"] = restored_replicas(observed, options)
    if "annotations" in after["metadata"]:
        kept = {name: value for name, value in observed.annotations.items() if name not in (REPLICAS, HPA)}
        after["metadata"]["annotations"] = kept
    return after


def _unquiesced(observed: Observed) -> Json:
    selector = observed.template["spec"].get("nodeSelector") or {}
    return as_written(observed.template) if QUIESCED in selector else observed.template


def _empty(observed: Observed, wanted: int) -> tuple[str, ...]:
    if wanted or observed.workload.kind == "DaemonSet":
        return ()
    return (f"{observed.workload} has 0 replicas and no other count was recorded: it serves nothing",)


def _strategy(observed: Observed) -> str:
    if not observed.replicas:
        return "quiesced"
    recreate = (observed.live["spec"].get("strategy") or {}).get("type") == "Recreate"
    return "recreate" if recreate else "rolling"


def _refuse_unless_ready(observed: Observed, options: Options, where: str) -> None:
    """Raise if the live version is a third one, or if something else would undo the change."""
    workload = observed.workload
    if where == OTHER and (why := undecided(observed)):
        raise RollbackError(f"{why}; {NOTHING}", live=images_of(observed.template))
    if where == OTHER:
        live = ", ".join(f"{name}={image}" for name, image in images_of(observed.template).items())
        release = ", ".join(f"{one.name}={one.current}" for one in workload.containers)
        previous = ", ".join(f"{one.name}={one.previous}" for one in workload.containers)
        raise RollbackError(
            f"{workload} runs {live}: neither the release ({release}) nor the previous version ({previous}); "
            f"nothing was changed. See how it came there: kubectl rollout history {workload.target}",
            live=images_of(observed.template),
        )
    owner = owner_of(observed.live, options.argocd_namespace)
    if owner and (options.owner_policy == REFUSE or (options.owner_policy == SUSPEND and not owner.path)):
        raise RollbackError(
            f"{workload} is managed by {owner.tool} ({owner.name}), which would put the release back; nothing was "
            f"changed. {owner.advice[0].upper()}{owner.advice[1:]}",
            owner=owner.as_result(),
        )
    _refuse_if_stuck(observed, options)


def _refuse_if_stuck(observed: Observed, options: Options) -> None:
    """Raise if the controller would take the change and then do nothing, or only a part of it."""
    replaces = options.state in (ROLLED_BACK, RESTARTED)
    found = (
        "" if options.resume_paused else paused(observed),
        partitioned(observed),
        waits_for_deletion(observed) if replaces else "",
    )
    if why := next(filter(None, found), ""):
        raise RollbackError(why)


def _applied(text: str, template: Json) -> str:
    """kubectl's memory of what was applied, with the template that is live now.

    Left as it was, the next ``kubectl apply`` would not remove what the rollback brought back (kubernetes#94698).
    """
    try:
        applied: Any = json.loads(text)
        applied["spec"]["template"] = template
    except (ValueError, KeyError, TypeError):
        return text
    renewed = json.dumps(applied, separators=(",", ":")) + "\n"
    return renewed if len(renewed) < LAST_APPLIED_LIMIT else text
