# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes Prometheus alert rules out of checks, so that what is alerted on and what is rolled back for never drift."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._http.verdict import Verdict
from .model import Check
from .quantity import span

HUMAN = {
    "ratio": "{{ $value | humanizePercentage }}",
    "seconds": "{{ $value | humanizeDuration }}",
    "bytes": "{{ $value | humanize1024 }}B",
    "number": "{{ $value }}",
}


def alert_rules(
    checks: Sequence[Check],
    group: str,
    interval: str | None,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """The content of a rule file with one group: an alert per check, and one more where missing data mean failure."""
    rules: list[dict[str, Any]] = []
    for check in checks:
        rules.append(_rule(check, "", expression(check), labels, {**_annotations(check), **annotations}))
        if check.no_data is Verdict.FAIL:
            summary = {"summary": f"{check.name}: no data, which means failure here"}
            rules.append(_rule(check, "NoData", f"absent({_inner(check)})", labels, {**summary, **annotations}))
    return {"groups": [{"name": group, **({"interval": interval} if interval else {}), "rules": rules}]}


def expression(check: Check) -> str:
    """PromQL that returns a series exactly where one evaluation of ``check`` is bad.

    NaN drops out of every comparison but one, and evaluations without data return nothing, as in the check.
    """
    query = _inner(check)
    condition = check.condition.opposite if check.expects else check.condition
    threshold = f"{condition.threshold:.12g}"
    bad = f"({query}) {condition.operator} {threshold}"
    if check.ceiling is not None:
        top = f"{check.ceiling:.12g}"
        below = f"(({query}) < {top}) {condition.operator} {threshold}"
        # A value at the ceiling is somewhere above it, which only thresholds up to there can be compared with.
        above = condition.operator in (">", ">=", "!=") and condition.threshold <= check.ceiling
        bad = f"({below} or ({query}) >= {top})" if above else below
    if condition.operator == "!=" and check.nan != "fail":
        bad = f"({bad} and ({query}) == ({query}))"  # NaN differs from every number, and passes this one comparison
    if check.nan == "fail":
        bad = f"({bad} or ({query}) != ({query}))"  # only NaN differs from itself
    if check.quorum == "all":
        bad = f"(count({bad}) == count({query}))"
    if check.traffic:
        bad = f"({bad}) and on() (sum({check.traffic.query.strip()}) >= {check.traffic.at_least:.12g})"
    return bad


def _inner(check: Check) -> str:
    return check.query.strip()


def _rule(
    check: Check, suffix: str, expr: str, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> dict[str, Any]:
    # An expectation fails with its first bad evaluation, so only a trigger's alert waits.
    wait = {"for": span(check.window)} if check.window and not check.expects else {}
    return {
        "alert": alert_name(check.name) + suffix,
        "expr": expr,
        **wait,
        "labels": {"check": check.name, **labels},
        "annotations": dict(annotations),
    }


def _annotations(check: Check) -> dict[str, str]:
    # Where all series have to fail the value of the alert is their number, not a measurement.
    value = f"is {HUMAN[check.condition.unit]}" if check.quorum == "any" else "in every series"
    if check.expects:
        return {"summary": f"{check.name} {value}, expected {check.condition}"}
    duration = f" for {span(check.window)}" if check.window else ""
    return {"summary": f"{check.name} {value}, {check.condition}{duration}"}


def alert_name(name: str) -> str:
    """``error_rate`` or ``Error rate`` as ``RollbackErrorRate``."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    return "Rollback" + "".join(word[0].upper() + word[1:] for word in words)
