# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can be called now: availability as people write it, held against the clock; and when people meet.

Understood are ``24/7``, ``Business hours``, ``Critical only`` and windows such as ``Mon-Fri 08:00-18:00, Sat
10:00-14:00`` or ``22:00-06:00``, with a time zone at the end (``Europe/Lisbon``) where it is not the usual one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .._module import RollbackError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WINDOW = re.compile(
    r"(?:(?P<days>[a-z-]+(?:\s*/\s*[a-z-]+)*)\s+)?(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})"
)
ZONE = re.compile(r"\s+(?P<zone>UTC|[A-Z][A-Za-z_]+(?:/[A-Za-z_+-]+)+)$")
ALWAYS, CRITICAL, BUSINESS = ("24/7", "always"), ("critical only", "critical"), ("business hours",)


@dataclass(frozen=True)
class Window:
    """Days of the week (0 is Monday) and the time of day; an end before the start is on the next day."""

    days: frozenset[int]
    start: time
    end: time

    def holds(self, local: datetime) -> bool:
        """Whether the window is open at ``local``."""
        now, today = local.time(), local.weekday()
        if self.start < self.end:
            return today in self.days and self.start <= now < self.end
        return (today in self.days and now >= self.start) or ((today - 1) % 7 in self.days and now < self.end)


def on_duty(
    contacts: Sequence[Mapping[str, Any]], now: datetime, business_hours: str, zone: str, critical: bool
) -> list[dict[str, Any]]:
    """Each contact with ``on_duty`` (true, false, or None where its availability cannot be read) and a ``label``."""
    return [
        {
            **contact,
            "on_duty": available(str(contact.get("availability", "")), now, business_hours, zone, critical),
            "label": f"{contact.get('name')} ({contact.get('role')}), {contact.get('phone')}",
        }
        for contact in contacts
    ]


def available(text: str, now: datetime, business_hours: str, zone: str, critical: bool) -> bool | None:
    """Whether ``text`` says that somebody can be called at ``now``; None where it says something else."""
    told = " ".join(text.split())
    if told.casefold() in ALWAYS:
        return True
    if told.casefold() in CRITICAL:
        return critical
    if told.casefold() in BUSINESS:
        told = business_hours
    parted = ZONE.search(told)
    windows = _windows(told[: parted.start()] if parted else told)
    if windows is None:
        return None
    local = now.astimezone(zone_of(parted["zone"] if parted else zone))
    return any(window.holds(local) for window in windows)


def zone_of(name: str) -> tzinfo:
    """The time zone of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise RollbackError(
            f"there is no time zone {name!r} here; names look like Europe/Lisbon, and come with the package tzdata"
        ) from None


def _windows(text: str) -> list[Window] | None:
    windows = []
    for part in filter(None, (piece.strip().casefold() for piece in re.split(r"[,;]", text))):
        found = WINDOW.fullmatch(part)
        days = _days(found["days"]) if found else None
        times = [_time(found[edge]) for edge in ("start", "end")] if found else []
        if days is None or None in times:
            return None
        windows.append(Window(days, *(moment for moment in times if moment)))
    return windows or None


def _time(text: str) -> time | None:
    hours, _unused, minutes = text.partition(":")
    if (int(hours), int(minutes)) == (24, 0):
        return time(23, 59, 59, 999_999)
    return time(int(hours), int(minutes)) if int(hours) < 24 and int(minutes) < 60 else None


def _days(text: str | None) -> frozenset[int] | None:
    """``mon-fri`` or ``sat/sun``; every day where nothing is said."""
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in re.split(r"\s*/\s*", text):
        first, _unused, last = part.partition("-")
        edges = [first[:3], (last or first)[:3]]
        if any(edge not in DAYS for edge in edges):
            return None
        start, end = map(DAYS.index, edges)
        days |= {day % 7 for day in range(start, start + (end - start) % 7 + 1)}
    return frozenset(days)


def working_day(start: datetime, days: int, at: time, zone: str) -> datetime:
    """``at`` in ``zone``, ``days`` working days (Monday to Friday) after ``start``."""
    local = start.astimezone(zone_of(zone))
    day = local.date()
    left = days
    while left > 0 or day.weekday() > 4:
        day += timedelta(days=1)
        left -= day.weekday() <= 4
    return datetime.combine(day, at, local.tzinfo)
