# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that every test may ask for."""

import os
import tempfile
from pathlib import Path

import pytest

from tests import returned
from tests.sandbox.fixtures import fresh_sandbox, sandbox

__all__ = ["fresh_sandbox", "sandbox"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured (record_property) of a real system, and where RETURN and results differ."""
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
    if wrong := _undocumented(terminalreporter.config):
        terminalreporter.section("documented and returned")
        for line in wrong:
            terminalreporter.write_line(line, red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the shapes of all results, of every process of this run, in one folder."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="returned-")
        config.add_cleanup(folder.cleanup)
        os.environ.update(returned.environment(Path(folder.name)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Documentation that says something else than the modules return fails the run."""
    if not hasattr(session.config, "workerinput") and _undocumented(session.config):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def _undocumented(config: pytest.Config) -> list[str]:
    """In which RETURN and results differ; a run of the whole suite has to have seen every module."""
    folder = Path(os.environ[returned.FOLDER])
    options = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (options.keyword or options.markexpr)
    return [*returned.problems(folder), *(returned.unseen(folder) if whole else [])]
