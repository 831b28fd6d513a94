# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a workload from what was observed: where it stands, whether it serves as wanted, what can never come right.

Counts decide, conditions do not: right after an undo observedGeneration is current while Progressing still tells of
the old success, and a stale ProgressDeadlineExceeded stays until the controller catches up.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .identity import (
    QUIESCED,
    comparable,
    fits_record,
    images_of,
    parse_image,
    rebuilt,
    same_build,
    same_image,
)
from .model import FIELD_MANAGER, Container, Json, Observed, Pod
from .patience import PATIENCE, Limits, patience

RELEASE, PREVIOUS, OTHER = "release", "previous", "other"


@dataclass(frozen=True)
class Problem:
    """Why a workload does not get on. ``key`` changes when it does get on, so age is counted by key."""

    reason: str
    pod: str
    container: str
    message: str
    fatal_after: float
    key: tuple[Any, ...]

    def __str__(self) -> str:
        where = f"container {self.container} of pod {self.pod}: " if self.container else ""
        where = where or (f"pod {self.pod}: " if self.pod else "")
        return f"{where}{self.reason}: {self.message}".rstrip(": ")


@dataclass(frozen=True)
class Health:
    """How far a workload is: ``settled`` when every count is as wanted and no other pod is left."""

    settled: bool
    wanted: int
    ready: int
    updated: int
    available: int
    summary: str
    problems: tuple[Problem, ...]
    mark: tuple[Any, ...]
    """Changes whenever a pod comes, goes or restarts: a soak has to begin anew."""


def position(observed: Observed) -> str:
    """Which version the live template is: that of the release, the previous one, or another.

    Where a release changed no image, the recorded template decides; without one there is nothing to roll back. Where it
    is another build of the same tag, the running digest decides alone; see also :func:`undecided`.
    """
    containers, live = observed.workload.containers, images_of(observed.template)
    running = _running_images(observed)

    def runs(one: Container, wanted: str | None) -> bool:
        same = same_build if rebuilt(one.current, one.previous) else same_image
        return same(live.get(one.name), wanted, running.get(one.name))

    release = all(runs(one, one.current) for one in containers)
    previous = all(runs(one, one.previous) for one in containers)
    if release and previous:
        record = observed.workload.template
        return PREVIOUS if record is None or fits_record(observed.template, record) else RELEASE
    return PREVIOUS if previous else RELEASE if release else OTHER


def undecided(observed: Observed) -> str:
    """Why nobody can tell which of two builds of one tag a workload runs; or an empty text."""
    images, running = images_of(observed.template), _running_images(observed)
    for one in observed.workload.containers:
        live = images.get(one.name)
        known = parse_image(live).digest or parse_image(running.get(one.name, "")).digest if live else "no container"
        if known or not rebuilt(one.current, one.previous):
            continue
        ids = sorted(_reported(observed).get(one.name, ()))
        told = f"report several builds ({', '.join(ids)})" if len(ids) > 1 else "report no digest"
        return (
            f"{observed.workload} runs {one.name}={live}, a tag that is {one.current} in the release and "
            f"{one.previous} before it, and its pods {told}, so nobody can tell which of them this is. If it is the "
            f"release, write so: kubectl set image {observed.workload.target} {one.name}={one.current}"
        )
    return ""


def intrusion(observed: Observed, written: Json, before: Json) -> str:
    """What somebody else has undone of ``written``, the object as it was after the change; or an empty text.

    ``before`` is the pod template that the change replaced. Other changes of the template are let be: tools that note a
    restart in it, or the digest of a Secret, do not bring the release back.
    """
    live, template = observed.live, comparable(observed.template)
    images = images_of(observed.template)
    if template != comparable(written["spec"]["template"]) and (
        images != images_of(written["spec"]["template"]) or template == comparable(before)
    ):
        told = ", ".join(f"{name}={image}" for name, image in images.items())
        return f"its pod template was changed (to {told}){last_writer(live)}"
    if _is_quiesced(written) and not _is_quiesced(live):
        return f"it was started again{last_writer(live)}"
    return ""


def _is_quiesced(live: Json) -> bool:
    selector = live["spec"]["template"]["spec"].get("nodeSelector") or {}
    return live["spec"].get("replicas") == 0 or QUIESCED in selector


def last_writer(live: Json) -> str:
    """Who changed ``live`` last, as the server noted it."""
    entries = [
        entry
        for entry in live["metadata"].get("managedFields") or []
        if entry.get("subresource") != "status" and entry.get("time") and entry.get("manager") != FIELD_MANAGER
    ]
    last = max(entries, key=lambda entry: str(entry["time"]), default=None)
    return f" by {last['manager']} at {last['time']}" if last else ""


