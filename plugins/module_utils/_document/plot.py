# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays a plot out: where lines, labels and bands go on a small canvas that is still readable on a phone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from . import words
from .model import Plot

WIDTH, HEIGHT = 380, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 20, 24
GAP = 2.5
"""Samples further apart than this many usual steps are not joined: nothing is known between them."""


@dataclass(frozen=True)
class Label:
    """A text on an axis."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Band:
    """A span of time."""

    left: float
    width: float
    label: Label


@dataclass(frozen=True)
class Layout:
    """Everything a drawing needs; all numbers are units of the canvas."""

    title: str
    summary: str
    lines: tuple[str, ...]
    """Points of each unbroken line, as SVG wants them."""
    dots: tuple[tuple[float, float], ...]
    threshold: float | None
    threshold_text: str
    ys: tuple[Label, ...]
    xs: tuple[Label, ...]
    bands: tuple[Band, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def lay_out(plot: Plot) -> Layout:
    """Place a plot on its canvas. A plot without data has neither lines nor labels."""
    known = [(at, value) for at, value in plot.samples if value is not None and math.isfinite(value)]
    if not known:
        return Layout(plot.title, "No data.", (), (), None, "", (), (), ())
    start, end = plot.samples[0][0], plot.samples[-1][0]
    end = end if end > start else start + 1
    values = [value for _unused, value in known] + ([plot.threshold] if plot.threshold is not None else [])
    ticks = _ticks(min(0.0, *values), max(*values, 0.0))
    low, high = ticks[0], ticks[-1]

    def x(at: float) -> float:
        return round(LEFT + (min(max(at, start), end) - start) / (end - start) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    pieces = _pieces(plot.samples)
    return Layout(
        title=plot.title,
        summary=_summary(plot, [value for _unused, value in known]),
        lines=tuple(" ".join(f"{x(at)},{y(value)}" for at, value in piece) for piece in pieces if len(piece) > 1),
        dots=tuple((x(piece[0][0]), y(piece[0][1])) for piece in pieces if len(piece) == 1),
        threshold=None if plot.threshold is None else y(plot.threshold),
        threshold_text=plot.condition,
        ys=tuple(Label(y(tick), words.measured(tick, plot.unit), "end") for tick in ticks),
        xs=tuple(Label(x(at), _time(at), anchor) for at, anchor in _times(start, end)),
        bands=tuple(
            _band(name, x(first), max(x(last), x(first) + 1.0))
            for name, first, last in plot.spans
            if last >= start and first <= end
        ),
    )


def _band(name: str, left: float, right: float) -> Band:
    """Its label begins with it in the left half of the canvas, and ends with it in the right one."""
    label = Label(left, name, "start") if left < WIDTH / 2 else Label(right, name, "end")
    return Band(left, round(right - left, 1), label)


def _summary(plot: Plot, values: list[float]) -> str:
    low, high, last = (words.measured(value, plot.unit) for value in (min(values), max(values), values[-1]))
    return f"{low} to {high}, {last} at the end."


def _pieces(samples: tuple[tuple[float, float | None], ...]) -> list[list[tuple[float, float]]]:
    """Runs of samples without a hole between them."""
    steps = sorted(later[0] - earlier[0] for earlier, later in itertools.pairwise(samples))
    usual = steps[len(steps) // 2] if steps else 0.0
    pieces: list[list[tuple[float, float]]] = []
    before: float | None = None
    for at, value in samples:
        if value is None or not math.isfinite(value):
            before = None
            continue
        if before is None or at - before > GAP * usual:
            pieces.append([])
        pieces[-1].append((at, value))
        before = at
    return pieces


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that enclose the values."""
    span = high - low or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(step * count, 12) for count in range(first, max(last, first + 1) + 1)]


def _times(start: float, end: float) -> list[tuple[float, str]]:
    return [(start, "start"), ((start + end) / 2, "middle"), (end, "end")]


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
