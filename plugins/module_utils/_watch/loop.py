# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at triggers on time, again and again, until one fires, time is up or the release is not live any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._http.verdict import Verdict, worst
from .model import Clock, Ended, Schedule, Seen, Triggers


@dataclass(frozen=True)
class Watched:
    """How a watch ended: what the last look saw, and how many looks had which worst verdict."""

    ended: Ended
    triggers: tuple[Seen, ...]
    verdicts: Counter[Verdict]
    seconds: float
    gone: str = ""
    """What is live instead, where the release is not."""


def watch(
    triggers: Triggers, alive: Callable[[], str], schedule: Schedule, clock: Clock, tell: Callable[[str], None]
) -> Watched:
    """Watch by ``schedule``; ``alive()`` returns what is live instead of the release, or '' while that is live."""
    began, asked_alive, number = clock.now(), 0.0, 0
    verdicts: Counter[Verdict] = Counter()
    gone = alive()
    while True:
        seen: Sequence[Seen] = () if gone else triggers.look()
        fired = any(one.verdict is Verdict.FAIL for one in seen)
        elapsed = clock.now() - began
        if number and (fired or elapsed - asked_alive >= schedule.live_every):
            gone, asked_alive = alive(), elapsed
        if gone:
            return Watched(Ended.GONE, tuple(seen), verdicts, elapsed, gone)
        number += 1
        verdicts[worst(one.verdict for one in seen)] += 1
        tell(line(number, seen))
        if fired or (schedule.length and elapsed >= schedule.length):
            return Watched(Ended.FIRED if fired else Ended.OVER, tuple(seen), verdicts, elapsed)
        clock.wait(max(0.0, schedule.next(elapsed) - (clock.now() - began)))


def line(number: int, seen: Sequence[Seen]) -> str:
    """One look as one line: ``12. Error Rate 3.1 % pass, P99 Latency 0.2 s pass``."""
    return f"{number}. " + ", ".join(" ".join(filter(None, (one.name, one.shown, one.verdict.value))) for one in seen)
