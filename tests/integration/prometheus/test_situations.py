# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations of real metrics, each with the verdict it must get, judged on a real Prometheus with past samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import Called, call
from tests.sandbox.prometheus import PrometheusServer, openmetrics

Points = list[tuple[float, float | str]]
SCRAPE = 15.0
PAST = 1200.0


def gauge(value: float | str, first: float = PAST, last: float = 0) -> Points:
    """The same value at every scrape from ``first`` to ``last`` seconds ago."""
    return curve(lambda _ago: value, first, last)


def curve(value: Callable[[float], float | str], first: float = PAST, last: float = 0) -> Points:
    """``value(seconds ago)`` at every scrape."""
    count = int((first - last) / SCRAPE)
    return [(first - SCRAPE * index, value(first - SCRAPE * index)) for index in range(count + 1)]


def counter(rate: float, first: float = PAST, last: float = 0, start: float = 0) -> Points:
    """A counter that grows by ``rate`` per second."""
    return curve(lambda ago: start + rate * (first - ago), first, last)


def buckets(metric: str, rates: dict[str, float]) -> dict[str, Points]:
    """A cumulative histogram whose buckets grow by these rates per second."""
    return {f'{metric}_bucket{{le="{bound}"}}': counter(rate) for bound, rate in rates.items()}


SAMPLES: dict[str, Points] = {
    "high": gauge(0.2),
    "low": gauge(0.001),
    "edge": gauge(0.1),
    "dip": curve(lambda ago: 0.05 if ago == 150 else 0.2),
    "risen": curve(lambda ago: 0.2 if ago <= 240 else 0.01),
    "fallen": curve(lambda ago: 0.01 if ago <= 60 else 0.2),
    "spike": curve(lambda ago: 0.9 if ago == 0 else 0.01),
    "flapping": curve(lambda ago: 0.2 if ago % 30 else 0.01),
    "negative": gauge(-3),
    "huge": gauge(1.7e308),
    "not_a_number": gauge("NaN"),
    "nan_at_last": curve(lambda ago: "NaN" if ago <= 90 else 0.2),
    "endless": gauge("+Inf"),
    "endless_below": gauge("-Inf"),
    "young_and_bad": gauge(0.2, first=120),
    "young_and_good": gauge(0.001, first=120),
    "stopped_long_ago": gauge(0.2, last=660),
    "stopped_just_now": gauge(0.2, last=120),
    "one_scrape_lost": [point for point in gauge(0.2) if point[0] != 90],
    "four_scrapes_lost": [point for point in gauge(0.2) if not 60 <= point[0] <= 105],
    "late": gauge(0.2, last=30),
    'requests_total{code="200"}': counter(9),
    'requests_total{code="500"}': counter(1),
    'quiet_total{code="200"}': counter(0.05),
    'quiet_total{code="500"}': counter(0.05),
    'idle_total{code="200"}': counter(0),
    'idle_total{code="500"}': counter(0),
    'restarted_total{code="200"}': counter(10, last=195) + counter(10, first=180),
    'restarted_total{code="500"}': counter(0.01, last=195) + counter(0.01, first=180),
    **buckets("quick", {"0.5": 9.9, "5": 10, "+Inf": 10}),
    **buckets("slow", {"0.5": 0, "5": 0, "+Inf": 10}),
    **buckets("asleep", {"0.5": 0, "5": 0, "+Inf": 0}),
    **{f'pod_cpu{{pod="{pod}"}}': gauge(value) for pod, value in {"a": 0.2, "b": 0.01, "c": 0.02}.items()},
    **{f'hot_cpu{{pod="{pod}"}}': gauge(0.2) for pod in "ab"},
    'rolled_cpu{pod="old"}': gauge(0.05, last=180),
    'rolled_cpu{pod="new"}': gauge(0.02),
    **{f'fleet{{pod="p{number}"}}': gauge(0.01 if number != 137 else 0.5) for number in range(300)},
}

