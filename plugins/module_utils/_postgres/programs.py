# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs pg_dump, pg_restore and zstd as a pipeline: no shell, a deadline, and the words of the one that failed."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from .plan import major, nearest

CHUNK = 1 << 20  # bytes
# The catalogue query of a page that pg_dump adds to its error says nothing to anybody.
STATEMENT = re.compile(r"^pg_dump: (?:detail|error): (?:Query|query) was: ", re.MULTILINE)
PACKAGES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")  # of Debian and of PostgreSQL's own repositories
INSTALL_CLIENT = "apt-get install postgresql-client"


@dataclass(frozen=True)
class Programs:
    """Where the tools are; ``zstd`` is None where it is not installed."""

    pg_dump: str
    pg_restore: str
    version: str
    zstd: str | None


def find_programs(directory: str | None, *versions: str) -> Programs:
    """The tools of ``directory``, else those of this machine that fit the newest of ``versions`` best.

    ``versions`` are the server's, and for a restore that of the pg_dump which wrote the archive; without any the newest
    tools are taken. Packages' own directories come before PATH.
    """
    wanted = max((major(version) for version in versions), default=None)
    for place in [Path(directory)] if directory else _installed(wanted):
        if (place / "pg_dump").is_file() and (place / "pg_restore").is_file():
            version = _version(str(place / "pg_dump"))
            return Programs(str(place / "pg_dump"), str(place / "pg_restore"), version, shutil.which("zstd"))
    where = directory or f"PATH and {', '.join(f'/{pattern}' for pattern in PACKAGES)}"
    raise RollbackError(f"no pg_dump and pg_restore in {where}; install them on this host: {INSTALL_CLIENT}")


def _installed(wanted: int | None) -> list[Path]:
    found: dict[int, Path] = {}
    for place in (path for pattern in PACKAGES for path in Path("/").glob(pattern)):
        if number := re.search(r"(\d+)[\d.]*$", str(place.parent)):
            found.setdefault(int(number[1]), place)
    on_path = shutil.which("pg_dump")
    return [*(found[number] for number in nearest(list(found), wanted)), *([Path(on_path).parent] if on_path else [])]


def _version(pg_dump: str) -> str:
    asked = subprocess.run([pg_dump, "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"\d+(\.\d+)*", asked.stdout)
    if asked.returncode or not found:
        raise RollbackError(f"{pg_dump} --version told no version (rc {asked.returncode}): {asked.stderr.strip()}")
    return found.group()


class PipelineError(RollbackError):
    """A program of a pipeline failed; ``stderr`` holds the end of what it said."""

    def __init__(self, program: str, status: int, stderr: str, what: str) -> None:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed (rc {status})"
        super().__init__(f"{what}: {program} {how}: {stderr or 'it said nothing'}", program=program, stderr=stderr)
        self.stderr = stderr


@dataclass
class _Running:
    child: subprocess.Popen[bytes]
    name: str
    errors: IO[bytes]

    def stderr(self, limit: int = 1500) -> str:
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace")
        return " ".join(STATEMENT.split(text)[0].split())[-limit:]


def run_pipeline(
    stages: Sequence[Sequence[str]],
    *,
    what: str,
    environment: Mapping[str, str],
    timeout: float,
    source: IO[bytes] | None = None,
    sink: Callable[[bytes], Any] | None = None,
) -> None:
    """Run ``stages`` joined by pipes, the first reading ``source``, the last one's output going to ``sink`` in chunks.

    ``what`` opens the error messages. Raises :class:`PipelineError` for the stage that failed first, and
    :class:`RollbackError` after ``timeout`` seconds. Whatever ``sink`` raises ends the pipeline and is raised again.
    """
    with _started(stages, environment, source, sink is not None) as running:
        expired = threading.Event()

        def end() -> None:
            expired.set()
            _kill(running)

        watchdog = threading.Timer(timeout, end)
        watchdog.daemon = True
        watchdog.start()
        try:
            if sink is not None:
                output = running[-1].child.stdout
                while output is not None and (chunk := output.read1(CHUNK)):  # type: ignore[attr-defined]
                    sink(chunk)
            for stage in running:
                stage.child.wait()
        finally:
            watchdog.cancel()
        if expired.is_set():
            raise RollbackError(f"{what}: not finished within {timeout:g} s (option timeout); it was ended")
        _judge(running, what)


@contextmanager
def _started(
    stages: Sequence[Sequence[str]], environment: Mapping[str, str], source: IO[bytes] | None, collect: bool
) -> Iterator[list[_Running]]:
    running: list[_Running] = []
    inlet: Any = source if source is not None else subprocess.DEVNULL
    try:
        for number, argv in enumerate(stages):
            last = number == len(stages) - 1
            errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, with the process
            child = subprocess.Popen(
                list(argv),
                stdin=inlet,
                stdout=subprocess.PIPE if collect or not last else subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "LC_ALL": "C", **environment},
            )
            if running and inlet is not None:
                inlet.close()  # ours; so that a stage that ends early is noticed by the one before it
            running.append(_Running(child, Path(argv[0]).name, errors))
            inlet = child.stdout
            _widen(inlet)
        yield running
    finally:
        _kill(running)
        for stage in running:
            stage.child.wait()
            stage.errors.close()
            if stage.child.stdout:
                stage.child.stdout.close()


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold a whole chunk, so that its two ends wake each other less often; where the system can."""
    if pipe is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # a user's share of pipe memory is bounded
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK)


def _kill(running: Sequence[_Running]) -> None:
    for stage in running:
        if stage.child.poll() is None:
            stage.child.kill()


def _judge(running: Sequence[_Running], what: str) -> None:
    """Raise for the culprit: a stage that only lost its reader is a victim."""
    failed = [stage for stage in running if stage.child.returncode]
    culprits = [stage for stage in failed if stage.child.returncode != -signal.SIGPIPE] or failed
    if culprits:
        raise PipelineError(culprits[0].name, culprits[0].child.returncode, culprits[0].stderr(), what)
