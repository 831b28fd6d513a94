# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An event filter that makes one event of each alert which newly fires, and drops everything else."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

DOCUMENTATION = r"""
---
short_description: One event for each alert that newly fires
description:
  - Takes what Alertmanager sends to a webhook and passes on one event for each alert that fires, with C(alert) holding
    C(name), C(release), C(environment), C(service), C(fingerprint) and C(starts_at), and nothing else of the message.
  - Alerts that are resolved are dropped, and so are alerts without a label C(release). Alertmanager sends every alert
    of a group again with each change of the group and after its C(repeat_interval). An alert that was passed on
    already, told by its fingerprint and its start, is dropped too.
  - Other senders write C(release), C(environment) and C(id); a message with the same C(id) is dropped.
  - Values become variables of a playbook, where braces would be a template. So only those made of letters, digits and
    single signs of C(._+-) are passed on.
options:
  remember:
    description:
      - For how many seconds an alert is remembered. One that still fires after that is passed on again, since whatever
        it started has had no effect.
    type: float
    default: 3600
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    port: 5001
    token: "{{ rollback_eda_token }}"
  filters:
    - octalume.rollback.firing_alerts:
"""

logger = logging.getLogger(__name__)

# As release versions and the names of environments are written; no template, no path, no pattern of several hosts.
PLAIN = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z_+.-]{0,62}[0-9A-Za-z])?")
LABELS = ("release", "environment", "service")
MOST = 10_000  # alerts remembered

_seen: dict[tuple[str, str], float] = {}


def main(event: dict[str, Any], remember: float = 3600) -> list[dict[str, Any]]:
    """The events to pass on; none where nothing new fires."""
    payload, now = event.get("payload"), time.monotonic()
    for key in [key for key, at in _seen.items() if now - at >= remember] + list(_seen)[:-MOST]:
        _seen.pop(key, None)
    passed = []
    for alert in _alerts(payload) if isinstance(payload, Mapping) else ():
        key = (str(alert["fingerprint"]), str(alert["starts_at"]))
        if key in _seen:
            logger.info("alert %s of release %s again: dropped", alert["name"], alert["release"])
            continue
        _seen[key] = now
        passed.append({"alert": alert, "meta": {"endpoint": (event.get("meta") or {}).get("endpoint", "")}})
    return passed


def _alerts(payload: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The firing alerts of a message, their labels checked."""
    many = payload.get("alerts")
    if many is None:
        many = [{**payload, "labels": payload, "fingerprint": payload.get("id"), "startsAt": payload.get("id")}]
    for one in many if isinstance(many, list) else ():
        labels = one.get("labels") if isinstance(one, Mapping) else None
        if not isinstance(labels, Mapping) or one.get("status", "firing") != "firing":
            continue
        told = {name: str(labels.get(name) or "") for name in LABELS}
        bad = [name for name, value in told.items() if value and (not PLAIN.fullmatch(value) or ".." in value)]
        if bad or not told["release"]:
            why = f"its {bad[0]} cannot be one" if bad else "it has no label release"
            logger.warning("an alert is dropped: %s", why)
            continue
        yield {
            **told,
            "name": re.sub(r"[^\w .-]", "", str(labels.get("alertname") or "unnamed"))[:100],
            "fingerprint": re.sub(r"\W", "", str(one.get("fingerprint") or _identity(labels)))[:256],
            "starts_at": re.sub(r"[^\w:.+-]", "", str(one.get("startsAt") or ""))[:64],
        }


def _identity(labels: Mapping[str, Any]) -> str:
    """Of an alert without a fingerprint: all its labels."""
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels))