ERRORS = 'sum(rate({0}_total{{code="500"}}[1m])) / sum(rate({0}_total[1m]))'
QUANTILE = "histogram_quantile(0.99, sum by (le) (rate({0}_bucket[1m])))"
FRESH = "last_over_time({0}[14s])"  # as long as a scrape is not late
TRIGGER = {"fail_if": "> 10%", "for": "5m"}
EXPECT = {"expect": "< 10%", "for": "5m"}


@dataclass(frozen=True)
class Situation:
    """A query, how it is judged, the verdict, and words of the message."""

    name: str
    query: str
    options: dict[str, Any]
    verdict: str
    says: str = ""
    error: str | None = None


SITUATIONS = [
    # the threshold and the duration
    Situation("bad throughout", "high", TRIGGER, "fail", "20 % now and > 10 % throughout the last 5m."),
    Situation("good throughout", "low", TRIGGER, "pass", "0.1 % now, never > 10 % in the last 5m."),
    Situation(
        "one good evaluation in between",
        "dip",
        TRIGGER,
        "pass",
        "> 10 % at 20 of 21 evaluations of the last 5m, for 2m15s so far (5 % to 20 %)",
    ),
    Situation("bad for four of five minutes", "risen", TRIGGER, "pass", "for 4m so far"),
    Situation("bad until a minute ago", "fallen", TRIGGER, "pass"),
    Situation("flapping", "flapping", TRIGGER, "pass"),
    Situation("exactly at the threshold, above wanted", "edge", TRIGGER, "pass"),
    Situation("exactly at the threshold, at least wanted", "edge", {**TRIGGER, "fail_if": ">= 10%"}, "fail"),
    Situation("one bad sample now, no duration", "spike", {"fail_if": "> 10%"}, "fail", "90 % now, which is > 10 %."),
    Situation("one bad sample now, with a duration", "spike", TRIGGER, "pass"),
    Situation("below a lower threshold", "negative", {"fail_if": "< 0", "for": "5m"}, "fail", "-3"),
    Situation("largest number there is", "huge", TRIGGER, "fail"),
    Situation("a scalar", "scalar(high)", TRIGGER, "fail"),
    # expectations
    Situation("expectation met throughout", "low", EXPECT, "pass", "now and < 10 % throughout"),
    Situation("expectation missed once", "dip", {**EXPECT, "expect": "> 10%"}, "fail", "at 20 of 21"),
    Situation("expectation met for two of five minutes", "young_and_good", EXPECT, "inconclusive", "younger"),
    Situation("expectation missed for two of five minutes", "young_and_bad", EXPECT, "fail"),
    Situation("expectation without data", "no_such_metric", EXPECT, "inconclusive", "returns nothing"),
    # no data
    Situation("no such metric", "no_such_metric", TRIGGER, "inconclusive", "Is the target scraped?"),
    Situation("no data taken for failure", "no_such_metric", {**TRIGGER, "no_data": "fail"}, "fail", "as no_data says"),
    Situation("no data taken for success", "no_such_metric", {**TRIGGER, "no_data": "pass"}, "pass", "as no_data says"),
    Situation("comparison inside the query", "high > 0.5", TRIGGER, "inconclusive", "move it to fail_if"),
    Situation("numerator without series", 'high{code="503"} / high', TRIGGER, "inconclusive", "or vector(0)"),
    Situation("numerator guarded", '(sum(high{code="503"}) or vector(0)) / sum(high)', TRIGGER, "pass"),
    Situation("series younger than the window", "young_and_bad", TRIGGER, "inconclusive", "younger than the window"),
    Situation("series stopped long ago", "stopped_long_ago", TRIGGER, "inconclusive"),
    Situation("stale, hidden by repetition", "stopped_just_now", TRIGGER, "fail"),
    Situation("stale", FRESH.format("stopped_just_now"), TRIGGER, "inconclusive", "2m ago, > 10 % at 13 of 13"),
    Situation("one scrape lost", FRESH.format("one_scrape_lost"), TRIGGER, "fail", "20 of 21"),
    Situation(
        "one scrape lost, none forgiven",
        FRESH.format("one_scrape_lost"),
        {**TRIGGER, "minimum_coverage": 1},
        "inconclusive",
    ),
    Situation("four scrapes lost", FRESH.format("four_scrapes_lost"), TRIGGER, "inconclusive", "17 of 21"),
    Situation("rate over a gap", "rate(restarted_total[20s])", {"fail_if": "> 1", "for": "5m"}, "pass"),
    Situation("late samples", FRESH.format("late"), TRIGGER, "fail", "19 of 21"),
    # NaN and infinity
    Situation("NaN", "not_a_number", TRIGGER, "inconclusive", "0 of 21 evaluations can be judged (21 NaN"),
    Situation("NaN taken for good", "not_a_number", {**TRIGGER, "nan": "pass"}, "pass"),
    Situation("NaN taken for bad", "not_a_number", {**TRIGGER, "nan": "fail"}, "fail"),
    Situation("NaN at last", "nan_at_last", TRIGGER, "inconclusive", "7 NaN"),
    Situation("ratio without traffic", ERRORS.format("idle"), TRIGGER, "inconclusive", "nothing to divide by"),
    Situation("quantile without traffic", QUANTILE.format("asleep"), TRIGGER, "inconclusive", "NaN"),
    Situation("divided by zero", "high / 0", TRIGGER, "fail", "+Inf"),
    Situation("plus infinity", "endless", TRIGGER, "fail"),
    Situation("minus infinity", "endless_below", {"fail_if": "< 0", "for": "5m"}, "fail"),
    # histograms
    Situation("quantile below", QUANTILE.format("quick"), {"fail_if": "> 5s", "for": "5m"}, "pass"),
    Situation(
        "every request beyond the last bucket",
        QUANTILE.format("slow"),
        {"fail_if": "> 5s", "for": "5m"},
        "fail",
        "ends at 5 s: it means that or more",
    ),
    Situation(
        "threshold beyond the last bucket",
        QUANTILE.format("slow"),
        {"fail_if": "> 8s", "for": "5m"},
        "inconclusive",
        "give the histogram one at 8 s",
    ),
    Situation(
        "beyond the last bucket, told by ceiling",
        f"1 * {QUANTILE.format('slow')}",
        {"fail_if": "> 5s", "ceiling": 5},
        "fail",
    ),
    Situation("expectation beyond the last bucket", QUANTILE.format("slow"), {"expect": "<= 5s", "for": "5m"}, "fail"),
    # counters, resets, traffic
    Situation("errors of a counter", ERRORS.format("requests"), {"fail_if": "> 9%", "for": "5m"}, "fail"),
    Situation("counter reset by a restart", ERRORS.format("restarted"), TRIGGER, "pass"),
    Situation(
        "too little traffic",
        ERRORS.format("quiet"),
        {**TRIGGER, "minimum_traffic": {"query": "sum(rate(quiet_total[1m]))", "at_least": 1}},
        "inconclusive",
        "21 with too little traffic",
    ),
    Situation(
        "enough traffic",
        ERRORS.format("quiet"),
        {**TRIGGER, "minimum_traffic": {"query": "rate(quiet_total[1m])", "at_least": 0.09}},
        "fail",
    ),
    Situation(
        "traffic that is not measured",
        "high",
        {**TRIGGER, "minimum_traffic": {"query": "no_such_metric", "at_least": 1}},
        "inconclusive",
        "too little traffic",
    ),
    # several series
    Situation("one of three series", "pod_cpu", TRIGGER, "fail", '1 of 3 series: fail. This is {pod="a"}.'),
    Situation("one of three series, all wanted", "pod_cpu", {**TRIGGER, "quorum": "all"}, "pass", "2 of 3 series"),
    Situation("all series, all wanted", "hot_cpu", {**TRIGGER, "quorum": "all"}, "fail", "2 of 2 series"),
    Situation("aggregate of the series", "avg(pod_cpu)", TRIGGER, "pass"),
    Situation("one of 300 series", "fleet", TRIGGER, "fail", '1 of 300 series: fail. This is {pod="p137"}.'),
    Situation("a pod went away", FRESH.format("rolled_cpu"), EXPECT, "inconclusive"),
    Situation(
        "a pod went away, as pods do",
        FRESH.format("rolled_cpu"),
        {**EXPECT, "ignore_ended": True},
        "pass",
        "1 more series ended",
    ),
    # faults of the question
    Situation("unclosed parenthesis", "sum(high", TRIGGER, "error", "unclosed left parenthesis", "bad_query"),
    Situation("range vector", "high[5m]", TRIGGER, "error", "invalid expression type", "bad_query"),
    Situation("range vector now", "high[5m]", {"fail_if": "> 1"}, "error", "wrap it in rate()", "unusable"),
    Situation("a text", '"hello"', {"fail_if": "> 1"}, "error", "a string", "unusable"),
    Situation("ambiguous match", "hot_cpu + on() pod_cpu", TRIGGER, "error", "duplicate series", "execution"),
    Situation(
        "traffic that cannot be asked",
        "high",
        {**TRIGGER, "minimum_traffic": {"query": "sum(", "at_least": 1}},
        "error",
        "minimum_traffic: ",
        "bad_query",
    ),
]


