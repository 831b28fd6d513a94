# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks everything a list of checks needs, each question once and several at a time, and has the answers judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._http.verdict import Verdict
from .client import Asker, QueryError
from .evaluate import judge
from .histogram import bounds_query, ceiling
from .model import Check, Outcome, Reply, Window

Question = tuple[str, Window]
Replies = Mapping[Question, Reply | QueryError]


@dataclass(frozen=True)
class Answers:
    """The outcomes in the order of the checks, when they were asked (server's clock), and with how many queries."""

    outcomes: tuple[Outcome, ...]
    time: float | None
    queries: int


def evaluate(asker: Asker, checks: Sequence[Check], end: float | None, delay: float, workers: int) -> Answers:
    """Evaluate ``checks`` over windows that end at ``end``, or ``delay`` seconds before the server's present."""
    if end is None:
        try:
            end = asker.now() - delay
        except QueryError as error:
            return Answers(tuple(_unasked(check, error) for check in checks), None, 1)
    # Dictionary keys keep the order and drop what is asked twice.
    questions = list(dict.fromkeys(question for check in checks for question in _questions(check, end)))
    replies: dict[Question, Reply | QueryError] = {}
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(questions)))) as pool:
        replies.update(zip(questions, pool.map(lambda question: _ask(asker, *question), questions), strict=True))
    return Answers(tuple(_outcome(check, end, replies) for check in checks), end, len(questions))


def _questions(check: Check, end: float) -> list[Question]:
    window = Window.of(check, end)
    questions = [(check.query, window)]
    if check.traffic:
        questions.append((check.traffic.query, window))
    bounds = _bounds(check, end)
    return [*questions, bounds] if bounds else questions


def _bounds(check: Check, end: float) -> Question | None:
    query = bounds_query(check.query) if check.ceiling is None else None
    return (query, Window(end, 0, 1)) if query else None


def _ask(asker: Asker, query: str, window: Window) -> Reply | QueryError:
    try:
        return asker.ask(query, window)
    except QueryError as error:
        return error


def _outcome(check: Check, end: float, replies: Replies) -> Outcome:
    window = Window.of(check, end)
    reply = replies[check.query, window]
    if isinstance(reply, QueryError):
        return _unasked(check, reply)
    traffic = replies[check.traffic.query, window] if check.traffic else None
    if isinstance(traffic, QueryError):
        return _unasked(check, traffic, "minimum_traffic: ")
    top = check.ceiling
    bounds = _bounds(check, end)
    if bounds:
        buckets = replies[bounds]
        top = ceiling(buckets) if isinstance(buckets, Reply) else None
    return judge(check, window, reply, traffic, top)


def _unasked(check: Check, error: QueryError, where: str = "") -> Outcome:
    return Outcome(check, Verdict.ERROR, where + error.message, details={"error": error.kind})
