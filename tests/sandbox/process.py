# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a server of the sandbox, waits until it answers, and ends it by its process id."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class NotReady(RuntimeError):
    """A server ended or did not answer in time; the text holds the end of its log."""


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port of ``host`` that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections on ``host:port``."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Return once ``condition`` holds; after ``timeout`` seconds raise :class:`NotReady` naming ``what``."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not within {timeout:g} s")
        time.sleep(0.05)


class Process:
    """A child process with a log file; it dies with its parent and is ended by its id."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start ``argv`` as ``user`` (root only; others run it as themselves) with its output in ``log``."""
        self.name = Path(argv[0]).name
        self.log = log
        self.stop_signal = stop_signal
        account = pwd.getpwnam(user) if user and os.geteuid() == 0 else None
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                start_new_session=True,
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self.child.pid

    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.child.poll() is None

    def wait_ready(self, ready: Callable[[], bool], timeout: float = 30) -> None:
        """Wait until ``ready()``; raise :class:`NotReady` with the log's end if the process ends or time is up."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running() or time.monotonic() > deadline:
                state = "did not answer" if self.running() else f"ended with status {self.child.returncode}"
                tail = self.log.read_text(errors="replace")[-2000:]
                raise NotReady(f"{self.name} {state} within {timeout:g} s; {self.log}:\n{tail}")
            time.sleep(0.05)

    def stop(self, timeout: float = 10) -> None:
        """End the process: politely, after ``timeout`` seconds for certain."""
        if not self.running():
            return
        self.child.send_signal(self.stop_signal)
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(timeout)


def descendants(pid: int) -> list[int]:
    """Process ids of everything that ``pid`` has started and that still runs."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        waiting += (more := children.get(waiting.pop(), []))
        found += more
    return found


def kill_tree(pid: int) -> None:
    """End a process and all it has started, as a machine does that loses its power."""
    for one in [pid, *descendants(pid)]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
