# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations and thresholds as people write them."""

from __future__ import annotations

import math

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.quantity import (
    Condition,
    amount,
    parse_duration,
    span,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("5 min", 300), ("1h30m", 5400), ("90", 90), (0, 0), ("500ms", 0.5), ("1d", 86400), ("2.5m", 150)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text, "for") == seconds


@pytest.mark.parametrize("text", ["", "5x", "m5", "-1", "nan", "inf", "5m and a bit", "5m-"])
def test_what_is_no_duration_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(RollbackError, match=r"^for: "):
        parse_duration(text, "for")


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [
        ("> 10%", None, Condition(">", 0.1, "ratio")),
        ("<1 %", None, Condition("<", 0.01, "ratio")),
        ("> 5s", None, Condition(">", 5, "seconds")),
        ("< 500ms", None, Condition("<", 0.5, "seconds")),
        (">= 2m", None, Condition(">=", 120, "seconds")),
        ("> 0.10", "ratio", Condition(">", 0.1, "ratio")),
        ("== 0", None, Condition("==", 0, "number")),
        ("!= -1.5e3", None, Condition("!=", -1500, "number")),
        ("<= 512", "bytes", Condition("<=", 512, "bytes")),
        ("< 70%", "ratio", Condition("<", 0.7, "ratio")),
    ],
)
def test_a_condition_states_its_unit(text: str, unit: str | None, wanted: Condition) -> None:
    assert Condition.parse(text, unit, "fail_if") == wanted


@pytest.mark.parametrize("text", ["10%", ">", "> ten", "=> 5", "> 5 apples", "> 5 > 4", "> NaN", "> 1_0"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(RollbackError, match="is no condition"):
        Condition.parse(text, None, "fail_if")


def test_a_unit_that_contradicts_the_condition_is_refused() -> None:
    with pytest.raises(RollbackError, match="written in seconds, but unit says ratio"):
        Condition.parse("> 5s", "ratio", "fail_if")


@pytest.mark.parametrize("sign", [">", ">=", "<", "<=", "==", "!="])
@pytest.mark.parametrize("value", [0.9, 1.0, 1.1, math.inf, -math.inf])
def test_the_opposite_holds_exactly_where_the_condition_does_not(sign: str, value: float) -> None:
    condition = Condition(sign, 1.0, "number")
    assert condition.opposite.holds(value) != condition.holds(value)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "ratio", "12.34 %"),
        (0.35, "seconds", "350 ms"),
        (5.2, "seconds", "5.2 s"),
        (0, "seconds", "0 s"),
        (1610612736, "bytes", "1.5 GiB"),
        (100, "bytes", "100 B"),
        (0.25, "number", "0.25"),
        (math.nan, "ratio", "NaN"),
        (math.inf, "seconds", "+Inf"),
        (-math.inf, "number", "-Inf"),
    ],
)
def test_numbers_are_written_for_people(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(("seconds", "text"), [(300, "5m"), (90, "1m30s"), (5400, "1h30m"), (0.5, "500ms"), (0, "0s")])
def test_spans_are_written_as_prometheus_does(seconds: float, text: str) -> None:
    assert span(seconds) == text
    assert parse_duration(text, "for") == seconds