def health(observed: Observed, wanted: int, limits: Limits | None = None) -> Health:
    """Compare ``observed`` with ``wanted`` pods of the live template, all ready and available, and no other."""
    status = observed.live.get("status") or {}
    names = (
        ("updatedNumberScheduled", "numberReady", "numberAvailable", "currentNumberScheduled")
        if observed.workload.kind == "DaemonSet"
        else ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
    )
    updated, ready, available, total = (int(status.get(name) or 0) for name in names)
    current = [pod for pod in observed.pods if observed.is_current(pod) and not pod.deleted]
    others = [pod for pod in observed.pods if pod not in current]
    leaving = any(pod.deleted for pod in others)
    seen = status.get("observedGeneration", 0) >= observed.live["metadata"].get("generation", 0)
    counts = {updated, ready, available, total, len(current), sum(pod.ready for pod in current), observed.replicas}
    settled = seen and counts == {wanted} and not others
    summary = f"{updated}/{wanted} updated, {ready}/{wanted} ready, {available}/{wanted} available"
    summary += f", {len(others)} old left" if others else ""
    mark = tuple(sorted((pod.name, pod.restarts) for pod in observed.pods))
    problems = [*_pod_problems(current, leaving, limits or Limits())]
    room = max((one.fatal_after for one in problems if one.reason == "Unschedulable"), default=0.0)
    problems += _object_problems(observed, current, leaving, wanted, seen, room)
    return Health(settled, wanted, ready, updated, available, summary, tuple(problems), mark)


def remaining(pods: Iterable[Pod], now: datetime.datetime) -> str:
    """Pods that are left, each with its node and, if it is leaving, for how many seconds."""
    return "; ".join(
        f"{pod.name} on node {pod.node or '(none)'}, "
        + (f"Terminating for {age_leaving(pod, now)} s" if pod.deleted else pod.phase)
        for pod in pods
    )


def age_leaving(pod: Pod, now: datetime.datetime) -> int:
    """Seconds since ``pod`` was told to leave: its deletion timestamp lies the grace period after that."""
    due = datetime.datetime.fromisoformat(str(pod.deleted))
    return max(0, round((now - due).total_seconds()) + pod.grace)


def _pod_problems(current: list[Pod], leaving: bool, limits: Limits) -> Iterable[Problem]:
    for pod in current:
        for trouble in pod.troubles:
            limit = patience(pod, trouble, limits)
            # Leaving pods may free the room that this one waits for.
            if limit is None or (leaving and not trouble.container):
                continue
            key = (limit[0], pod.name, trouble.container)
            yield Problem(trouble.reason, pod.name, trouble.container, trouble.message, limit[1], key)


def _object_problems(
    observed: Observed, current: list[Pod], leaving: bool, wanted: int, seen: bool, room: float
) -> Iterable[Problem]:
    """What the workload's own status and events tell; nothing before its controller has seen the change.

    While pods wait for a node its deadline says nothing more than that: it lasts ``room`` seconds then, as that does.
    """
    conditions = (observed.live.get("status") or {}).get("conditions") or []
    for condition in conditions if seen else ():
        reason, message = condition.get("reason", ""), condition.get("message", "")
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True" and not leaving:
            yield Problem(reason, "", "", message, PATIENCE["FailedCreate"], (reason,))
        if reason == "ProgressDeadlineExceeded":
            advance = tuple((pod.name, pod.phase, pod.ready, pod.restarts) for pod in current)
            yield Problem(reason, "", "", message, max(PATIENCE[reason], room), (reason, advance))
    if observed.refusals and len(current) < wanted and not leaving:
        yield Problem("FailedCreate", "", "", observed.refusals[-1], PATIENCE["FailedCreate"], ("FailedCreate",))


def _running_images(observed: Observed) -> dict[str, str]:
    """Image ids that the pods of the live template report, where they agree.

    A quiesced workload has no pods; it was the release, as nothing else is quiesced, until its template says otherwise.
    """
    if not observed.pods and observed.recorded is not None:
        return {one.name: one.current for one in observed.workload.containers if one.current}
    return {name: ids.pop() for name, ids in _reported(observed).items() if len(ids) == 1}


def _reported(observed: Observed) -> dict[str, set[str]]:
    """By container, the image ids that pods of the live template report; one that has not started reports none."""
    reported: dict[str, set[str]] = {}
    for pod in observed.pods:
        if observed.is_current(pod):
            for name, image in pod.image_ids.items():
                if image:
                    reported.setdefault(name, set()).add(image)
    return reported
