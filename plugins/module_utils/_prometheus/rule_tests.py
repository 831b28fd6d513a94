# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes unit tests for ``promtool test rules`` out of the checks that the alert rules are made of.

What a query measures cannot be made up, so it is left out: without data, none of the real rules may fire. Thresholds,
durations, NaN, traffic and missing data are tried on the same rules with a metric that stands in for each query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._http.verdict import Verdict
from .evaluate import teller
from .model import Check, State, Traffic
from .quantity import span
from .rules import alert_name, alert_rules

VALUE, TRAFFIC = "rollback_stand_in", "rollback_stand_in_traffic"
# Queries that may return a value where nothing is measured, and mean it.
FROM_NOTHING = re.compile(r"\b(absent|absent_over_time|vector|scalar|time)\s*\(")
SUMMARY = {"summary": "stands in for the real one"}


def stand_in_rules(checks: Sequence[Check], labels: Mapping[str, str]) -> dict[str, Any]:
    """The content of a rule file: the alert rules of ``checks``, with made-up metrics in place of their queries."""
    return alert_rules([_stand_in(check) for check in checks], "stand-ins", None, labels, SUMMARY)


def alert_tests(
    checks: Sequence[Check], rules: str, made_up: str, interval: float, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The content of a test file for the rule file ``rules`` and that of its :func:`stand_in_rules`, ``made_up``.

    ``interval`` is the seconds between evaluations; ``labels`` those that both rule files were made with.
    """
    cases: dict[str, list[tuple[Check, _Case]]] = {}
    for check in checks:
        for case in _cases(check):
            cases.setdefault(case.what, []).append((check, case))
    # Few tests with all checks in each: promtool makes a database for every test.
    tests = [_test(what, of_checks, interval, labels) for what, of_checks in cases.items()]
    return {"rule_files": [rules, made_up], "evaluation_interval": span(interval), "tests": tests}


def _stand_in(check: Check) -> Check:
    named = f'check="{alert_name(check.name)}"'
    traffic = Traffic(f"{TRAFFIC}{{{named}}}", check.traffic.at_least) if check.traffic else None
    # Aggregated, for the alert then has no labels of the metric.
    return replace(check, name=_name(check), query=f"max({VALUE}{{{named}}})", traffic=traffic)


def _name(check: Check) -> str:
    return f"{check.name} stand-in"


@dataclass(frozen=True)
class _Case:
    """A value and a load, each at every evaluation or not at all, and whether the alert of the stand-in fires.

    ``suffix`` is the end of another alert's name; ``real`` means the alert of the real query.
    """

    what: str
    value: float | None
    load: float | None
    fires: bool
    suffix: str = ""
    real: bool = False


def _cases(check: Check) -> list[_Case]:
    """What ``check`` says of values of every kind, which is what its alerts have to do."""
    threshold = check.condition.threshold
    near = abs(threshold) / 10 or 0.1
    tell = teller(check, check.ceiling)
    values = {"above": threshold + near, "at the threshold": threshold, "below": threshold - near, "NaN": math.nan}
    states = {what: tell(value) for what, value in values.items()}
    enough = check.traffic.at_least if check.traffic else None
    cases = [
        _Case(what, values[what], enough, fires=state is State.BAD)
        for what, state in states.items()
        if state is not State.CLIPPED  # no such value can be measured
    ]
    bad = next((values[what] for what, state in states.items() if state is State.BAD), None)
    if bad is not None and enough is not None:
        cases.append(_Case("too little traffic", bad, enough - 1, fires=False))
    if not FROM_NOTHING.search(check.query):
        cases.append(_Case("without data", None, None, fires=False, real=True))
    if check.no_data is Verdict.FAIL:
        cases.append(_Case("without data", None, None, fires=True, suffix="NoData"))
    return cases


def _test(
    what: str, cases: Sequence[tuple[Check, _Case]], interval: float, labels: Mapping[str, str]
) -> dict[str, Any]:
    series = [entry for check, case in cases for entry in _series(check, case, interval)]
    return {
        "name": what,
        "interval": span(interval),
        **({"input_series": series} if series else {}),
        "alert_rule_test": [entry for check, case in cases for entry in _alerts(check, case, interval, labels)],
    }


def _series(check: Check, case: _Case, interval: float) -> list[dict[str, Any]]:
    named = f'{{check="{alert_name(check.name)}"}}'
    return [
        {"series": f"{metric}{named}", "values": _repeated(number, _steps(check, interval) + 1)}
        for metric, number in ((VALUE, case.value), (TRAFFIC, case.load))
        if number is not None
    ]


def _alerts(check: Check, case: _Case, interval: float, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The alert when it fires at the earliest, and an evaluation before."""
    wait = _steps(check, interval)
    alert = {"alertname": alert_name(check.name if case.real else _name(check)) + case.suffix}
    expected = [{"exp_labels": {"check": _name(check), **labels}, "exp_annotations": SUMMARY}] if case.fires else []
    before = [{"eval_time": span((wait - 1) * interval), **alert, "exp_alerts": []}] if wait and case.fires else []
    return [*before, {"eval_time": span(wait * interval), **alert, "exp_alerts": expected}]


def _steps(check: Check, interval: float) -> int:
    """How many evaluations after its first bad one the alert of ``check`` fires."""
    return 0 if check.expects else math.ceil(check.window / interval - 1e-9)


def _repeated(value: float, times: int) -> str:
    """As promtool reads a series; its short form is for numbers only."""
    return " ".join(["NaN"] * times) if math.isnan(value) else f"{value:.12g}x{times}"
