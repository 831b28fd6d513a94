# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what Prometheus answered: pure decisions, no I/O.

A pass has to be proved by data just as a fail has. Evaluations without a usable value (nothing returned, NaN, too
little traffic, a value the histogram cannot tell) are counted by their cause and never taken for good ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from .._http.verdict import WORST_FIRST, Verdict, combined
from .explain import Findings, explain
from .model import Check, Outcome, Reply, Series, SeriesOutcome, State, Window
from .quantity import OPERATORS

NAN_STATES = {"no_data": State.NAN, "pass": State.GOOD, "fail": State.BAD}


def judge(check: Check, window: Window, reply: Reply, traffic: Reply | None, ceiling: float | None) -> Outcome:
    """The outcome of ``check`` from the answers to its query and its traffic query.

    ``ceiling`` is the largest finite bound of the histogram behind the query: a quantile there means "that or more".
    """
    load = None if traffic is None else load_of(traffic, window)
    found = [_series(check, window, series, load, ceiling) for series in reply.series]
    judged = [series for series in found if not (check.ignore_ended and series.ended)]
    verdict = combined((series.verdict for series in judged), check.quorum) if judged else check.no_data
    decisive = _decisive(judged, verdict)
    message = explain(Findings(check, window, verdict, found, judged, decisive, ceiling))
    return Outcome(check, verdict, message, tuple(found), decisive, reply.warnings)


def load_of(reply: Reply, window: Window) -> dict[int, float]:
    """The load at each evaluation, over all series; where none has a number the load is zero."""
    return {
        index: math.fsum(
            series.values[index] for series in reply.series if math.isfinite(series.values.get(index, math.nan))
        )
        for index in range(window.count)
    }


def _quiet(check: Check, load: Mapping[int, float] | None) -> set[int]:
    """The evaluations with too little traffic to mean anything."""
    if load is None or not check.traffic:
        return set()
    return {index for index, amount in load.items() if amount < check.traffic.at_least}


def teller(check: Check, ceiling: float | None) -> Callable[[float], State]:
    """What one value says; made once for a check, because it is asked for every evaluation of every series."""
    holds, threshold, expects = OPERATORS[check.condition.operator], check.condition.threshold, check.expects
    nan = NAN_STATES[check.nan]

    def tell(value: float) -> State:
        if math.isnan(value):
            return nan
        if ceiling is not None and value >= ceiling:
            # The true value is somewhere above the last bound: it can be compared only with thresholds up to there.
            if threshold > ceiling:
                return State.CLIPPED
            value = math.inf
        return State.GOOD if holds(value, threshold) == expects else State.BAD

    return tell


def states_of(
    check: Check, window: Window, series: Series, load: Mapping[int, float] | None, ceiling: float | None
) -> tuple[State, ...]:
    """What every evaluation of ``series`` says; ``load`` is the traffic at each."""
    tell, quiet = teller(check, ceiling), _quiet(check, load)
    values = map(series.values.get, range(window.count))
    return tuple(
        State.ABSENT if value is None else State.QUIET if index in quiet else tell(value)
        for index, value in enumerate(values)
    )


def _series(
    check: Check, window: Window, series: Series, load: Mapping[int, float] | None, ceiling: float | None
) -> SeriesOutcome:
    """Judge one series over the window."""
    states = states_of(check, window, series, load, ceiling)
    held = _held(states, window)
    # One missing evaluation may be a late scrape; a series that ended is missing at the last two.
    ended = window.count > 1 and all(state is State.ABSENT for state in states[-2:])
    return SeriesOutcome(series.labels, verdict_of(check, states), states, series.values, window, held, ended)


def verdict_of(check: Check, states: tuple[State, ...]) -> Verdict:
    """The verdict on one series from the states of all evaluations of its window."""
    bad, good = states.count(State.BAD), states.count(State.GOOD)
    covered = bad + good >= max(1, math.ceil(check.minimum_coverage * len(states) - 1e-9))
    if check.expects and bad:
        return Verdict.FAIL
    if not covered:
        return check.no_data
    return Verdict.PASS if check.expects or good else Verdict.FAIL


def _held(states: tuple[State, ...], window: Window) -> float:
    """Seconds up to the newest evaluation for which it was bad at every usable evaluation."""
    first = window.count
    for index in range(window.count - 1, -1, -1):
        if states[index] is State.GOOD:
            break
        if states[index] is State.BAD:
            first = index
    return window.end - window.time(first) if first < window.count else 0.0


def _decisive(judged: list[SeriesOutcome], verdict: Verdict) -> SeriesOutcome | None:
    """The series that speaks for the whole: one with the whole's verdict, the longest and most often bad."""

    def rank(series: SeriesOutcome) -> tuple[bool, float, int, int]:
        return (
            series.verdict is not verdict,
            -series.held,
            -series.count(State.BAD),
            WORST_FIRST.index(series.verdict),
        )

    return min(judged, key=rank, default=None)
