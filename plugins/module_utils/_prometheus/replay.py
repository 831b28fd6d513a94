# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays a check over the past: what it would have said at every step, and how well that fits known incidents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._http.verdict import Verdict, combined
from .evaluate import load_of, states_of, verdict_of
from .model import Check, Reply, Series, State, Window

CHUNK = 10_000  # evaluations per query; Prometheus allows 11,000
STEP = 15.0  # seconds between evaluations of a check that has no window and says nothing else


@dataclass(frozen=True)
class Span:
    """From the first to the last moment, in seconds since the epoch."""

    start: float
    end: float


@dataclass(frozen=True)
class Replay:
    """How often each verdict was given, and the spans of uninterrupted failing."""

    verdicts: Mapping[Verdict, int]
    firings: tuple[Span, ...]


def past(check: Check, end: float, length: float) -> Window:
    """All evaluations needed to judge ``check`` at every step of the ``length`` seconds before ``end``."""
    step = check.step or STEP
    return Window(end, step, int(length / step) + Window.of(check, end).count)


def chunks(window: Window) -> list[Window]:
    """``window`` in pieces that Prometheus answers."""
    starts = range(0, window.count, CHUNK)
    counts = [min(CHUNK, window.count - start) for start in starts]
    return [
        Window(window.time(start + count - 1), window.step, count) for start, count in zip(starts, counts, strict=True)
    ]


def joined(replies: Sequence[Reply]) -> Reply:
    """The replies to :func:`chunks` as one, with the evaluations counted from the start of the whole."""
    values: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
    for number, reply in enumerate(replies):
        for series in reply.series:
            known = values.setdefault(tuple(sorted(series.labels.items())), {})
            known.update({index + number * CHUNK: value for index, value in series.values.items()})
    return Reply(tuple(Series(dict(labels), found) for labels, found in values.items()))


def replay(check: Check, window: Window, reply: Reply, traffic: Reply | None, ceiling: float | None) -> Replay:
    """Judge ``check`` at every evaluation for which ``window`` holds the whole duration."""
    load = None if traffic is None else load_of(traffic, window)
    states = [states_of(check, window, series, load, ceiling) for series in reply.series]
    length = Window.of(check, window.end).count
    verdicts: Counter[Verdict] = Counter()
    firings: list[Span] = []
    firing = False
    for last in range(length - 1, window.count):
        verdict = _at(check, [one[last - length + 1 : last + 1] for one in states])
        verdicts[verdict] += 1
        now = window.time(last)
        if verdict is Verdict.FAIL and firing:
            firings[-1] = replace(firings[-1], end=now)
        elif verdict is Verdict.FAIL:
            firings.append(Span(now, now))
        firing = verdict is Verdict.FAIL
    return Replay(verdicts, tuple(firings))


def _at(check: Check, states: Sequence[tuple[State, ...]]) -> Verdict:
    """The verdict of one moment; a series that has nothing in the window is not there at all."""
    there = [one for one in states if any(state is not State.ABSENT for state in one)]
    if check.ignore_ended:
        there = [one for one in there if len(one) == 1 or any(state is not State.ABSENT for state in one[-2:])]
    return combined((verdict_of(check, one) for one in there), check.quorum) if there else check.no_data


def score(check: Check, found: Replay, incidents: Sequence[Span]) -> dict[str, Any]:
    """Firings against incidents: which were detected with what delay (seconds), and which firings were false."""
    # An alarm may come as late as the duration after the incident's last moment.
    matched = {
        incident: [
            one for one in found.firings if one.end >= incident.start and one.start <= incident.end + check.window
        ]
        for incident in incidents
    }
    explained = {one for firings in matched.values() for one in firings}
    return {
        "evaluations": sum(found.verdicts.values()),
        "verdicts": {verdict.value: found.verdicts.get(verdict, 0) for verdict in Verdict},
        "firings": [_shown(one) for one in found.firings],
        "incidents": [
            {
                **_shown(incident),
                "detected": bool(firings),
                "delay": max(0.0, firings[0].start - incident.start) if firings else None,
            }
            for incident, firings in matched.items()
        ],
        "false_alarms": [_shown(one) for one in found.firings if incidents and one not in explained],
    }


def _shown(span: Span) -> dict[str, float]:
    return {"start": span.start, "end": span.end}
