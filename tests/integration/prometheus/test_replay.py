# SPDX-License-Identifier: GPL-3.0-or-later
"""Triggers replayed over past metrics: when they would have fired, what they missed, and what was a false alarm."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.ask import replay_all
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Reply, Series, Window
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import read_check
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.replay import Replay, Span
from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import call
from tests.sandbox.prometheus import PrometheusServer, openmetrics

SCRAPE = 15
PAST = 7200
TRIGGER = {"query": "errors", "fail_if": "> 10%", "for": "5m", "step": "15s"}


def errors(ago: int) -> float:
    """An incident from 90 to 60 minutes ago, a short one of 4 minutes, and a long one that nobody noted."""
    bad = 3600 <= ago <= 5400 or 2400 <= ago < 2640 or 600 <= ago <= 1200
    return 0.5 if bad else 0.01


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrometheusServer, float]]:
    """Two hours of samples and their end."""
    end = float(int(time.time()))
    chance = random.Random(7)
    ticks = range(0, PAST + 1, SCRAPE)
    samples: dict[str, Any] = {
        "errors": [(ago, errors(ago)) for ago in ticks],
        # Noise in runs, with NaN and gaps, for two series of which one ends.
        **{
            f'noise{{pod="{pod}"}}': [
                (ago, "NaN" if chance.random() < 0.05 else 0.2 * ((ago // 240 + pod) % 3))
                for ago in ticks
                if chance.random() > 0.03 and (pod or ago > 1800)
            ]
            for pod in (0, 1)
        },
        "load": [(ago, 2 if ago % 1500 > 200 else 0) for ago in ticks],
    }
    prometheus = PrometheusServer(tmp_path_factory.mktemp("replay"), {})
    prometheus.backfill(openmetrics(samples, end=end))
    with prometheus:
        yield prometheus, end


def test_firings_are_matched_with_incidents(server: tuple[PrometheusServer, float]) -> None:
    prometheus, end = server
    incidents = [{"start": end - 5400, "end": end - 3600}, {"start": end - 2640, "end": end - 2400}]
    asked: dict[str, Any] = {"url": prometheus.url, "time": end, "checks": [{"name": "errors", **TRIGGER}]}
    entry = call(prometheus_threshold_info, **asked, replay="2h", incidents=incidents)["checks"][0]
    found = entry["replay"]
    assert entry["verdict"] == "pass"
    assert found["firings"] == [
        {"start": end - 5100, "end": end - 3600},
        {"start": end - 900, "end": end - 600},
    ]
    assert [(one["detected"], one["delay"]) for one in found["incidents"]] == [(True, 300.0), (False, None)]
    assert found["false_alarms"] == found["firings"][1:]
    assert found["evaluations"] == 481
    assert found["verdicts"]["fail"] == 101 + 21


@pytest.mark.parametrize(
    "options",
    [
        {"fail_if": "> 10%", "for": "2m"},
        {"expect": "< 30%", "for": "2m"},
        {"fail_if": "> 10%", "for": "2m", "quorum": "all", "nan": "fail"},
        {"expect": "< 30%", "for": "1m", "ignore_ended": True, "minimum_coverage": 0.6},
        {"fail_if": "> 10%", "minimum_traffic": {"query": "load", "at_least": 1}, "no_data": "pass"},
    ],
)
def test_a_replay_says_what_the_check_would_have_said(
    server: tuple[PrometheusServer, float], options: dict[str, Any]
) -> None:
    prometheus, end = server
    check = {"name": "noise", "query": "last_over_time(noise[14s])", "step": "15s", **options}
    at_once = call(prometheus_threshold_info, url=prometheus.url, time=end, checks=[check], replay="30m")
    one_by_one: dict[str, int] = {"pass": 0, "fail": 0, "inconclusive": 0, "error": 0}
    for ago in range(0, 1801, 15):
        entry = call(prometheus_threshold_info, url=prometheus.url, time=end - ago, checks=[check])["checks"][0]
        one_by_one[entry["verdict"]] += 1
    assert at_once["checks"][0]["replay"]["verdicts"] == one_by_one
    assert sum(count > 0 for count in one_by_one.values()) >= 2


class Endless:
    """A server with a series that is bad every other hour, and a memory of what it was asked."""

    def __init__(self) -> None:
        self.windows: list[Window] = []

    def now(self) -> float:
        """Not asked here."""
        raise AssertionError

    def ask(self, query: str, window: Window) -> Reply:
        """Hours since the epoch, odd ones bad."""
        self.windows.append(window)
        values = {index: float(window.time(index) // 3600 % 2) for index in range(window.count)}
        return Reply((Series({"query": query}, values),))


def test_a_week_is_asked_for_in_pieces_that_fit_together() -> None:
    asker, end = Endless(), 3600.0 * 1000
    check = read_check({"name": "x", **TRIGGER})
    found = replay_all(asker, [check], end, 7 * 86400, 2)["x"]
    assert isinstance(found, Replay)
    assert max(window.count for window in asker.windows) <= 11_000
    assert sum(window.count for window in asker.windows) == 7 * 86400 // 15 + 21
    # Every odd hour fires once, from 5 minutes after its start to its last evaluation.
    assert found.firings == tuple(Span(hour * 3600 + 300, hour * 3600 + 3585) for hour in range(833, 1000, 2))


def test_a_replay_that_cannot_be_asked_leaves_the_verdict_alone(tmp_path: Path) -> None:
    server = PrometheusServer(tmp_path, {}, flags=["--query.max-samples=50"])
    with server:
        check = {"name": "x", "query": "vector(1)", "fail_if": "> 2", "for": "10s", "step": "1s"}
        entry = call(prometheus_threshold_info, url=server.url, checks=[check], replay="1h")["checks"][0]
    assert entry["verdict"] == "pass"
    assert "replay" not in entry
    assert "too many samples" in entry["warnings"][0]
