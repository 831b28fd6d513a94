# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Prometheus, what it answers, and what came of it. Times are seconds since the epoch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from .._http.verdict import Verdict
from .quantity import Condition

MAX_POINTS = 11_000  # the resolution Prometheus allows in one range query


@dataclass(frozen=True)
class Traffic:
    """A query for the load a check needs to mean something, and the least of it per evaluation."""

    query: str
    at_least: float


@dataclass(frozen=True)
class Check:
    """One question: a query, a condition and for how long.

    ``expects`` tells which way round: False, the condition is the bad state and has to hold throughout the window to
    fail (a trigger); True, it is the good state and has to hold throughout the window to pass (an expectation).
    """

    name: str
    query: str
    condition: Condition
    expects: bool
    window: float
    step: float
    no_data: Verdict = Verdict.INCONCLUSIVE
    nan: str = "no_data"
    minimum_coverage: float = 0.9
    quorum: str = "any"
    ignore_ended: bool = False
    traffic: Traffic | None = None
    ceiling: float | None = None

    def bad(self, value: float) -> bool:
        """Whether ``value`` speaks for failing."""
        return self.condition.holds(value) != self.expects


@dataclass(frozen=True)
class Window:
    """The evaluations of a check: ``count`` times, ``step`` seconds apart, the last one at ``end``."""

    end: float
    step: float
    count: int

    @classmethod
    def of(cls, check: Check, end: float) -> Window:
        """The window of ``check`` that ends at ``end``; a check for now has a single evaluation."""
        if not check.window:
            return cls(end, 0, 1)
        return cls(end, check.step, math.floor(check.window / check.step + 1e-9) + 1)

    @property
    def start(self) -> float:
        """The time of the first evaluation."""
        return self.end - self.step * (self.count - 1)

    def indexed(self, pairs: Iterable[tuple[float, Any]]) -> dict[int, float]:
        """Pairs of time and value (a number or its text) by evaluation."""
        start, step = self.start, self.step
        return {round((time - start) / step): float(value) for time, value in pairs}

    def time(self, index: int) -> float:
        """When evaluation ``index`` is."""
        return self.start + self.step * index


@dataclass(frozen=True)
class Series:
    """One time series: labels and its values by evaluation."""

    labels: Mapping[str, str]
    values: Mapping[int, float]


@dataclass(frozen=True)
class Reply:
    """Prometheus's answer to one query over one window."""

    series: tuple[Series, ...] = ()
    warnings: tuple[str, ...] = ()


class State(StrEnum):
    """What one evaluation of one series says."""

    GOOD = "good"
    BAD = "bad"
    ABSENT = "absent"
    NAN = "nan"
    QUIET = "quiet"
    CLIPPED = "clipped"


@dataclass(frozen=True)
class SeriesOutcome:
    """What became of one series; ``held`` is for how many seconds up to now it has been bad without a break."""

    labels: Mapping[str, str]
    verdict: Verdict
    states: tuple[State, ...]
    values: Mapping[int, float]
    window: Window
    held: float
    ended: bool = False

    @cached_property
    def samples(self) -> list[tuple[float, float]]:
        """Time and value of every evaluation that returned one."""
        start, step = self.window.start, self.window.step
        return [(start + step * index, value) for index, value in sorted(self.values.items())]

    @property
    def value(self) -> float | None:
        """The newest value."""
        return self.values[max(self.values)] if self.values else None

    @cached_property
    def counts(self) -> Counter[State]:
        """How many evaluations are in each state."""
        return Counter(self.states)

    def count(self, state: State) -> int:
        """How many evaluations are in ``state``."""
        return self.counts[state]

    @property
    def usable(self) -> int:
        """How many evaluations decide anything."""
        return self.counts[State.GOOD] + self.counts[State.BAD]


@dataclass(frozen=True)
class Outcome:
    """The answer to one check."""

    check: Check
    verdict: Verdict
    message: str
    series: tuple[SeriesOutcome, ...] = ()
    decisive: SeriesOutcome | None = None
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
