# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells what was observed of a workload, and everything that stands in the way of rolling it back."""

from __future__ import annotations

from collections.abc import Iterator

from .._module import RollbackError
from .evaluate import OTHER, RELEASE, health, position, undecided
from .identity import images_of, parse_image, rebuilt
from .model import Json, Observed
from .owner import Owner, owner_of
from .stuck import partitioned, waits_for_deletion
from .target import Target, find_target


def describe(observed: Observed, argocd_namespace: str, *, with_template: bool = False) -> Json:
    """One entry of the result of M(octalume.rollback.k8s_rollout_info)."""
    where, state = position(observed), health(observed, observed.replicas)
    owner = owner_of(observed.live, argocd_namespace)
    target, problem = _target(observed, where)
    scaler = observed.autoscaler
    return {
        "kind": observed.workload.kind,
        "name": observed.workload.name,
        "namespace": observed.workload.namespace,
        "position": where,
        "images": images_of(observed.template),
        "replicas": observed.replicas,
        "recorded_replicas": observed.recorded,
        "hpa": {"name": scaler.name, "min": scaler.minimum, "max": scaler.maximum} if scaler else None,
        "paused": bool(observed.live["spec"].get("paused")),
        "owner": owner.as_result() if owner else None,
        "revision": observed.revision,
        "deployed_at": _deployed_at(observed.live),
        "target": target.as_result() if target else None,
        "ready": state.ready,
        "updated": state.updated,
        "available": state.available,
        "pods": [pod.as_result() for pod in observed.pods],
        "problems": [*observed.warnings, *problem, *_problems(observed, where, owner), *map(str, state.problems)],
        "refusals": _refusals(observed, where),
        **({"template": observed.template} if with_template else {}),
    }


def _deployed_at(live: Json) -> str | None:
    """When the newest rollout of a Deployment made progress last; once complete, its condition stands still."""
    conditions = live.get("status", {}).get("conditions") or []
    return next((one.get("lastUpdateTime") for one in conditions if one["type"] == "Progressing"), None)


def _target(observed: Observed, where: str) -> tuple[Target | None, list[str]]:
    """What a rollback goes back to, and what is wrong with it."""
    if where != RELEASE:
        return None, []
    try:
        target = find_target(observed)
    except RollbackError as error:
        return None, [error.message]
    return target, [f"{observed.workload}: {target.note}"] if target.note else []


def _problems(observed: Observed, where: str, owner: Owner | None) -> Iterator[str]:
    workload, spec, scaler = observed.workload, observed.live["spec"], observed.autoscaler
    if where == OTHER:
        yield undecided(observed) or f"{workload} runs neither the release nor the previous version"
    if spec.get("paused"):
        yield f"{workload} is paused: kubectl rollout resume {workload.target}"
    if owner:
        yield f"{workload} is managed by {owner.tool} ({owner.name}): {owner.advice}"
    if not observed.replicas and observed.recorded is None:
        yield f"{workload} has 0 replicas"
    if scaler and observed.replicas and scaler.within(observed.replicas) != observed.replicas:
        bounds = f"{scaler.minimum} to {scaler.maximum}"
        yield f"{workload} has {observed.replicas} replicas, outside its autoscaler's {bounds}"
    if where == RELEASE:
        yield from _refusals(observed, where)["rolling"]
    yield from _moved_tags(observed)


def _refusals(observed: Observed, where: str) -> dict[str, list[str]]:
    """What k8s_rollout would say to refuse each way, beside what options allow: a paused rollout, and an owner."""
    if where == OTHER:
        why = list(filter(None, [undecided(observed)]))
        return {"quiesce": why, "rolling": why}
    if where != RELEASE:
        return {"quiesce": [], "rolling": []}
    return {
        "quiesce": list(filter(None, [partitioned(observed)])),
        "rolling": list(filter(None, [partitioned(observed), waits_for_deletion(observed)])),
    }


def _moved_tags(observed: Observed) -> Iterator[str]:
    """Containers whose pods run another digest than the manifest names for the live version."""
    images = images_of(observed.template)
    for container in observed.workload.containers:
        for wanted in (container.current, container.previous):
            digest = parse_image(wanted).digest if wanted else None
            live = parse_image(images.get(container.name, ""))
            if not digest or live.digest or not wanted or parse_image(wanted).tag != live.tag:
                continue
            running = {pod.image_ids.get(container.name, "") for pod in observed.pods if observed.is_current(pod)}
            known = {None, digest}
            if rebuilt(container.current, container.previous):
                known |= {parse_image(one).digest for one in (container.current, container.previous) if one}
            other = sorted(one for one in running if one and parse_image(one).digest not in known)
            if other:
                yield f"{observed.workload}: container {container.name} runs {other[0]}, the manifest has {wanted}"
