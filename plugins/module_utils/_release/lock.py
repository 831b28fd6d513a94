# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock as data and decisions: who holds it, whether it may be taken, and what a new holder writes into it.

Clocks of different machines are never compared. The times in a lock are for people; whether a holder is alive is told
by watching for a whole duration, on one's own clock, that nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from .._module import RollbackError

RENEWALS = 4
"""How often a holder renews within one duration: three may fail before anybody else may take the lock."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, written as ``user@host/pid-place-start:environment``.

    ``place`` stands for the machine's boot and its process ids (a container has its own), ``start`` for when the
    process began: with them a process id names one process for ever. ``environment`` is the one that it rolls back:
    one process works on several, and those of them that share a lock are as far apart as two runs.
    """

    user: str
    host: str
    pid: int | None = None
    place: str = ""
    start: str = ""
    environment: str = ""

    def __str__(self) -> str:
        marks = "".join(f"-{mark}" for mark in (self.place, self.start) if mark)
        where = f":{quote(self.environment, safe='')}" if self.environment else ""
        return f"{self.user}@{self.host}" + (f"/{self.pid or ''}{marks}{where}" if self.pid or marks else "")

    @property
    def told(self) -> str:
        """As people are told: ``user@host/pid``."""
        return f"{self.user}@{self.host}" + (f"/{self.pid}" if self.pid else "")

    @classmethod
    def parse(cls, text: str) -> Holder:
        """Read the written form; text of another tool becomes a user without a process."""
        who, _unused, rest = text.rpartition("/")
        process, _unused, where = rest.partition(":")
        pid, _unused, marks = process.partition("-")
        known = bool(who) and (pid.isdecimal() or (not pid and bool(marks)))
        user, _unused, host = (who if known else text).partition("@")
        if not known:
            return cls(user, host)
        place, _unused, start = marks.partition("-")
        return cls(user, host, int(pid) if pid else None, place, start, unquote(where))


@dataclass(frozen=True)
class Lease:
    """What a lock says. ``holder`` is empty while it is free; ``token`` grows with every change of holder.

    Times are aware and come from the holder's clock; ``duration`` is in seconds; ``version`` changes with every write.
    """

    holder: str
    acquired_at: datetime
    renewed_at: datetime
    duration: int
    token: int
    version: str

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], version: str) -> Lease:
        """Read the ``spec`` of a Lease object."""
        renewed = _moment(spec.get("renewTime") or spec.get("acquireTime") or "1970-01-01T00:00:00Z")
        return cls(
            holder=spec.get("holderIdentity") or "",
            acquired_at=_moment(spec["acquireTime"]) if spec.get("acquireTime") else renewed,
            renewed_at=renewed,
            duration=max(1, int(spec.get("leaseDurationSeconds") or 0)),
            token=int(spec.get("leaseTransitions") or 0),
            version=version,
        )

    def says(self, spec: Mapping[str, Any]) -> bool:
        """Whether it is what writing ``spec`` makes of a lock; the moment in it tells one's own write from others."""
        wanted = self.from_spec({"leaseTransitions": self.token, "leaseDurationSeconds": self.duration, **spec}, "")
        return replace(wanted, version=self.version) == self

    def is_due(self, now: datetime) -> bool:
        """Whether its holder, by whose clock ``now`` is, should renew it."""
        return not 0 <= (now - self.renewed_at).total_seconds() < self.duration / RENEWALS


def may_take(lease: Lease | None, me: str, alive: bool | None, take_over: bool) -> str | None:
    """Why ``me`` may hold the lock now: free, mine, dead or taken over; None when another one holds it.

    ``alive`` tells whether the holder's process runs; None when that cannot be known from here.
    """
    if lease is None or not lease.holder:
        return "free"
    if lease.holder == me:
        return "mine"
    if alive is False:
        return "dead"
    return "taken over" if take_over else None


def refusal(lease: Lease, name: str, me: str = "") -> RollbackError:
    """Who is at work, since when, and how to go on if they are not; ``me`` is who is refused."""
    holder = Holder.parse(lease.holder)
    if holder.pid and replace(holder, environment="") == replace(Holder.parse(me), environment=""):
        return RollbackError(
            f"this run itself holds the lock {name}, for {holder.environment or 'another environment'}: environments "
            "that share a lock are worked on one after the other. Run again with -e wave=1 or --limit ENVIRONMENT, or "
            "give each a lock of its own in the inventory (checklist_lock_namespace or checklist_lock_directory)",
            holder=lease.holder,
        )
    where = f" in {holder.environment}" if holder.environment else ""
    return RollbackError(
        f"{holder.told} holds the lock {name} since {lease.acquired_at:%Y-%m-%d %H:%M:%S} UTC "
        f"(renewed at {lease.renewed_at:%H:%M:%S} UTC by its clock): another rollback is running{where}. "
        f"One that is dead is found out within {lease.duration} s by running again; if it is known to be dead, "
        "or has to be stopped, run again with -e checklist_take_over=true",
        holder=lease.holder,
    )


def lost(lease: Lease | None, name: str) -> RollbackError:
    """The lock is not ours any more: nothing may be written."""
    if lease is None or not lease.holder:
        told = f"the lock {name} was released or deleted"
    else:
        told = (
            f"{Holder.parse(lease.holder).told} took the lock {name} over at {lease.acquired_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    return RollbackError(f"{told}, so this run has stopped and writes nothing any more", lock_lost=True)


def held_by(holder: str, lease: Lease | None, now: datetime, duration: int) -> dict[str, Any]:
    """The spec of a Lease that ``holder`` holds from ``now`` on; the transitions are the fencing token."""
    mine = lease is not None and lease.holder == holder
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": duration,
        "acquireTime": _text(lease.acquired_at if lease and mine else now),
        "renewTime": _text(now),
        "leaseTransitions": (lease.token if lease else 0) + (not mine),
    }


FREE: Mapping[str, Any] = {"holderIdentity": None, "acquireTime": None, "renewTime": None}
"""The change that releases a lock; its token stays, so that the next one is larger."""


def _text(moment: datetime) -> str:
    """MicroTime: the API server refuses a fraction that is not written out."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
