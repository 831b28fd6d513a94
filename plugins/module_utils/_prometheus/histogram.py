# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds how far a histogram reaches, because a quantile beyond its last bucket is reported as that bucket's bound.

Prometheus documents this of ``histogram_quantile``: "If the quantile is located in the highest bucket, the upper
bound of the second highest bucket is returned"; with every request slower than 5 s the 99th percentile reads 5 s.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .model import Reply

FUNCTION = "histogram_quantile"
QUOTES = "\"'`"


def bounds_query(query: str) -> str | None:
    """The query for the bucket bounds behind ``query``, if that is one ``histogram_quantile`` and nothing else."""
    text = query.strip()
    if not text.startswith(FUNCTION):
        return None
    arguments = _arguments(text[len(FUNCTION) :].lstrip())
    return f"group by (le) ({arguments[1].strip()})" if len(arguments) == 2 else None


def ceiling(reply: Reply) -> float | None:
    """The largest finite bound among the ``le`` labels of ``reply``; None where there is none."""
    return max(_finite(series.labels.get("le", "") for series in reply.series), default=None)


def _finite(labels: Iterable[str]) -> Iterable[float]:
    for label in labels:
        try:
            bound = float(label)
        except ValueError:
            continue
        if math.isfinite(bound):
            yield bound


def _arguments(text: str) -> list[str]:
    """The top-level arguments of ``text``, a parenthesis that opens at its start and closes at its very end."""
    if not text.startswith("("):
        return []
    found, depth, start, quote, skip = [], 0, 1, "", False
    for position, letter in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\" and quote != "`"
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
            if not depth:
                found.append(text[start:position])
                return found if not text[position + 1 :].strip() else []
        elif letter == "," and depth == 1:
            found.append(text[start:position])
            start = position + 1
    return []
