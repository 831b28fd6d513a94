# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules tell about secrets: names, versions and keyed hashes, never a value."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from .._digest import digest
from .model import Observation, Reading, Step
from .plan import difference, equal, position, problems, target_state, text

SHOWN = 12  # hexadecimal digits of a hash in a diff


def digests(key: str, reading: Reading) -> dict[str, str]:
    """The keyed hash of every top-level value; empty if there is nothing to read."""
    data = reading.data if isinstance(reading.data, dict) else {}
    return {name: digest(key, text(value)) for name, value in sorted(data.items())}


def outcome(step: Step, version: int, key: str | None) -> dict[str, Any]:
    """What happened, or would happen, to one secret: ``version`` is live afterwards."""
    observation = step.observation
    wanted = observation.wanted
    change = difference(observation.live.data, wanted.data) if wanted.exists else None
    return {
        "path": step.target.path,
        "mount": step.target.mount,
        "from_version": observation.live.version,
        "to_version": version,
        "restored_version": step.target.version,
        "changed": step.writes or step.undelete,
        "undeleted": step.undelete,
        "keys_added": list(change.added) if change else [],
        "keys_removed": list(change.removed) if change else [],
        "keys_changed": list(change.changed) if change else [],
        **({"digests": digests(key, wanted)} if key else {}),
    }


def finding(observation: Observation, undelete: bool) -> dict[str, Any]:
    """What is known about one secret before anything is done."""
    target, rights = observation.target, observation.rights
    both = observation.live.exists and observation.wanted.exists
    change = difference(observation.live.data, observation.wanted.data) if both else None
    return {
        "path": target.path,
        "mount": target.mount,
        "live_version": observation.live.version,
        "live_state": "missing" if observation.live.state == "absent" else observation.live.state,
        "target_version": target.version or observation.live.version,
        "target_state": target_state(observation),
        "equal": equal(observation),
        "position": position(observation),
        "keys_added": list(change.added) if change else [],
        "keys_removed": list(change.removed) if change else [],
        "keys_changed": list(change.changed) if change else [],
        "rights": None if rights is None else {kind: sorted(names) for kind, names in rights.items()},
        "problems": problems(observation, undelete),
    }


def diff(steps: Sequence[Step], key: str | None) -> list[dict[str, Any]]:
    """Ansible's diff: the keys that differ, each with a shortened hash in place of its value.

    Without ``key`` the hashes hold for this one run: equal values look equal, and nobody can guess values from them.
    """
    return [_diff(step, key or secrets.token_hex(32)) for step in steps if step.writes]


def _diff(step: Step, key: str) -> dict[str, Any]:
    live, wanted = step.observation.live, step.observation.wanted
    change = difference(live.data, wanted.data)
    touched = {*change.added, *change.removed, *change.changed}

    def shown(reading: Reading) -> dict[str, str]:
        return {name: f"hmac:{value[:SHOWN]}" for name, value in digests(key, reading).items() if name in touched}

    return {
        "before_header": f"{step.target} version {live.version}",
        "after_header": f"{step.target} version {step.target.version}, written again",
        "before": shown(live),
        "after": shown(wanted) if wanted.exists else {"(deleted)": "readable only after the undelete"},
    }
