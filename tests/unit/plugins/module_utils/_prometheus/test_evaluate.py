# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision itself, over values that no server is needed for."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.ask import evaluate
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.client import QueryError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.evaluate import judge
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Reply, Series, Window
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import read_check, result

NAN = math.nan
VALUES = {"B": 0.9, "g": 0.01, "n": NAN, "+": math.inf, "-": -math.inf, "c": 5.0}


def series(text: str) -> Series:
    """One letter per evaluation: Bad, good, nan, infinities, c for the ceiling, dot for no data."""
    return Series({"s": text}, {index: VALUES[letter] for index, letter in enumerate(text) if letter != "."})


def verdict(texts: str, ceiling: float | None = None, traffic: Reply | None = None, **options: Any) -> str:
    """The verdict over ten evaluations of one or several series, written as text."""
    found = tuple(series(text) for text in texts.split())
    count = len(texts.split()[0]) if found else 10
    if "expect" not in options:
        options.setdefault("fail_if", "> 0.1")
    check = read_check({"name": "x", "query": "q", "for": str(count - 1), "step": "1", **options})
    return judge(check, Window.of(check, 1000), Reply(found), traffic, ceiling).verdict.value


@pytest.mark.parametrize(
    ("values", "options", "wanted"),
    [
        ("BBBBBBBBBB", {}, "fail"),
        ("BBBBBBBBBg", {}, "pass"),
        ("gBBBBBBBBB", {}, "pass"),
        ("gggggggggg", {}, "pass"),
        ("BBBBB.BBBB", {}, "fail"),
        ("BBBB..BBBB", {}, "inconclusive"),
        ("gggg..gggg", {}, "inconclusive"),
        ("BBBB..BBBB", {"minimum_coverage": 0.8}, "fail"),
        ("BBBBB.BBBB", {"minimum_coverage": 1}, "inconclusive"),
        ("nnnnnnnnnn", {}, "inconclusive"),
        ("nnnnnnnnnn", {"nan": "fail"}, "fail"),
        ("nnnnnnnnnn", {"nan": "pass"}, "pass"),
        ("BBBBBnBBBB", {"nan": "pass"}, "pass"),
        ("++++++++++", {}, "fail"),
        ("----------", {}, "pass"),
        ("..........", {}, "inconclusive"),
        ("..........", {"no_data": "fail"}, "fail"),
        (".........B", {"no_data": "pass"}, "pass"),
        ("gggggggggg", {"expect": "< 0.1"}, "pass"),
        ("gggggBgggg", {"expect": "< 0.1"}, "fail"),
        ("........BB", {"expect": "< 0.1"}, "fail"),
        ("........gg", {"expect": "< 0.1"}, "inconclusive"),
        ("ggggnngggg", {"expect": "< 0.1"}, "inconclusive"),
        ("BBBBBBBBBB gggggggggg", {}, "fail"),
        ("BBBBBBBBBB gggggggggg", {"quorum": "all"}, "pass"),
        ("BBBBBBBBBB BBBBBBBBBB", {"quorum": "all"}, "fail"),
        ("BBBBBBBBBB nnnnnnnnnn", {"quorum": "all"}, "inconclusive"),
        ("gggggggggg nnnnnnnnnn", {}, "inconclusive"),
        ("gggggggggg ggggg.....", {"ignore_ended": True}, "pass"),
        ("gggggggggg BBBBBBBB..", {"ignore_ended": True}, "pass"),
        ("gggggggggg ggggg.....", {}, "inconclusive"),
        ("ggggg.....", {"ignore_ended": True}, "inconclusive"),
        ("cccccccccc", {"ceiling": 5, "fail_if": "> 5"}, "fail"),
        ("cccccccccc", {"ceiling": 5, "fail_if": "> 6"}, "inconclusive"),
        ("cccccccccc", {"ceiling": 5, "fail_if": "> 2"}, "fail"),
        ("gggggggggg", {"ceiling": 5, "fail_if": "> 6"}, "pass"),
    ],
)
def test_a_pass_is_proved_by_data_just_as_a_fail_is(values: str, options: dict[str, Any], wanted: str) -> None:
    top = options.pop("ceiling", None)
    assert verdict(values, top, **options) == wanted


def test_evaluations_with_too_little_traffic_do_not_count() -> None:
    quiet = Reply((Series({}, dict.fromkeys(range(10), 0.5)), Series({}, dict.fromkeys(range(10), 0.4))))
    busy = Reply((Series({}, dict.fromkeys(range(10), 0.5)), Series({}, dict.fromkeys(range(10), 0.6))))
    options: dict[str, Any] = {"minimum_traffic": {"query": "load", "at_least": 1}}
    assert verdict("BBBBBBBBBB", traffic=quiet, **options) == "inconclusive"
    assert verdict("BBBBBBBBBB", traffic=busy, **options) == "fail"


def test_how_long_it_has_been_bad_is_told() -> None:
    check = read_check({"name": "x", "query": "q", "for": "9", "step": "1", "fail_if": "> 0.1"})
    outcome = judge(check, Window.of(check, 1000), Reply((series("BBggBBBBBB"),)), None, None)
    assert result(outcome, 100)["held"] == 5


def test_series_that_all_ended_are_told_from_a_query_that_returns_nothing() -> None:
    check = read_check({"name": "x", "query": "q", "for": "9", "step": "1", "fail_if": "> 0.1", "ignore_ended": True})
    outcome = judge(check, Window.of(check, 1000), Reply((series("gggg......"),)), None, None)
    assert (outcome.verdict, outcome.message) == (
        Verdict.INCONCLUSIVE,
        "Every series ended within the last 9s. Is the target still up?",
    )


def test_samples_are_thinned_out_but_the_newest_stays() -> None:
    check = read_check({"name": "x", "query": "q", "for": "9", "step": "1", "fail_if": "> 0.1"})
    outcome = judge(check, Window.of(check, 1000), Reply((series("BBBBBBBBBg"),)), None, None)
    assert result(outcome, 4)["samples"] == [[991.0, 0.9], [994.0, 0.9], [997.0, 0.9], [1000.0, 0.01]]


class Recorder:
    """Answers every query with the same value, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Window]] = []

    def now(self) -> float:
        """A clock that stands still."""
        return 1000.0

    def ask(self, query: str, window: Window) -> Reply:
        """0.9 at every evaluation; ``broken`` cannot be asked."""
        self.asked.append((query, window))
        if query == "broken":
            raise QueryError("execution", "no")
        return Reply((Series({"le": "7"}, dict.fromkeys(range(window.count), 0.9)),))


def test_the_same_question_is_asked_once_and_a_broken_one_stays_alone() -> None:
    asker = Recorder()
    entries = [
        *({"name": f"same{number}", "query": "q", "fail_if": "> 0.1", "for": "5m"} for number in range(50)),
        {"name": "other window", "query": "q", "fail_if": "> 0.1"},
        {"name": "broken", "query": "broken", "fail_if": "> 0.1"},
        {"name": "quantile", "query": "histogram_quantile(0.9, b)", "fail_if": "> 0.1"},
    ]
    answers = evaluate(asker, [read_check(entry) for entry in entries], None, 30, 4)
    assert (answers.queries, answers.time) == (5, 970.0)
    assert sorted(query for query, _unused in asker.asked) == [
        "broken",
        "group by (le) (b)",
        "histogram_quantile(0.9, b)",
        "q",
        "q",
    ]
    verdicts = {outcome.check.name: outcome.verdict for outcome in answers.outcomes}
    assert verdicts.pop("broken") is Verdict.ERROR
    assert set(verdicts.values()) == {Verdict.FAIL}
