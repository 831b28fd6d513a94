# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch sees and how it ends, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from .._http.verdict import Verdict


@dataclass(frozen=True)
class Seen:
    """One trigger at one look; ``held`` is for how many seconds up to now its state has been bad."""

    name: str
    verdict: Verdict
    message: str
    shown: str
    """The value in a few words, for a line on the screen."""
    threshold: str = ""
    held: float = 0.0
    error: str = ""
    """Kind of the error where it could not be asked."""

    def as_result(self) -> dict[str, Any]:
        """As M(octalume.rollback.rollback_decision_info) takes it."""
        found: dict[str, Any] = {"name": self.name, "verdict": self.verdict.value, "message": self.message}
        return found | ({"threshold": self.threshold, "held": self.held} if self.threshold else {})


class Ended(StrEnum):
    """Why a watch is over."""

    FIRED = "fired"
    OVER = "over"
    GONE = "gone"


@dataclass(frozen=True)
class Schedule:
    """How often to look and for how long, in seconds; a length of 0 has no end."""

    interval: float
    length: float
    live_every: float

    def next(self, elapsed: float) -> float:
        """When the next look is due, in seconds since the first one; looks that were missed are left out."""
        due = (elapsed // self.interval + 1) * self.interval
        return min(due, self.length) if self.length else due


class Triggers(Protocol):
    """Something that can be asked how the triggers are."""

    def look(self) -> Sequence[Seen]:
        """Every trigger, now; what cannot be asked is a verdict, not an exception."""


class Clock(Protocol):
    """Time, which tests turn by hand."""

    def now(self) -> float:
        """Seconds since some moment."""

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or earlier when there is news."""
