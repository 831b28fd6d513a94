# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers every part shares: times, names, conditions, owners."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # what the server builds generated names from: no vowels, no look-alikes


def now() -> str:
    """The time as metav1.Time writes it: whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_micro() -> str:
    """The time as metav1.MicroTime writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def in_seconds(seconds: float) -> str:
    """The time ``seconds`` from now."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(stamp: str) -> float:
    """Seconds from an RFC 3339 time to now."""
    return (datetime.now(UTC) - datetime.fromisoformat(stamp)).total_seconds()


def copy(value: Any) -> Any:
    """A deep copy of JSON data."""
    return json.loads(json.dumps(value))


def random_suffix(length: int = 5) -> str:
    """The tail of a generated name."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def safe_hash(value: Any) -> str:
    """FNV-1a of the canonical JSON in the alphabet of pod-template-hash: same data, same word."""
    number = 0x811C9DC5
    for byte in json.dumps(value, sort_keys=True, separators=(",", ":")).encode():
        number = ((number ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(number))


def controller_of(item: Object) -> Object | None:
    """The ownerReference that controls the object."""
    return next((ref for ref in item["metadata"].get("ownerReferences", []) if ref.get("controller")), None)


def owner_reference(owner: Object) -> Object:
    """A controlling reference to ``owner``."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_owned_by(item: Object, owner: Object) -> bool:
    """Whether ``owner`` controls ``item``."""
    ref = controller_of(item)
    return ref is not None and ref["uid"] == owner["metadata"]["uid"]


def condition(item: Object, kind: str) -> Object | None:
    """A condition of the status by its type."""
    return next((found for found in item.get("status", {}).get("conditions", []) if found["type"] == kind), None)


def pod_is_ready(pod: Object) -> bool:
    """Whether the Ready condition is True."""
    found = condition(pod, "Ready")
    return found is not None and found["status"] == "True"


def pod_is_active(pod: Object) -> bool:
    """Neither finished nor leaving."""
    return pod["status"].get("phase") not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]
