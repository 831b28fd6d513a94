# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps rollbacks from going in circles: what the records of earlier ones say against starting another one now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .._module import RollbackError
from .record import COMPLETED, timestamp


@dataclass(frozen=True)
class Wanted:
    """The rollback that somebody or something wants to start."""

    release: str
    previous: str
    service: str
    environment: str
    deployed_at: tuple[datetime, ...] = ()
    """When each application came to run the release, where that is known."""


@dataclass(frozen=True)
class Limits:
    """How often is too often; 0 sets no limit."""

    cooldown: timedelta = timedelta(0)
    """Pause after a rollback of the service."""
    attempts: int = 0
    """Most rollbacks of one release."""
    recent: timedelta = timedelta(0)
    """For how long after a deployment a fault is blamed on it."""


@dataclass(frozen=True)
class Objection:
    """Why a rollback should not start; a ``firm`` one holds back people as well as triggers."""

    text: str
    firm: bool = False


def objections(
    wanted: Wanted, records: Sequence[Mapping[str, Any]], limits: Limits, now: datetime
) -> tuple[Objection, ...]:
    """What speaks against ``wanted``, given the run records of every environment; nothing when the way is free."""
    done = [one for one in records if one["service"] == wanted.service and one["status"] == COMPLETED]
    here = [one for one in done if one["environment"] == wanted.environment]
    found = (_quarantined(wanted, done), _cooling(here, limits, now), _repeated(wanted, here, limits))
    return tuple(one for one in (*found, _settled(wanted, limits, now)) if one)


def moment(text: str, what: str) -> datetime:
    """An RFC 3339 time, aware."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise RollbackError(f"{what}: {text!r} is not a time such as 2026-11-23T18:10:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _quarantined(wanted: Wanted, done: Sequence[Mapping[str, Any]]) -> Objection | None:
    against = [one for one in done if one["release"] == wanted.previous]
    if not against:
        return None
    newest = max(against, key=_ended)
    reason = str((newest.get("decision") or {}).get("reason") or "no reason is recorded").rstrip(".")
    return Objection(
        f"release {wanted.previous}, which this rollback returns to, is quarantined: it was rolled back itself in "
        f"{newest['environment']}, {timestamp(_ended(newest))} ({reason})",
        firm=True,
    )


def _cooling(here: Sequence[Mapping[str, Any]], limits: Limits, now: datetime) -> Objection | None:
    if not here:
        return None
    newest = max(here, key=_ended)
    left = _ended(newest) + limits.cooldown - now
    if left <= timedelta(0):
        return None
    return Objection(
        f"{newest['service']} was rolled back from {newest['release']} to {newest['previous']} "
        f"{_words(now - _ended(newest))} ago, and triggers rest for {_words(limits.cooldown)} after that "
        f"({_words(left)} left)"
    )


def _repeated(wanted: Wanted, here: Sequence[Mapping[str, Any]], limits: Limits) -> Objection | None:
    times = sum(one["release"] == wanted.release for one in here)
    if not limits.attempts or times < limits.attempts:
        return None
    return Objection(
        f"release {wanted.release} was rolled back {times} times already (at most {limits.attempts}), "
        "so something keeps deploying it"
    )


def _settled(wanted: Wanted, limits: Limits, now: datetime) -> Objection | None:
    if not limits.recent or not wanted.deployed_at:
        return None
    age = now - max(wanted.deployed_at)
    if age <= limits.recent:
        return None
    return Objection(
        f"release {wanted.release} was deployed {_words(age)} ago, and a fault that begins more than "
        f"{_words(limits.recent)} after a deployment is seldom its fault"
    )


def _ended(record: Mapping[str, Any]) -> datetime:
    return moment(str(record.get("closed_at") or record["opened_at"]), f"run record {record['id']}")


def _words(length: timedelta) -> str:
    """``90 s``, ``12 min``, ``31 h``: as exact as anybody needs it."""
    seconds = max(0.0, length.total_seconds())
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
