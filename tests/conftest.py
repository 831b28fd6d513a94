# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that every test may ask for."""

import pytest

from tests.sandbox.fixtures import fresh_sandbox, sandbox

__all__ = ["fresh_sandbox", "sandbox"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured (record_property) of a real system."""
    measured = dict(
        figure
        for reports in terminalreporter.stats.values()
        for report in reports
        for figure in getattr(report, "user_properties", ())
    )
    if measured:
        terminalreporter.section("measured")
        for what, figure in measured.items():
            terminalreporter.write_line(f"{what}: {figure}")
