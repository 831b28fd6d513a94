# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things go on the canvas of a plot."""

from __future__ import annotations

import math

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document.model import Plot
from ansible_collections.octalume.rollback.plugins.module_utils._document.plot import LEFT, RIGHT, WIDTH, lay_out


def plot(values: list[float | None], unit: str = "ratio", threshold: float | None = None, **more: object) -> Plot:
    samples = tuple((1000.0 + 15 * index, value) for index, value in enumerate(values))
    return Plot("Error Rate", unit, samples, threshold, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], [None, None], [math.nan], [math.inf, None]])
def test_no_data_is_said_and_nothing_is_drawn(values: list[float | None]) -> None:
    found = lay_out(plot(values))
    assert (found.summary, found.lines, found.ys) == ("No data.", (), ())


def test_the_line_goes_from_edge_to_edge_and_stays_on_the_canvas() -> None:
    found = lay_out(plot([0.0, 0.5, 1.0], threshold=0.1))
    points = [tuple(map(float, point.split(","))) for point in found.lines[0].split()]
    assert (points[0][0], points[-1][0]) == (LEFT, WIDTH - RIGHT)
    assert all(found.top <= y <= found.bottom for _unused, y in points)
    assert points[0][1] > points[1][1] > points[2][1]


def test_a_hole_is_not_drawn_over() -> None:
    samples = tuple((float(at), 1.0) for at in (0, 15, 30, 300, 315))
    found = lay_out(Plot("x", "number", samples))
    assert [len(line.split()) for line in found.lines] == [3, 2]
    alone = lay_out(plot([1.0, None, 1.0, None, 1.0]))
    assert (len(alone.lines), len(alone.dots)) == (0, 3)


@pytest.mark.parametrize(
    ("values", "unit", "threshold", "labels"),
    [
        ([0.01, 0.38], "ratio", 0.1, ["0 %", "10 %", "20 %", "30 %", "40 %"]),
        ([0.02, 7.1], "seconds", 5.0, ["0 ms", "2 s", "4 s", "6 s", "8 s"]),
        ([3.2e9], "bytes", None, ["0 B", "1.0 GB", "2.0 GB", "3.0 GB", "4.0 GB"]),
        ([-5.0, 5.0], "number", None, ["-5", "0", "5"]),
        ([0.0, 0.0], "number", None, ["0", "0.5"]),
    ],
)
def test_labels_are_round_and_enclose_the_values(
    values: list[float | None], unit: str, threshold: float | None, labels: list[str]
) -> None:
    assert [label.text for label in lay_out(plot(values, unit, threshold)).ys] == labels


def test_a_span_ends_with_the_canvas_and_one_outside_is_left_out() -> None:
    spans = (("rollback", 1010.0, math.inf), ("before", 1.0, 2.0))
    found = lay_out(plot([0.1, 0.2, 0.3], spans=spans))
    [band] = found.bands
    assert band.left + band.width == WIDTH - RIGHT
    assert (band.label.text, band.label.anchor) == ("rollback", "end" if band.left >= WIDTH / 2 else "start")
