# SPDX-License-Identifier: GPL-3.0-or-later
"""When a watch looks and when it ends, with a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict
from ansible_collections.octalume.rollback.plugins.module_utils._watch.loop import Watched, watch
from ansible_collections.octalume.rollback.plugins.module_utils._watch.model import Ended, Schedule, Seen


@dataclass
class World:
    """A clock, a trigger that fires at ``fires``, a release that goes at ``goes``, and looks of ``slow`` seconds."""

    fires: float = 1e9
    goes: float = 1e9
    slow: float = 0.0
    time: float = 100.0
    looks: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    news_at: float = 1e9

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time = min(self.time + seconds, max(self.news_at, self.time))

    def look(self) -> Sequence[Seen]:
        self.looks.append(self.time - 100)
        self.time += self.slow
        verdict = Verdict.FAIL if self.looks[-1] >= self.fires else Verdict.PASS
        return [Seen("errors", verdict, "24 %", "24 %", "fail_if > 10 %", 5.0)]

    def alive(self) -> str:
        self.asked.append(self.time - 100)
        return "api runs 1.4.3" if self.time - 100 >= self.goes else ""

    def watch(self, interval: float = 10, length: float = 0, live_every: float = 60) -> Watched:
        return watch(self, self.alive, Schedule(interval, length, live_every), self, self.lines.append)


@pytest.mark.parametrize(("fires", "seen"), [(0, 0), (1, 10), (10, 10), (25, 30)])
def test_a_trigger_is_seen_at_the_next_look(fires: float, seen: float) -> None:
    world = World(fires=fires)
    found = world.watch()
    assert found.ended is Ended.FIRED
    assert world.looks[-1] == seen
    assert found.verdicts[Verdict.FAIL] == 1
    assert found.triggers[0].as_result()["held"] == 5.0


@pytest.mark.parametrize(("slow", "looks"), [(0, [0, 10, 20, 25]), (3, [0, 10, 20, 25]), (12, [0, 20]), (30, [0])])
def test_looks_keep_to_their_grid_and_to_the_end(slow: float, looks: list[float]) -> None:
    world = World(slow=slow)
    assert world.watch(length=25).ended is Ended.OVER
    assert world.looks == looks


def test_without_a_length_there_is_no_end() -> None:
    world = World(fires=10_000)
    assert world.watch().seconds == 10_000
    assert len(world.lines) == 1001
    assert world.lines[0] == "1. errors 24 % pass"
    assert world.lines[-1] == "1001. errors 24 % fail"


def test_news_end_the_waiting() -> None:
    world = World(fires=13, news_at=113)
    assert world.watch().seconds == 13


@pytest.mark.parametrize(
    ("goes", "fires", "looks", "ended"),
    [(0, 0, 0, Ended.GONE), (5, 30, 4, Ended.GONE), (35, 30, 4, Ended.FIRED), (5, 1e9, 7, Ended.GONE)],
)
def test_a_release_that_is_gone_is_watched_no_longer(goes: float, fires: float, looks: int, ended: Ended) -> None:
    world = World(goes=goes, fires=fires)
    found = world.watch()
    assert found.ended is ended
    assert len(world.looks) == looks
    assert found.gone == ("api runs 1.4.3" if ended is Ended.GONE else "")


def test_the_cluster_is_asked_now_and_then() -> None:
    world = World()
    world.watch(length=150)
    assert world.asked == [0, 60, 120]


def test_a_look_may_be_late_but_none_is_made_twice() -> None:
    turn: Callable[[float], float] = Schedule(10, 0, 60).next
    assert [turn(at) for at in (0, 9.9, 10, 10.1, 35)] == [10, 10, 20, 20, 40]
    assert Schedule(10, 25, 60).next(21) == 25
