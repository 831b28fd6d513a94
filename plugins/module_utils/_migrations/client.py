# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a migration tool as a child: argv lists only, in a process group that is ended as a whole at the deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from .._module import RollbackError
from .._postgres.foreign import not_supported, product_of_words
from .._postgres.model import Connection
from .model import Completed, Tool


class TimedOut(RollbackError):
    """The tool was ended here; what it started elsewhere may go on."""


class Runner(Protocol):
    """What adapters ask of the outside world."""

    def __call__(self, arguments: Sequence[str], *, timeout: float = 60, once: bool = False) -> Completed:
        """Run the tool with ``arguments`` after its own words; a status other than 0 is for the caller to judge.

        ``once`` tells that it changes the schema: it must not be run again while an earlier one may be at work.
        """

    def files(self, pattern: str) -> Mapping[str, str]:
        """Path to content of the files that a glob finds, from the tool's directory on, where the tool runs."""

    def settle(self, timeout: float, *, take: bool) -> Sequence[Completed]:
        """Wait for what a run that broke off has left at work; with ``take`` its result is taken away too."""


class Place(Protocol):
    """Where a tool runs."""

    def seen(self, connection: Connection) -> Connection:
        """The database as it is reached from there."""

    def runner(self, tool: Tool) -> Runner:
        """What runs ``tool`` there."""


class Here:
    """The tool runs where the module does."""

    def seen(self, connection: Connection) -> Connection:
        """As it is."""
        return connection

    def runner(self, tool: Tool) -> Runner:
        """As a child process; PGOPTIONS of this process are not lost to those that are added."""
        options = f"{os.environ.get('PGOPTIONS', '')} {tool.environment.get('PGOPTIONS', '')}".strip()
        more = {"PGOPTIONS": options} if options else {}
        return ToolRunner(replace(tool, environment={**tool.environment, **more}))


class ToolRunner:
    """Runs the tool as a child process; connection data reach it through its environment."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self._environment = {**os.environ, **tool.environment}

    def __call__(self, arguments: Sequence[str], *, timeout: float = 60, once: bool = False) -> Completed:
        """Run it; :class:`RollbackError` if it cannot be started, :class:`TimedOut` after ``timeout`` seconds."""
        del once  # a child does not outlive this process for long
        argv = (*self.tool.command, *arguments)
        started = time.monotonic()
        try:
            child = subprocess.Popen(
                argv,
                cwd=self.tool.chdir,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            where = self.tool.chdir or os.getcwd()  # noqa: PTH109 - a word for a message
            raise RollbackError(
                f"cannot start the migration tool {argv[0]} in {where}: {error.strerror};"
                " check the options command and chdir",
                argv=list(argv),
            ) from error
        try:
            output, errors = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _end(child)
            told = f"{' '.join(argv)} was not done within {round(timeout, 1):g} s and was ended"
            raise TimedOut(told, argv=list(argv)) from None
        except BaseException:
            _end(child)
            raise
        return Completed(argv, child.returncode, output, errors, round(time.monotonic() - started, 3))

    def files(self, pattern: str) -> Mapping[str, str]:
        """See :class:`Runner`."""
        absolute = pattern.startswith("/")
        places = Path("/").glob(pattern[1:]) if absolute else Path(self.tool.chdir or ".").glob(pattern)
        return {str(path): path.read_text(errors="replace") for path in sorted(places) if path.is_file()}

    def settle(self, timeout: float, *, take: bool) -> Sequence[Completed]:
        """Nothing outlives its run here."""
        del timeout, take
        return []


def _end(child: subprocess.Popen[str]) -> None:
    """End the tool and everything it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.communicate(timeout=5)
            break
        except subprocess.TimeoutExpired:
            continue


def demand(done: Completed, what: str) -> str:
    """The output of a run that must have succeeded, and on PostgreSQL."""
    if product := product_of_words(f"{done.errors}\n{done.output}"):
        raise not_supported(product, f"what {' '.join(done.argv)} works on")
    if done.status:
        said = (done.errors.strip() or done.output.strip() or "it said nothing")[-1500:]
        raise RollbackError(
            f"{what}: {' '.join(done.argv)} failed (rc {done.status}): {said}", argv=list(done.argv), rc=done.status
        )
    return done.output
