# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks everything a list of checks needs, each question once and several at a time, and has the answers judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._http.verdict import Verdict
from .batch import Batch, batches
from .client import Asker, QueryError
from .evaluate import judge
from .histogram import bounds_query, ceiling
from .model import Check, Outcome, Reply, Window
from .replay import Replay, chunks, joined, past, replay

Question = tuple[str, Window]
Replies = Mapping[Question, "Reply | QueryError"]


@dataclass(frozen=True)
class Answers:
    """The outcomes in the order of the checks, when they were asked (server's clock), and with how many queries."""

    outcomes: tuple[Outcome, ...]
    time: float | None
    queries: int
    requests: int
    """In how many requests they were asked."""


def evaluate(asker: Asker, checks: Sequence[Check], end: float | None, delay: float, workers: int) -> Answers:
    """Evaluate ``checks`` over windows that end at ``end``, or ``delay`` seconds before the server's present."""
    if end is None:
        try:
            end = asker.now() - delay
        except QueryError as error:
            return Answers(tuple(_unasked(check, error) for check in checks), None, 1, 1)
    questions = [question for check in checks for question in _questions(check, end)]
    replies, requests = _ask_all(asker, questions, workers)
    return Answers(tuple(_outcome(check, end, replies) for check in checks), end, len(replies), requests)


def replay_all(
    asker: Asker, checks: Sequence[Check], end: float, length: float, workers: int
) -> dict[str, Replay | QueryError]:
    """What each check (by name) would have said at every step of the ``length`` seconds before ``end``."""
    windows = {check.name: past(check, end, length) for check in checks}
    bounds = {check.name: _bounds(check, end) for check in checks}
    questions = [
        (query, chunk)
        for check in checks
        for query in [check.query, *([check.traffic.query] if check.traffic else [])]
        for chunk in chunks(windows[check.name])
    ]
    replies, _requests = _ask_all(asker, [*questions, *filter(None, bounds.values())], workers)
    return {check.name: _replay(check, windows[check.name], bounds[check.name], replies) for check in checks}


def _replay(check: Check, window: Window, bounds: Question | None, replies: Replies) -> Replay | QueryError:
    def whole(query: str) -> Reply:
        parts = [replies[query, chunk] for chunk in chunks(window)]
        for part in parts:
            if isinstance(part, QueryError):
                raise part
        return joined([part for part in parts if isinstance(part, Reply)])

    try:
        traffic = whole(check.traffic.query) if check.traffic else None
        return replay(check, window, whole(check.query), traffic, _top(check, bounds, replies))
    except QueryError as error:
        return error


def _ask_all(
    asker: Asker, questions: Sequence[Question], workers: int
) -> tuple[dict[Question, Reply | QueryError], int]:
    """The replies to all ``questions``, each asked once and ``workers`` requests at a time; how many requests."""
    # Dictionary keys keep the order and drop what is asked twice.
    waiting = batches(list(dict.fromkeys(questions)), workers)
    found: dict[Question, Reply | QueryError] = {}
    requests = 0
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(waiting)))) as pool:
        while waiting:
            requests += len(waiting)
            answered = list(zip(waiting, pool.map(lambda batch: _ask(asker, batch), waiting), strict=True))
            waiting = [smaller for batch, answer in answered for smaller in _take(batch, answer, found)]
    return found, requests


def _take(batch: Batch, answer: Reply | QueryError, found: dict[Question, Reply | QueryError]) -> list[Batch]:
    """Put the answers to the questions of ``batch`` into ``found``, or return what has to be asked instead."""
    smaller = batch.smaller(answer.kind) if isinstance(answer, QueryError) else []
    shared = batch.shared(answer) if isinstance(answer, Reply) else [answer] * len(batch.queries)
    if smaller or shared is None:
        return smaller or batch.smaller("unusable")
    found.update(zip(((query, batch.window) for query in batch.queries), shared, strict=True))
    return []


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


def _ask(asker: Asker, batch: Batch) -> Reply | QueryError:
    try:
        return asker.ask(batch.query, batch.window)
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
    return judge(check, window, reply, traffic, _top(check, _bounds(check, end), replies))


def _top(check: Check, bounds: Question | None, replies: Replies) -> float | None:
    """The ceiling of the check, from its options or from the buckets that were asked for."""
    buckets = replies[bounds] if bounds else None
    return ceiling(buckets) if isinstance(buckets, Reply) else check.ceiling


def _unasked(check: Check, error: QueryError, where: str = "") -> Outcome:
    return Outcome(check, Verdict.ERROR, where + error.message, details={"error": error.kind})
