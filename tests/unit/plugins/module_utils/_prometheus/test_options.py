# SPDX-License-Identifier: GPL-3.0-or-later
"""How a check is written, and what is refused before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Window
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import read_check, read_checks

BASE = {"name": "errors", "query": "x", "fail_if": "> 10%"}


@pytest.mark.parametrize(
    ("duration", "step", "evaluations"),
    [("5m", None, 21), ("10s", None, 11), ("0", None, 1), ("500ms", None, 2), ("5m", "60", 6), ("1h", "15s", 241)],
)
def test_a_window_is_evaluated_from_its_start_to_now(duration: str, step: str | None, evaluations: int) -> None:
    check = read_check({**BASE, "for": duration, "step": step})
    window = Window.of(check, 1000.0)
    assert window.count == evaluations
    assert window.time(evaluations - 1) == 1000.0
    assert window.start == pytest.approx(1000.0 - check.window)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "query": "x"}, r"checks\[a\]: give either fail_if"),
        ({**BASE, "expect": "< 1%"}, "give either fail_if"),
        ({**BASE, "for": "5 parsecs"}, r"checks\[errors\]\.for"),
        ({**BASE, "for": "5m", "step": "0"}, r"checks\[errors\]\.step"),
        ({**BASE, "for": "5m", "step": "10m"}, "leave step out"),
        ({**BASE, "for": "30d", "step": "1s"}, "11000 parts"),
        ({**BASE, "minimum_coverage": 0}, "minimum_coverage"),
        ({**BASE, "minimum_coverage": 1.5}, "minimum_coverage"),
        ({**BASE, "fail_if": "10%"}, r"checks\[errors\]\.fail_if"),
    ],
)
def test_a_check_that_makes_no_sense_names_itself_and_the_option(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        read_check(entry)


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(RollbackError, match="errors is there more than once"):
        read_checks([BASE, BASE])
