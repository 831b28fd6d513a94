# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops Argo CD or Flux from putting a release back, until a person has reverted it in the repository."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .._module import RollbackError
from .client import MERGE_PATCH, ApiError, Cluster, Json
from .model import PREFIX
from .owner import Owner
from .plan import Plan

SYNC_POLICY = PREFIX + "sync-policy"
"""Annotation of an Application that keeps the automatic sync it had."""


def suspend_owners(cluster: Cluster, plans: Iterable[Plan], argocd_namespace: str, *, dry_run: bool) -> list[Owner]:
    """Suspend every tool that owns a workload about to be changed; those that were not suspended before."""
    owners = {plan.owner(argocd_namespace) for plan in plans if plan.changed}
    known = sorted((owner for owner in owners if owner and owner.path), key=lambda owner: owner.path)
    return [owner for owner in known if _suspend(cluster, owner, dry_run=dry_run)]


def _suspend(cluster: Cluster, owner: Owner, *, dry_run: bool) -> bool:
    try:
        live = cluster.get(owner.path)
        change = _argocd_change(live) if owner.tool == "Argo CD" else _flux_change(live)
        if change is None:
            return False
        change.setdefault("metadata", {})["resourceVersion"] = live["metadata"]["resourceVersion"]
        cluster.patch(owner.path, change, content_type=MERGE_PATCH, dry_run=dry_run)
    except ApiError as error:
        raise RollbackError(
            f"{owner.tool} ({owner.namespace}/{owner.name}) could not be suspended: {error.message}. {owner.advice}"
        ) from None
    return True


def _argocd_change(live: Json) -> Json | None:
    automated = (live["spec"].get("syncPolicy") or {}).get("automated")
    if automated is None:
        return None
    return {
        "metadata": {"annotations": {SYNC_POLICY: json.dumps(automated)}},
        "spec": {"syncPolicy": {"automated": None}},
    }


def _flux_change(live: Json) -> Json | None:
    return None if live["spec"].get("suspend") else {"spec": {"suspend": True}}
