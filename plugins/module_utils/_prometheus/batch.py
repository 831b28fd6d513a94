# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts many questions into few requests: one query that returns the series of all, each marked with whose it is.

A thousand requests cost more than a thousand queries. Where a batch cannot be answered, it is asked in smaller ones
down to single questions, so an answer never depends on what was asked beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .model import Reply, Series, Window

MARK = "rollback_question"
MOST_QUERIES = 50
MOST_EVALUATIONS = 5_000  # of all queries of a batch; what they return has to fit into one answer
MOST_TEXT = 12_000  # characters; VictoriaMetrics takes 16 KiB unless told otherwise
ROUNDS = 4  # batches per worker, so that none waits long for another one

# Errors that may be about one question of several; all others meet every question alike.
OF_ONE = ("bad_query", "execution", "unusable", "not_prometheus", "server_error")
TOO_MUCH = ("timeout", "query_timeout")

TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`|#[^\n]*|[()\[\]{}"\'`]')
QUOTES = ('"', "'", "`")
CLOSES = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Batch:
    """Queries over one window that are asked together."""

    queries: tuple[str, ...]
    window: Window

    @property
    def query(self) -> str:
        """One query for all of them."""
        if len(self.queries) == 1:
            return self.queries[0]
        # On lines of its own, a query may end in a comment.
        parts = [f'label_replace(\n{query}\n, "{MARK}", "{at}", "", "")' for at, query in enumerate(self.queries)]
        # In pairs of pairs, for in a chain every link would copy all that is before it.
        while len(parts) > 1:
            pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
            parts = [f"({pair[0]} or {pair[1]})" if len(pair) == 2 else pair[0] for pair in pairs]
        return parts[0]

    def shared(self, reply: Reply) -> list[Reply] | None:
        """The reply to each of the queries; None where a warning is about one of them and does not say which."""
        if len(self.queries) == 1:
            return [reply]
        if any(warning.startswith("PromQL") for warning in reply.warnings):
            return None
        found: list[list[Series]] = [[] for _query in self.queries]
        for series in reply.series:
            labels = dict(series.labels)
            found[int(labels.pop(MARK))].append(Series(labels, series.values))
        return [Reply(tuple(series), reply.warnings) for series in found]

    def smaller(self, kind: str) -> list[Batch]:
        """What is asked after an error of ``kind``; nothing where asking again would not help."""
        if len(self.queries) == 1 or kind not in (*OF_ONE, *TOO_MUCH):
            return []
        half = 1 if kind in TOO_MUCH else math.ceil(len(self.queries) / 2)
        parts = [self.queries[at : at + half] for at in range(0, len(self.queries), half)]
        return [Batch(part, self.window) for part in parts]


def batches(questions: Sequence[tuple[str, Window]], workers: int) -> list[Batch]:
    """All ``questions``, each in one batch; few of them remain alone, as nothing would be gained."""
    most = min(MOST_QUERIES, math.ceil(len(questions) / (ROUNDS * workers)))
    by_window: dict[Window, list[str]] = {}
    found = []
    for query, window in questions:
        if most > 1 and _whole(query):
            by_window.setdefault(window, []).append(query)
        else:
            found.append(Batch((query,), window))
    for window, queries in by_window.items():
        found += [Batch(part, window) for part in _parts(queries, min(most, max(1, MOST_EVALUATIONS // window.count)))]
    return found


def _parts(queries: Sequence[str], most: int) -> list[tuple[str, ...]]:
    parts: list[tuple[str, ...]] = []
    part: list[str] = []
    length = 0
    for query in queries:
        if part and (len(part) == most or length + len(query) > MOST_TEXT):
            parts.append(tuple(part))
            part, length = [], 0
        part.append(query)
        length += len(query)
    return [*parts, tuple(part)]


def _whole(query: str) -> bool:
    """Whether brackets and quotes of ``query`` are closed, so that it cannot reach into its neighbours."""
    opened: list[str] = []
    for match in TOKEN.finditer(query):
        sign = match[0]
        if sign in "([{":
            opened.append(sign)
        elif sign in CLOSES:
            if not opened or opened.pop() != CLOSES[sign]:
                return False
        elif sign in QUOTES:
            return False  # nothing closes it
    return not opened
