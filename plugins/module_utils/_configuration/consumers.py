# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that pods run with what their ConfigMaps and Secrets hold now: by environment, or by when they started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._kubernetes.client import ApiError, Cluster, Json, path_of
from .._kubernetes.configuration import ERROR, FAIL, PASS, environment
from .._kubernetes.model import FIELD_MANAGER, PODS, Workload, selector_of
from .._kubernetes.observe import observe
from .._module import RollbackError
from .plan import Seen, text_values
from .recording import WORKERS
from .references import ENVIRONMENT, FILES, Data, expected_environment, references


@dataclass(frozen=True)
class Judgement:
    """One pod: variables that differ or are not there, and whether it started before its configuration was restored."""

    differing: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    early: bool = False
    unread: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing speaks against the pod."""
        return not (self.differing or self.missing or self.early)


def restored_at(live: Json) -> str:
    """When this collection last wrote the object, RFC 3339 by the server's clock; empty if it did not."""
    fields = live["metadata"].get("managedFields") or []
    return max((str(one.get("time") or "") for one in fields if one.get("manager") == FIELD_MANAGER), default="")


def judge(
    pod: Json,
    environments: Mapping[str, Mapping[str, str] | str],
    template: Json,
    data: Data,
    restored: Mapping[str, str],
) -> Judgement:
    """Compare one pod with ``data``, the content of its objects.

    ``environments`` has each container's variables, or why they could not be read; ``restored``, by how objects are
    used, when the last one was. The start decides about files, and about variables only if they could not be read.
    RFC 3339 in UTC compares as text.
    """
    differing, missing, unread = set(), set(), ""
    for container in template["spec"]["containers"]:
        found = environments.get(container["name"], {})
        if isinstance(found, str):
            unread = found
            continue
        for name, value in expected_environment(container, data).items() if found else ():
            if name not in found:
                missing.add(name)
            elif found[name] != value:
                differing.add(name)
    started = [
        (one["state"].get("running") or {}).get("startedAt") or ""
        for one in (pod.get("status") or {}).get("containerStatuses") or []
    ]
    latest = max(restored.get(FILES, ""), restored.get(ENVIRONMENT, "") if unread else "")
    early = bool(latest) and min(started, default="") < latest
    return Judgement(tuple(sorted(differing)), tuple(sorted(missing)), early, unread)


class Consumers:
    """Looks into every pod of the workloads that use the configurations of a release."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def check(self, workloads: Sequence[Workload], seen: Sequence[Seen]) -> list[Json]:
        """One entry for each of ``workloads`` that uses one of ``seen``."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return [found for found in pool.map(lambda workload: self._look(workload, seen), workloads) if found]

    def _look(self, workload: Workload, seen: Sequence[Seen]) -> Json | None:
        mine = [
            one
            for one in seen
            if one.live and workload.name in one.item.consumers and workload.namespace == one.item.namespace
        ]
        if not mine:
            return None
        place = {"kind": workload.kind, "name": workload.name, "namespace": workload.namespace}
        used = {"configurations": [f"{one.item.kind.lower()}/{one.item.name}" for one in mine]}
        try:
            judged = self._pods(workload, mine)
        except RollbackError as error:
            return {**place, **used, **_verdict([], error.message)}
        return {**place, **used, **_verdict(judged, "" if judged else "it has no running pod to look into")}

    def _pods(self, workload: Workload, mine: Sequence[Seen]) -> list[Judgement]:
        observed = observe(self._cluster, workload)
        data = {(one.item.kind, one.item.name): text_values(one.live) for one in mine if one.live}
        times = {(one.item.kind, one.item.name): restored_at(one.live) for one in mine if one.live}
        uses = [use for use in references(observed.template) if (use.kind, use.name) in data]
        restored = {
            how: max((times[use.kind, use.name] for use in uses if use.how == how), default="")
            for how in (ENVIRONMENT, FILES)
        }
        containers = sorted({use.container for use in uses if use.how == ENVIRONMENT})
        names = {pod.name for pod in observed.pods if not pod.deleted}
        query = {"labelSelector": selector_of(observed.live)}
        pods = self._cluster.get(path_of(PODS, workload.namespace), query)["items"]
        chosen = [pod for pod in pods if pod["metadata"]["name"] in names]

        def look(pod: Json) -> Judgement:
            found: dict[str, Any] = {name: self._environment(pod, name) for name in containers}
            return judge(pod, found, observed.template, data, restored)

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(look, chosen))

    def _environment(self, pod: Json, container: str) -> Mapping[str, str] | str:
        """The variables; a container without the program ``env`` can only be judged by its start."""
        try:
            return environment(self._cluster, pod["metadata"]["namespace"], pod["metadata"]["name"], container)
        except ApiError as error:
            return error.message


def _verdict(judged: Sequence[Judgement], error: str) -> Json:
    good = all(one.good for one in judged)
    unread = next((one.unread for one in judged if one.unread), None)
    return {
        "verdict": ERROR if error else PASS if good else FAIL,
        "pods": len(judged),
        "differing": sorted({name for one in judged for name in one.differing}),
        "missing": sorted({name for one in judged for name in one.missing}),
        "started_before": sum(one.early for one in judged),
        "unread": unread,
        "error": error or None,
    }
