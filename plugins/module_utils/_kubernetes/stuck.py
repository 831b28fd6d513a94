# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells where a controller would take a change and then do nothing, or only a part of it. No I/O."""

from __future__ import annotations

from .model import Observed

NOTHING = "nothing was changed"


def paused(observed: Observed) -> str:
    """Why a paused workload is refused; an empty text if it is not paused."""
    workload = observed.workload
    if not observed.live["spec"].get("paused"):
        return ""
    return (
        f"{workload} is paused, so a change would be accepted and do nothing; {NOTHING}. Set "
        f"resume_paused, or type: kubectl rollout resume {workload.target}"
    )


def partitioned(observed: Observed) -> str:
    """Why a StatefulSet that renews only some of its pods is refused; an empty text for all others."""
    strategy = observed.live["spec"].get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if not partition:
        return ""
    return (
        f"{observed.workload} has a partition of {partition}: pods below it would stay as they are; {NOTHING}. "
        "Set spec.updateStrategy.rollingUpdate.partition to 0 first"
    )


def waits_for_deletion(observed: Observed) -> str:
    """Why a workload with pods that only a person replaces is refused, unless all of them are gone before."""
    strategy = observed.live["spec"].get("updateStrategy") or {}
    if strategy.get("type") != "OnDelete" or not observed.pods:
        return ""
    return (
        f"{observed.workload} replaces pods only when they are deleted (OnDelete); {NOTHING}. Quiesce it first, "
        "or set spec.updateStrategy.type to RollingUpdate"
    )
