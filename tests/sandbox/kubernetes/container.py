# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a container: a real process, its log with a time on each line, its end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .meta import now, now_micro

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def base_environment() -> dict[str, str]:
    """What every container has, as an image would: a PATH with the tests' own Python in front, a locale."""
    path = f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LANG": "C.UTF-8"}


async def spawn(
    argv: Sequence[str], environment: Mapping[str, str], directory: str | None, **streams: int | None
) -> asyncio.subprocess.Process:
    """Start a process of a pod, in a session of its own; it dies with this server."""
    return await asyncio.create_subprocess_exec(
        *argv,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
        preexec_fn=_die_with_parent,
        limit=1024 * 1024,
        **streams,  # type: ignore[arg-type]
    )


class Run:
    """A started container."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        """Follow ``process`` and write what it says to ``log``."""
        self.process, self.log = process, log
        self.started_at = now()
        self.finished_at = ""
        self.grew = asyncio.Condition()
        self._follower = asyncio.get_running_loop().create_task(self._follow())

    @property
    def ended(self) -> bool:
        """Whether the process is over."""
        return self.process.returncode is not None

    @property
    def exit_code(self) -> int:
        """As a container runtime tells it: 128 + N for signal N."""
        code = self.process.returncode or 0
        return 128 - code if code < 0 else code

    async def wait(self) -> int:
        """Wait for the end; whatever the process left behind is ended too."""
        await self.process.wait()
        self.finished_at = self.finished_at or now()
        self.send(signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._follower), 1.0)
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        """Signal the process: SIGKILL its whole group, anything else the process alone (as PID 1 of a pod)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    async def _follow(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await self.process.stdout.readline()
                except ValueError:  # a line over the limit
                    continue
                if not line:
                    break
                log.write(f"{now_micro()} ".encode() + line.rstrip(b"\n") + b"\n")
                async with self.grew:
                    self.grew.notify_all()
        async with self.grew:
            self.grew.notify_all()


async def run(argv: Sequence[str], environment: Mapping[str, str], directory: str | None, log: Path) -> Run:
    """Start a container's process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    streams = {
        "stdin": asyncio.subprocess.DEVNULL,
        "stdout": asyncio.subprocess.PIPE,
        "stderr": asyncio.subprocess.STDOUT,
    }
    return Run(await spawn(argv, environment, directory, **streams), log)
