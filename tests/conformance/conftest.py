# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums the comparisons up at the end of a test run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance import verdict

SCORES = pytest.StashKey[list[tuple[int, int]]]()


@pytest.fixture
def score(pytestconfig: pytest.Config) -> Callable[[int, int], None]:
    """Take down how many exchanges match, of how many."""

    def take_down(matched: int, total: int) -> None:
        pytestconfig.stash.setdefault(SCORES, []).append((matched, total))

    return take_down


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for all emulators."""
    scores = config.stash.get(SCORES, [])
    if scores:
        terminalreporter.write_line(verdict(sum(good for good, _ in scores), sum(total for _, total in scores)))
