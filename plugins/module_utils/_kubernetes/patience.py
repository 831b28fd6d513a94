# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells for how long a reason why a pod does not run may stand before it is taken for one that never goes. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .model import Pod, Trouble

PULL = "ImagePull"
PULLS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed", "ImageInspectError"}
)
"""One and the same to us: the kubelet shows an attempt's error, and between two attempts that it backs off."""
PATIENCE: dict[str, float] = {
    # The kubelet tries again after 10 and after 20 s: three attempts, as registries and their networks have hiccups.
    PULL: 45,
    "InvalidImageName": 0,
    "ErrImageNeverPull": 0,
    "CreateContainerConfigError": 3,
    "CreateContainerError": 5,
    "RunContainerError": 5,
    "FailedCreate": 8,  # a quota that leaving pods are about to free
    "ProgressDeadlineExceeded": 30,
}
"""Seconds by reason. Others than these are waited for until the time is up."""
UNSCHEDULABLE = 180
"""Seconds for which no node may have room, where nobody says otherwise: where nodes are made on demand, 60 to 180."""
RESTARTS = 3
"""Crashes again in a wait that are a crash loop: about half a minute, as the kubelet backs off 0, 10 and 20 s. A first
or second one may be a database or another service that is not there yet at a cold start."""
UNKNOWN_IMAGE = re.compile(
    r"not found|manifest unknown|name unknown|repository does not exist|(?:is|access) denied|\bdenied: "
    r"|no match for platform",
    re.IGNORECASE,
)
"""What registries and container runtimes say of an image that will not be there at the next attempt either."""
HALF_PULLED = re.compile(r"extraction snapshot|extract layer|content digest", re.IGNORECASE)
"""What containerd says is not found while it unpacks: that is a hiccup of the node."""


@dataclass(frozen=True)
class Limits:
    """What a wait knows beside the state it looks at."""

    restarts_before: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By uid of the pod and name of the container, how often it had been started again when the wait began."""
    unschedulable: float = UNSCHEDULABLE
    """Seconds."""


def patience(pod: Pod, trouble: Trouble, limits: Limits) -> tuple[str, float] | None:
    """As what ``trouble`` counts, and the seconds for which it may stand; ``None`` if it is none."""
    reason = trouble.reason
    if reason in PULLS:
        certain = UNKNOWN_IMAGE.search(trouble.message) and not HALF_PULLED.search(trouble.message)
        return PULL, 0 if certain else PATIENCE[PULL]
    if reason == "CrashLoopBackOff":
        before = limits.restarts_before.get((pod.uid, trouble.container), 0)
        restarts = pod.restarts_of.get(trouble.container, 0) - before
        return reason, 0 if restarts >= RESTARTS else math.inf
    if reason == "Unschedulable":
        return reason, limits.unschedulable
    return (reason, PATIENCE[reason]) if reason in PATIENCE else None