Ask = Callable[[int], Called]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks for all situations in one call, so many queries at a time."""
    end = float(int(time.time()))
    server = PrometheusServer(tmp_path_factory.mktemp("situations"), {})
    server.backfill(openmetrics(SAMPLES, end=end))
    checks = [{"name": one.name, "query": one.query, **one.options} for one in SITUATIONS]
    with server:
        yield lambda concurrency: call(
            prometheus_threshold_info, url=server.url, time=end, checks=checks, concurrency=concurrency
        )


@pytest.fixture(scope="module")
def verdicts(ask: Ask) -> dict[str, dict[str, Any]]:
    """Every situation's entry of the result."""
    return {entry["name"]: entry for entry in ask(8)["checks"]}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_every_situation_gets_its_verdict(situation: Situation, verdicts: dict[str, dict[str, Any]]) -> None:
    entry = verdicts[situation.name]
    assert entry["verdict"] == situation.verdict, entry["message"]
    assert situation.says in entry["message"]
    assert entry.get("error") == situation.error


def test_what_is_asked_beside_a_check_changes_nothing(ask: Ask) -> None:
    """Alone, in small batches and in large ones, with faulty queries among them."""
    alone, small, large = (ask(concurrency) for concurrency in (100, 8, 1))
    assert alone["checks"] == small["checks"] == large["checks"]
    assert alone["requests"] == alone["queries"] > large["requests"]


