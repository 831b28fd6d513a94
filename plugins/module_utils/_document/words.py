# SPDX-License-Identifier: GPL-3.0-or-later
"""How times, durations, sizes and measured values are written in the papers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NONE = "-"


def moment(text: Any) -> datetime | None:
    """The moment an ISO 8601 text tells, in UTC; None for anything else."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def epoch(text: Any) -> float | None:
    """The same in seconds since the epoch."""
    found = moment(text)
    return found.timestamp() if found else None


def clock(text: Any) -> str:
    """Time of the day, with tenths of a second."""
    found = moment(text)
    return f"{found:%H:%M:%S}.{found.microsecond // 100_000}" if found else NONE


def date_and_time(text: Any) -> str:
    """Day and time in UTC."""
    found = moment(text)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else NONE


def between(start: Any, end: Any) -> float | None:
    """Seconds from one moment to the other; None where either is not known."""
    first, last = epoch(start), epoch(end)
    return None if first is None or last is None else last - first


def duration(seconds: float | None) -> str:
    """Seconds in the units that people count in."""
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: Any) -> str:
    """Bytes in powers of 1000."""
    if not isinstance(count, int | float):
        return NONE
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def measured(value: float, unit: str) -> str:
    """A measured value in the unit that suits its size; ``unit`` is ratio, seconds, bytes or number."""
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    if unit == "seconds":
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return size(value)
    return f"{value:.3g}"


def text_of(value: Any) -> str:
    """A value as a line of text; nothing is a dash."""
    if value is None or value == "":
        return NONE
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value)) or NONE
    return str(value)


def plural(count: int, noun: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
