# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts an outcome into a sentence or two that a person on call can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from .._http.verdict import Verdict
from .model import Check, SeriesOutcome, State, Window
from .quantity import amount, span

COMPARISON = re.compile(r"[<>]=?|==|!=")
NOT_CODE = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|\{[^}]*\}|\bbool\b')
CAUSES = {
    State.ABSENT: "without data",
    State.NAN: "NaN, which a ratio is when there is nothing to divide by",
    State.QUIET: "with too little traffic",
    State.CLIPPED: "beyond the last bucket of the histogram",
}


@dataclass(frozen=True)
class Findings:
    """Everything there is to explain: ``found`` are all series, ``judged`` those that count."""

    check: Check
    window: Window
    verdict: Verdict
    found: Sequence[SeriesOutcome]
    judged: Sequence[SeriesOutcome]
    decisive: SeriesOutcome | None
    ceiling: float | None

    @property
    def over(self) -> str:
        """The window in words."""
        return f"the last {span(self.window.end - self.window.start)}"

    def amount(self, value: float) -> str:
        """``value`` in the unit of the check."""
        return amount(value, self.check.condition.unit)


def explain(findings: Findings) -> str:
    """The numbers and what they mean; where data are missing, why, and what to do."""
    series = findings.decisive
    if series is None:
        policy = _policy(findings) if findings.verdict is findings.check.no_data else ""
        return " ".join(filter(None, [_empty(findings), policy]))
    sentences = [_numbers(findings, series), _missing(findings, series), *_advice(findings, series), _others(findings)]
    return " ".join(filter(None, sentences))


def _empty(findings: Findings) -> str:
    if findings.found:
        return f"Every series ended within {findings.over}. Is the target still up?"
    when = f"in {findings.over}" if findings.window.count > 1 else "now"
    code = NOT_CODE.sub("", findings.check.query)
    if COMPARISON.search(code):
        option = "expect" if findings.check.expects else "fail_if"
        why = f"The query compares, and a comparison drops what does not match: move it to {option}."
    elif "/" in code:
        why = "A part of the ratio has no series: is the target scraped? Does the numerator need 'or vector(0)'?"
    else:
        why = "Is the target scraped? Are the names of metric and labels right?"
    return f"The query returns nothing {when}. {why}"


def _numbers(findings: Findings, series: SeriesOutcome) -> str:
    """What was measured, and how that compares with what was asked for."""
    check, window = findings.check, findings.window
    now = _now(findings, series)
    bad, usable = series.count(State.BAD), series.usable
    if not usable:
        return f"{now}."
    if window.count == 1:
        if check.expects:
            return f"{now}, expected {check.condition}." if bad else f"{now}, as expected {check.condition}."
        return f"{now}, which is {check.condition}." if bad else f"{now}, not {check.condition}."
    count = usable - bad if check.expects else bad
    span_of_values = _range(findings, series)
    if count == usable == window.count:
        return f"{now} and {check.condition} throughout {findings.over}{span_of_values}."
    if not count:
        return f"{now}, never {check.condition} in {findings.over}{span_of_values}."
    held = f", for {span(series.held)} so far" if series.held and not check.expects else ""
    return f"{now}, {check.condition} at {count} of {usable} evaluations of {findings.over}{held}{span_of_values}."


def _now(findings: Findings, series: SeriesOutcome) -> str:
    if not series.samples:
        return "No value"
    time, value = series.samples[-1]
    ago = findings.window.end - time
    return f"{findings.amount(value)} {f'{span(ago)} ago' if ago > 0 else 'now'}"


def _range(findings: Findings, series: SeriesOutcome) -> str:
    numbers = [value for _unused, value in series.samples if not isnan(value)]
    if not numbers or min(numbers) == max(numbers):
        return ""
    return f" ({findings.amount(min(numbers))} to {findings.amount(max(numbers))})"


def _missing(findings: Findings, series: SeriesOutcome) -> str:
    missing = [f"{count} {cause}" for state, cause in CAUSES.items() if (count := series.count(state))]
    if not missing:
        return ""
    if findings.window.count == 1:
        return f"It cannot be judged: {CAUSES[series.states[0]]}."
    return f"{series.usable} of {findings.window.count} evaluations can be judged ({'; '.join(missing)})."


def _advice(findings: Findings, series: SeriesOutcome) -> list[str]:
    """What follows from what is missing."""
    check, ceiling = findings.check, findings.ceiling
    advice = []
    if series.count(State.CLIPPED):
        advice.append(
            f"The last bucket ends at {findings.amount(ceiling or 0)}: give the histogram one at "
            f"{findings.amount(check.condition.threshold)} or more."
        )
    elif ceiling is not None and any(value >= ceiling for _unused, value in series.samples):
        advice.append(f"The last bucket of the histogram ends at {findings.amount(ceiling)}: it means that or more.")
    if series.verdict is check.no_data and series.usable < findings.window.count:
        if series.states[-1] is State.ABSENT:
            advice.append("The newest data are missing: is the target still up?")
        elif series.states[0] is State.ABSENT and series.verdict is Verdict.INCONCLUSIVE:
            advice.append("The series is younger than the window: ask again later.")
        advice.append(_policy(findings))
    return advice


def _policy(findings: Findings) -> str:
    no_data = findings.check.no_data
    return "" if no_data is Verdict.INCONCLUSIVE else f"Taken for {no_data.value}, as no_data says."


def _others(findings: Findings) -> str:
    """What the other series say."""
    judged, ended = findings.judged, len(findings.found) - len(findings.judged)
    sentences = []
    if len(judged) > 1 and findings.decisive:
        alike = sum(series.verdict is findings.verdict for series in judged)
        of = f" This is {named(findings.decisive.labels)}." if findings.decisive.labels else ""
        sentences.append(f"{alike} of {len(judged)} series: {findings.verdict.value}.{of}")
    if ended:
        sentences.append(f"{ended} more series ended within the window and do not count.")
    return " ".join(sentences)


def named(labels: Mapping[str, str]) -> str:
    """``{a="b"}`` as Prometheus writes it, without the metric's name."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__") + "}"
