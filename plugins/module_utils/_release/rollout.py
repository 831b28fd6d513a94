# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to do to undo a release, seen from the manifest and the live world: steps, strategy and obstacles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

QUIESCE, ROLLING, NONE = "quiesce", "rolling", "none"
WHY = {
    QUIESCE: "a breaking down-migration is left, so no code may run while the schema changes",
    ROLLING: "no breaking down-migration is left, so pods are replaced one by one and no request fails",
    NONE: "everything is at the previous release already",
}

Observed = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Leave:
    """What the rollback may do about workloads that are paused, or that another tool owns."""

    resume_paused: bool = False
    owner_policy: str = "refuse"

    def refuses(self, owner: Mapping[str, Any] | None) -> bool:
        """Whether ``owner`` stands in the way."""
        if owner is None or self.owner_policy == "ignore":
            return False
        return self.owner_policy == "refuse" or not owner["suspendable"]


NO_LEAVE = Leave()


def applications_left(observed: Observed) -> list[dict[str, Any]]:
    """A step for each workload that runs the release, or that was scaled down and not yet brought back."""
    steps = []
    for workload in observed:
        interrupted = workload["position"] == "previous" and workload.get("recorded_replicas") is not None
        if workload["position"] == "release" or interrupted:
            images = ", ".join(workload["images"].values())
            target = workload.get("target") or {}
            to = ", ".join(target.get("images", {}).values()) or images
            steps.append(_step("application", workload["name"], images, to))
    return steps


def databases_left(observed: Observed, databases: Observed) -> list[dict[str, Any]]:
    """A step for each database that is not at the previous release's migration."""
    wanted = {database["name"]: database for database in databases}
    return [
        _step("database", name, f"migration {found['current']}", f"migration {wanted[name]['previous']}")
        for name, found in ((item["name"], item) for item in observed)
        if str(found["current"]) != str(wanted[name]["previous"])
    ]


def configurations_left(observed: Observed) -> list[dict[str, Any]]:
    """A step for each secret whose data is not the previous version's."""
    return [
        _step(
            "configuration",
            secret["path"],
            f"version {secret['live_version']}",
            f"the data of version {secret['target_version']}",
        )
        for secret in observed
        if not secret["equal"]
    ]


def cluster_configurations_left(observed: Observed) -> list[dict[str, Any]]:
    """A step for each ConfigMap or Secret of the cluster that does not hold what it held before the release."""
    return [
        _step(
            "configuration",
            f"{item['kind'].lower()}/{item['name']}",
            "missing" if item["position"] == "missing" else "the release's content",
            "its previous content",
        )
        for item in observed
        if not item["equal"]
    ]


def problems(
    applications: Observed, databases: Observed, wanted: Observed, configurations: Observed, leave: Leave = NO_LEAVE
) -> list[str]:
    """Why the release cannot be undone as its manifest says, one sentence each; none when it can.

    A sick release is no obstacle: it is what a rollback is for.
    """
    # What is quiesced first is refused for less: all its pods are new afterwards.
    way = QUIESCE if strategy(databases_left(databases, wanted), wanted, applications) == QUIESCE else ROLLING
    found = [text for workload in applications for text in _obstacles(workload, leave, way)]
    plans = {database["name"]: database for database in wanted}
    for database in databases:
        ends = [str(plans[database["name"]][end]) for end in ("current", "previous")]
        if str(database["current"]) not in ends:
            stands = f"database {database['name']} is at migration {database['current']}"
            found.append(f"{stands}, neither {' nor '.join(ends)}; somebody migrated since")
        found += [f"database {database['name']}: {text}" for text in database["problems"]]
    found += [text for secret in configurations if not secret["equal"] for text in secret["problems"]]
    return found


def _obstacles(workload: Mapping[str, Any], leave: Leave, way: str) -> list[str]:
    place = f"{workload['kind'].lower()}/{workload['name']}"
    refused = list((workload.get("refusals") or {}).get(way, ()))
    if workload["position"] == "other" and refused:
        return refused
    if workload["position"] == "other":
        images = ", ".join(workload["images"].values())
        return [f"{place} runs {images}, neither the release nor the previous one; somebody deployed since"]
    found = refused
    if workload["position"] == "release" and not workload["target"]:
        found.append(f"{place} has nothing to come back to: {'; '.join(workload['problems'])}")
    if workload["paused"] and not leave.resume_paused:
        found.append(f"{place} is paused; resume it: kubectl rollout resume {place} -n {workload['namespace']}")
    if workload["position"] == "release" and leave.refuses(workload["owner"]):
        found.append(f"{place} is managed by {workload['owner']['tool']}: {workload['owner']['advice']}")
    return found


def strategy(databases: Sequence[Mapping[str, Any]], wanted: Observed, left: Sequence[object]) -> str:
    """How pods are replaced: see :data:`WHY`."""
    if not left:
        return NONE
    breaking = {database["name"] for database in wanted if database["breaking"]}
    return QUIESCE if any(step["name"] in breaking for step in databases) else ROLLING


def _step(component: str, name: str, before: str, after: str) -> dict[str, Any]:
    return {"component": component, "name": name, "from": before, "to": after}
