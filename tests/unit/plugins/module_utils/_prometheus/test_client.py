# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers recorded from a real Prometheus 2.42 are understood, and every failure has a kind of its own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Answer
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.client import (
    QueryError,
    parse,
    understand,
)
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Reply, Window

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "prometheus" / "answers.json"
ANSWERS: dict[str, dict[str, Any]] = {one["note"].split(":")[0]: one for one in json.loads(FIXTURES.read_text())}
NOW = Window(1795421075.0, 0, 1)


def recorded(note: str) -> Reply:
    """The reply parsed from the recorded answer whose note starts with ``note``."""
    entry = ANSWERS[note]
    times = entry["query"]
    window = NOW
    if entry["endpoint"].endswith("query_range") and "start" in times:
        start, end, step = (float(times[name].rstrip("s")) for name in ("start", "end", "step"))
        window = Window(end, step, int((end - start) / step) + 1) if step else NOW
    return parse(understand(answer(entry), "http://prometheus/api/v1/query"), window)


def answer(entry: dict[str, Any]) -> Answer:
    body = json.dumps(entry["json"]) if "json" in entry else entry["text"]
    headers = {name.lower(): value for name, value in entry["headers"].items()}
    return Answer(entry["status"], headers, body.encode(), 0.01)


@pytest.mark.parametrize(
    ("note", "values"),
    [
        ("instant vector", [1, 1, 0]),
        ("scalar", [2]),
        ("empty vector", []),
        ("absent", [1]),
        ("error ratio with rate", [0.1]),
        ("x/0 -> +Inf", [math.inf]),
        ("-x/0 -> -Inf", [-math.inf]),
        ("ratio where the numerator series does not exist -> EMPTY, not 0", []),
        ('the "or vector(0)" guard', [0]),
        ("NaN compared", []),
        ("histogram_quantile when all observations are in +Inf -> upper bound of the last finite bucket", [0.5]),
    ],
)
def test_values_of_recorded_answers(note: str, values: list[float]) -> None:
    assert sorted(series.values[0] for series in recorded(note).series) == sorted(values)


@pytest.mark.parametrize(
    "note", ["0/0 -> NaN (idle app)", "histogram_quantile of an idle histogram -> NaN", "NaN samples in a matrix"]
)
def test_nan_stays_nan(note: str) -> None:
    (series,) = recorded(note).series
    assert all(math.isnan(value) for value in series.values.values())


def test_a_matrix_is_put_to_the_evaluations_it_was_asked_for() -> None:
    series = {one.labels["version"]: one.values for one in recorded("matrix").series}
    assert sorted(series["1.4.1"]) == [0, 1, 2, 3, 4]
    assert series["1.4.1"][3] == 0


def test_evaluations_before_a_series_began_are_missing() -> None:
    gaps = [sorted(series.values) for series in recorded("window starts before the series exists").series]
    assert all(indices[0] > 0 for indices in gaps)


def test_labels_come_through_as_they_are() -> None:
    (series,) = recorded("label escaping").series
    assert series.labels["note"] == 'quote " back\\slash newline\n \u00e9'


@pytest.mark.parametrize(
    ("note", "kind", "words"),
    [
        ("string", "unusable", "a string"),
        ("range vector (matrix) from an instant query", "unusable", "rate"),
        ("step 0", "bad_query", "step"),
        ("too many points (> 11000)", "bad_query", "11,000 points"),
        ("range vector selector in query_range", "bad_query", "must be Scalar or instant Vector"),
        ("parse error", "bad_query", "unclosed left parenthesis"),
        ("rate of an instant vector", "bad_query", "expected type range vector"),
        ("many-to-many -> 422", "execution", "duplicate series"),
        ("too many samples -> 422", "execution", "too many samples"),
        ("query while starting", "unavailable", "may be starting"),
        ("timeout=100ms", "query_timeout", "query timed out in expression evaluation"),
        ("two at once, concurrency 1", "query_timeout", "query timed out in query queue"),
        ("unknown API path", "not_found", "status 404"),
        ("method not allowed", "not_prometheus", "status 405"),
        ("root redirects", "redirect", "/classic/graph"),
    ],
)
def test_recorded_failures_are_told_apart(note: str, kind: str, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        recorded(note)
    assert caught.value.kind == kind
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, "", "denied"),
        (403, "RBAC: access denied", "denied"),
        (200, "<html>Sign in</html>", "not_prometheus"),
        (200, "[1, 2]", "not_prometheus"),
        (200, '{"status": "success", "data"', "not_prometheus"),
        (429, "too many requests", "unavailable"),
        (502, "<html>bad gateway</html>", "unavailable"),
        (500, '{"status":"error","errorType":"internal","error":"boom"}', "server_error"),
        (503, '{"status":"error","errorType":"canceled","error":"query was canceled"}', "query_timeout"),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', "unusable"),
        (
            200,
            '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[]}]}}',
            "unusable",
        ),
    ],
)
def test_answers_of_what_stands_in_front_of_prometheus_are_told_apart(status: int, body: str, kind: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(understand(Answer(status, {}, body.encode(), 0.01), "http://proxy/api/v1/query"), NOW)
    assert caught.value.kind == kind


def test_warnings_of_a_partial_answer_are_kept() -> None:
    body = {"status": "success", "warnings": ["a store is down"], "data": {"resultType": "vector", "result": []}}
    assert parse(body, NOW).warnings == ("a store is down",)
