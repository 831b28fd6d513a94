# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts an outcome into a sentence that a person on call can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .._http.verdict import Verdict
from .model import Check, SeriesOutcome, State, Window
from .quantity import amount, span

COMPARISON = re.compile(r"[<>]=?|==|!=")
NOT_CODE = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|\{[^}]*\}|\bbool\b')
CAUSES = {
    State.ABSENT: "nothing returned",
    State.NAN: "NaN, for a ratio that means nothing to divide by",
    State.QUIET: "too little traffic",
    State.CLIPPED: "above what the histogram can tell",
}


def explain(
    check: Check,
    window: Window,
    verdict: Verdict,
    found: Sequence[SeriesOutcome],
    judged: Sequence[SeriesOutcome],
    decisive: SeriesOutcome | None,
    quiet: bool,
    ceiling: float | None,
) -> str:
    """One or two sentences: the numbers, what they mean, and where data are missing why and what to do."""
    if decisive is None:
        return f"No data{_over(window)}: {_why_empty(check, quiet)}{_policy(verdict)}."
    sentences = [_numbers(check, window, decisive) + _of_many(found, judged, verdict)]
    missing = {state: decisive.count(state) for state in CAUSES if decisive.count(state)}
    if missing:
        causes = "; ".join(f"{count} {CAUSES[state]}" for state, count in missing.items())
        sentences.append(f"{decisive.usable} of {window.count} evaluations can be used ({causes}).")
        sentences += _advice(check, decisive, ceiling, verdict)
    if State.CLIPPED not in missing and _clipped(decisive, ceiling):
        top = amount(ceiling or 0, check.condition.unit)
        sentences.append(f"{top} is the largest bucket of the histogram, so it means {top} or more.")
    return " ".join(sentences)


def _over(window: Window) -> str:
    return f" in the last {span(window.end - window.start)}" if window.count > 1 else " now"


def _numbers(check: Check, window: Window, series: SeriesOutcome) -> str:
    """What was measured and how often the condition held."""
    unit, condition = check.condition.unit, check.condition
    now = "no value" if series.value is None else amount(series.value, unit)
    bad, usable = series.count(State.BAD), series.usable
    if not usable:
        return f"Cannot be judged: {now} at the newest evaluation, wanted {_wanted(check)}."
    if window.count == 1:
        return f"{now} now; {_wanted(check)}: {'yes' if check.expects != bool(bad) else 'no'}."
    over = span(window.end - window.start)
    lowest, highest = _range(series)
    numbers = f"{now} at the newest evaluation, {amount(lowest, unit)} to {amount(highest, unit)} in the last {over}"
    count = bad if not check.expects else usable - bad
    often = "at every evaluation" if count == usable else f"at {count} of {usable} evaluations"
    held = f", for {span(series.held)} now" if series.held and bad < usable else ""
    return f"{numbers}; {condition} {often}{held}."


def _wanted(check: Check) -> str:
    return f"expected {check.condition}" if check.expects else f"fails if {check.condition}"


def _range(series: SeriesOutcome) -> tuple[float, float]:
    numbers = [value for _, value in series.samples if value == value]
    return (min(numbers), max(numbers)) if numbers else (float("nan"), float("nan"))


def _of_many(found: Sequence[SeriesOutcome], judged: Sequence[SeriesOutcome], verdict: Verdict) -> str:
    """Which of several series the numbers are of, and what the others say."""
    text = ""
    if len(judged) > 1:
        alike = sum(series.verdict is verdict for series in judged)
        text = f" {alike} of {len(judged)} series: {verdict.value}"
        labels = next(series.labels for series in judged if series.verdict is verdict or series is judged[-1])
        text += f", for example {named(labels)}." if labels else "."
    ended = len(found) - len(judged)
    return text + (f" {ended} more series ended within the window and do not count." if ended else "")


def named(labels: Mapping[str, str]) -> str:
    """``{a="b"}`` as Prometheus writes it, without the metric's name."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__") + "}"


def _why_empty(check: Check, quiet: bool) -> str:
    if quiet and check.traffic:
        return f"no traffic either (needs {check.traffic.at_least:g})"
    code = NOT_CODE.sub("", check.query)
    if COMPARISON.search(code):
        option = "expect" if check.expects else "fail_if"
        return f"the query compares, and a comparison drops what does not match; move it to {option}"
    if "/" in code:
        return "a part of the ratio has no series; is the target scraped, and does the numerator need 'or vector(0)'?"
    return "the query returns nothing; is the target scraped, and are metric and labels spelled right?"


def _policy(verdict: Verdict) -> str:
    return "" if verdict is Verdict.INCONCLUSIVE else f"; taken for {verdict.value} because no_data says so"


def _advice(check: Check, series: SeriesOutcome, ceiling: float | None, verdict: Verdict) -> list[str]:
    advice = []
    if series.count(State.CLIPPED):
        unit = check.condition.unit
        advice.append(
            f"The largest bucket of the histogram is {amount(ceiling or 0, unit)}; add one at "
            f"{amount(check.condition.threshold, unit)} or more."
        )
    if series.states[-1] is State.ABSENT:
        advice.append("The newest evaluation has no data: the series has gone stale; is the target still up?")
    elif series.states[0] is State.ABSENT and verdict is Verdict.INCONCLUSIVE:
        advice.append("The series is younger than the window; ask again later.")
    if series.verdict is check.no_data is not Verdict.INCONCLUSIVE and series.usable < len(series.states):
        advice.append(f"Taken for {verdict.value} because no_data says so.")
    return advice


def _clipped(series: SeriesOutcome, ceiling: float | None) -> bool:
    return ceiling is not None and any(value >= ceiling for _, value in series.samples)
