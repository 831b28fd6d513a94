# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the options of a check into a :class:`~.model.Check`, and an outcome into a result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .._http.verdict import Verdict
from .._module import RollbackError
from .model import MAX_POINTS, Check, Outcome, SeriesOutcome, State, Traffic
from .quantity import UNITS, Condition, amount, parse_duration

SHOWN_SERIES = 20
EVALUATIONS = 20  # steps in a window where no step is given

TRAFFIC_OPTIONS = {
    "query": {"type": "str", "required": True},
    "at_least": {"type": "float", "required": True},
}
CHECK_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "fail_if": {"type": "str"},
    "expect": {"type": "str"},
    "for": {"type": "str", "default": "0"},
    "step": {"type": "str"},
    "unit": {"type": "str", "choices": list(UNITS)},
    "no_data": {"type": "str", "choices": ["inconclusive", "pass", "fail"], "default": "inconclusive"},
    "nan": {"type": "str", "choices": ["no_data", "pass", "fail"], "default": "no_data"},
    "minimum_coverage": {"type": "float", "default": 0.9},
    "minimum_traffic": {"type": "dict", "options": TRAFFIC_OPTIONS},
    "quorum": {"type": "str", "choices": ["any", "all"], "default": "any"},
    "ignore_ended": {"type": "bool", "default": False},
    "ceiling": {"type": "float"},
}


def read_checks(entries: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks described by ``entries`` (validated against CHECK_OPTIONS); names must differ."""
    checks = [read_check(entry) for entry in entries]
    twice = sorted(name for name, count in Counter(check.name for check in checks).items() if count > 1)
    if twice:
        raise RollbackError(f"checks: {', '.join(twice)} is there more than once; give each check a name of its own")
    return checks


def read_check(entry: Mapping[str, Any]) -> Check:
    """One check; every error names it and the option."""
    where = f"checks[{entry['name']}]"
    expects = entry.get("expect") is not None
    if expects == (entry.get("fail_if") is not None):
        raise RollbackError(f"{where}: give either fail_if (the bad state) or expect (the good state)")
    option = "expect" if expects else "fail_if"
    window = parse_duration(entry.get("for") or 0, f"{where}.for")
    step = (
        parse_duration(entry["step"], f"{where}.step")
        if entry.get("step")
        else min(window, max(1.0, window / EVALUATIONS))
    )
    if window and (step <= 0 or step > window or window / step >= MAX_POINTS):
        raise RollbackError(
            f"{where}.step: {step:g} s does not divide {window:g} s into 1 to {MAX_POINTS} parts; leave step out"
        )
    coverage = entry.get("minimum_coverage", 0.9)
    if not 0 < coverage <= 1:
        raise RollbackError(f"{where}.minimum_coverage: {coverage:g} is no share; give more than 0 and at most 1")
    traffic = entry.get("minimum_traffic")
    return Check(
        name=entry["name"],
        query=entry["query"],
        condition=Condition.parse(entry[option], entry.get("unit"), f"{where}.{option}"),
        expects=expects,
        window=window,
        step=step,
        no_data=Verdict(entry.get("no_data", "inconclusive")),
        nan=entry.get("nan", "no_data"),
        minimum_coverage=coverage,
        quorum=entry.get("quorum", "any"),
        ignore_ended=entry.get("ignore_ended", False),
        traffic=Traffic(traffic["query"], traffic["at_least"]) if traffic else None,
        ceiling=entry.get("ceiling"),
    )


def number(value: float | None) -> float | str | None:
    """``value`` as JSON can carry it: what is not finite as Prometheus writes it."""
    if value is None or math.isfinite(value):
        return value
    return amount(value, "number")


def result(outcome: Outcome, max_samples: int) -> dict[str, Any]:
    """One entry of the module's result."""
    check, decisive = outcome.check, outcome.decisive
    return {
        "name": check.name,
        "verdict": outcome.verdict.value,
        "message": outcome.message,
        "value": number(decisive.value) if decisive else None,
        "condition": f"{'expect' if check.expects else 'fail_if'} {check.condition}",
        "threshold": check.condition.threshold,
        "operator": check.condition.operator,
        "unit": check.condition.unit,
        "for": check.window,
        "held": decisive.held if decisive else 0.0,
        "samples": _samples(decisive, max_samples) if decisive else [],
        "series": [_series(series) for series in _worst_series(outcome)],
        "series_count": len(outcome.series),
        "warnings": list(outcome.warnings),
        **outcome.details,
    }


def _worst_series(outcome: Outcome) -> list[SeriesOutcome]:
    order = sorted(outcome.series, key=lambda series: (series is not outcome.decisive, -series.count(State.BAD)))
    return order[:SHOWN_SERIES]


def _samples(series: SeriesOutcome, most: int) -> list[list[float | str | None]]:
    """At most ``most`` samples, evenly thinned out, always with the newest."""
    every = max(1, math.ceil(len(series.samples) / max(1, most)))
    return [[time, number(value)] for time, value in series.samples[::-1][::every][::-1]]


def _series(series: SeriesOutcome) -> dict[str, Any]:
    return {
        "labels": dict(series.labels),
        "verdict": series.verdict.value,
        "value": number(series.value),
        "held": series.held,
        "evaluations": {state.value: count for state, count in sorted(series.counts.items())},
    }