def test_the_table_is_as_long_as_promised() -> None:
    assert len(SITUATIONS) >= 30
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS)


def test_numbers_and_samples_are_there_for_plots(verdicts: dict[str, dict[str, Any]]) -> None:
    entry = verdicts["bad until a minute ago"]
    assert (entry["value"], entry["threshold"], entry["operator"], entry["unit"]) == (0.01, 0.1, ">", "ratio")
    assert (entry["for"], entry["held"], len(entry["samples"])) == (300.0, 0.0, 21)
    assert [value for _unused, value in entry["samples"]][-5:] == [0.01] * 5
    assert entry["series"][0]["evaluations"] == {"good": 5, "bad": 16}


def test_numbers_that_are_not_finite_are_fit_for_json(verdicts: dict[str, dict[str, Any]]) -> None:
    assert verdicts["NaN"]["value"] == "NaN"
    assert verdicts["plus infinity"]["value"] == "+Inf"
    assert {value for _unused, value in verdicts["minus infinity"]["samples"]} == {"-Inf"}


def test_many_series_are_shown_from_the_worst_on_and_not_all(verdicts: dict[str, dict[str, Any]]) -> None:
    entry = verdicts["one of 300 series"]
    assert entry["series_count"] == 300
    assert len(entry["series"]) == 20
    assert entry["series"][0]["labels"]["pod"] == "p137"
