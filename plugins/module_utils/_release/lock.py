# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: a Lease that lets one rollback of a service run at a time, and says who holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .._module import RollbackError


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: written as ``user@host/pid``, the process id being that of the control process."""

    user: str
    host: str
    pid: int | None = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f"/{self.pid}" if self.pid else "")

    @classmethod
    def parse(cls, text: str) -> Holder:
        """Read the written form; text of another tool becomes a user without a process."""
        who, _, pid = text.rpartition("/")
        known = bool(who) and pid.isdecimal()
        user, _, host = (who if known else text).partition("@")
        return cls(user, host, int(pid) if known else None)


@dataclass(frozen=True)
class Lease:
    """What a Lease object says; times are aware, the duration is in seconds."""

    holder: str
    renewed_at: datetime
    acquired_at: datetime
    duration: int
    transitions: int
    resource_version: str

    @property
    def expires_at(self) -> datetime:
        """When the holder counts as gone."""
        return self.renewed_at + timedelta(seconds=self.duration)

    @classmethod
    def from_object(cls, body: Mapping[str, Any]) -> Lease | None:
        """Read a Lease object; one without a holder is free, and None."""
        spec = body.get("spec") or {}
        if not spec.get("holderIdentity"):
            return None
        renewed = _moment(spec.get("renewTime") or spec.get("acquireTime") or "1970-01-01T00:00:00Z")
        return cls(
            holder=spec["holderIdentity"],
            renewed_at=renewed,
            acquired_at=_moment(spec["acquireTime"]) if spec.get("acquireTime") else renewed,
            duration=int(spec.get("leaseDurationSeconds") or 0),
            transitions=int(spec.get("leaseTransitions") or 0),
            resource_version=body["metadata"]["resourceVersion"],
        )


def may_take(lease: Lease | None, me: Holder, now: datetime, alive: bool | None, take_over: bool) -> str | None:
    """Why ``me`` may hold the lock now: free, mine, expired, dead or taken over; None when another one holds it.

    ``alive`` tells whether the holder's process still runs; None when it ran on another machine.
    """
    if lease is None:
        return "free"
    if lease.holder == str(me):
        return "mine"
    if now > lease.expires_at:
        return "expired"
    if alive is False:
        return "dead"
    return "taken over" if take_over else None


def refusal(lease: Lease, name: str) -> RollbackError:
    """Who is at work, since when, and how to go on if they are not."""
    return RollbackError(
        f"{lease.holder} holds the lock {name} since {lease.acquired_at:%Y-%m-%d %H:%M:%S} UTC "
        f"(until {lease.expires_at:%H:%M:%S} UTC unless renewed): another rollback is running. "
        "If that one is known to be dead, run again with -e checklist_take_over=true",
        holder=lease.holder,
    )


def spec(lease: Lease | None, me: Holder, now: datetime, duration: int) -> dict[str, Any]:
    """The spec of a Lease that ``me`` holds from ``now`` on; the transitions are the fencing token."""
    mine = lease is not None and lease.holder == str(me)
    transitions = lease.transitions + (not mine) if lease else 1
    return {
        "holderIdentity": str(me),
        "leaseDurationSeconds": duration,
        "acquireTime": _text(lease.acquired_at if lease and mine else now),
        "renewTime": _text(now),
        "leaseTransitions": transitions,
    }


def _text(moment: datetime) -> str:
    """MicroTime: the API server refuses a fraction that is not written out."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
