# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a workload, its history, its pods and its autoscaler; owned means owned by uid, never merely labelled alike."""

from __future__ import annotations

from collections.abc import Iterable

from .._module import RollbackError
from .client import ApiError, Cluster, path_of
from .identity import same_revision
from .model import (
    AUTOSCALERS,
    COLLECTIONS,
    HISTORIES,
    PODS,
    REVISION,
    Autoscaler,
    Json,
    Observed,
    Pod,
    Revision,
    Workload,
    controller_of,
    selector_of,
)


def observe(cluster: Cluster, workload: Workload) -> Observed:
    """``workload`` as it is now. Raises :class:`RollbackError` if there is none of that name."""
    try:
        live = cluster.get(path_of(COLLECTIONS[workload.kind], workload.namespace, workload.name))
    except ApiError as error:
        if error.status == 404:
            raise RollbackError(
                f"there is no {workload}; look: kubectl -n {workload.namespace} get {workload.kind.lower()}s"
            ) from None
        raise
    selector = {"labelSelector": selector_of(live)}
    history = cluster.get(path_of(HISTORIES[workload.kind], workload.namespace), selector)["items"]
    pods = cluster.get(path_of(PODS, workload.namespace), selector)["items"]
    autoscaler, warning = autoscaler_of(cluster, workload)
    return assemble(workload, live, history, pods, autoscaler, (warning,) if warning else ())


def assemble(
    workload: Workload,
    live: Json,
    history: Iterable[Json],
    pods: Iterable[Json],
    autoscaler: Autoscaler | None = None,
    warnings: tuple[str, ...] = (),
) -> Observed:
    """Put together what belongs to ``live``, out of lists that hold more."""
    uid = live["metadata"]["uid"]
    owned = [item for item in history if controller_of(item) == uid]
    revisions = sorted((_revision(workload.kind, item) for item in owned), key=lambda revision: revision.number)
    owners = {revision.uid for revision in revisions} if workload.kind == "Deployment" else {uid}
    return Observed(
        workload=workload,
        live=live,
        revisions=tuple(revisions),
        pods=tuple(pod for pod in map(Pod.from_json, pods) if pod.owner in owners and not pod.finished),
        autoscaler=autoscaler,
        current_owner=_current_owner(workload.kind, live, owned),
        warnings=warnings,
    )


def _revision(kind: str, item: Json) -> Revision:
    meta = item["metadata"]
    if kind == "Deployment":
        number = int((meta.get("annotations") or {}).get(REVISION, 0))
        return Revision(number, meta["name"], meta["uid"], item["spec"]["template"])
    return Revision(int(item["revision"]), meta["name"], meta["uid"], item["data"]["spec"]["template"])


def _current_owner(kind: str, live: Json, owned: Iterable[Json]) -> str:
    """What marks pods of the live template; the newest revision if several hold the same template."""
    template = live["spec"]["template"]
    matching = [(_revision(kind, item), item) for item in owned]
    matching = [(revision, item) for revision, item in matching if same_revision(revision.template, template)]
    if not matching:
        return ""
    revision, item = max(matching, key=lambda pair: pair[0].number)
    if kind == "Deployment":
        return revision.uid
    if kind == "StatefulSet":
        return revision.name
    return str((item["metadata"].get("labels") or {}).get("controller-revision-hash", revision.name))


def autoscaler_of(cluster: Cluster, workload: Workload) -> tuple[Autoscaler | None, str]:
    """The autoscaler on ``workload``, or why it is not known."""
    try:
        items = cluster.get(path_of(AUTOSCALERS, workload.namespace))["items"]
    except ApiError as error:
        if error.status == 404:
            return None, ""
        if error.status == 403:
            return None, f"{workload}: autoscalers cannot be listed, so their bounds are not respected"
        raise
    for item in items:
        reference = item["spec"]["scaleTargetRef"]
        if (reference["kind"], reference["name"]) == (workload.kind, workload.name):
            return Autoscaler.from_json(item), ""
    return None, ""
