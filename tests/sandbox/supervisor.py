# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a sandbox running in the background: one process that is the parent of all servers and holds a lock."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hvac.exceptions import VaultError
from kubernetes.client.exceptions import ApiException

from tests.sandbox.external import External
from tests.sandbox.process import PR_SET_PDEATHSIG, NotReady, wait_until
from tests.sandbox.stack import ENDPOINTS, ROOT, Stack, check_tools, read_endpoints, started

START_SECONDS = 180
_libc = ctypes.CDLL(None)  # before any fork: the child must not load libraries
STOP_SECONDS = 180  # a real cluster takes its time to end pods and a namespace


def _lock_file(directory: Path) -> Path:
    return directory / "supervisor.lock"


@contextmanager
def _lock(directory: Path, how: int = fcntl.LOCK_EX) -> Iterator[bool]:
    """Whether the lock could be had; it is held inside the block (and ends with the process, however it ends)."""
    directory.mkdir(parents=True, exist_ok=True)
    with _lock_file(directory).open("a+") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def running(directory: Path) -> bool:
    """Whether a supervisor holds the lock of ``directory``."""
    if not _lock_file(directory).exists():
        return False
    with _lock(directory, fcntl.LOCK_SH) as free:
        return not free


def supervise(directory: Path) -> int:
    """Be the supervisor: start all, wait for SIGTERM, end all. The last line of its log says why it failed."""
    external = External.from_environment(os.environ)
    foreign = ("PG", "AWS_") if external.vault_address else ("PG", "AWS_", "VAULT_")  # of the user's own servers
    for name in [name for name in os.environ if name.startswith(foreign)]:
        del os.environ[name]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with suppress(NotReady):  # somebody may be looking whether a sandbox runs, which takes a moment
        wait_until(lambda: not running(directory), 2, "lock")
    with _lock(directory) as free:
        if not free:
            print(f"another sandbox runs in {directory}", flush=True)
            return 1
        _lock_file(directory).write_text(f"{os.getpid()}\n")
        stack = Stack(directory, external)
        try:
            stack.start()
            _watch(stack, stop)
            stack.stop()
        except (NotReady, ApiException, VaultError, OSError) as error:
            print(str(error).strip() or repr(error), flush=True)
            return 1
        finally:
            _lock_file(directory).write_text("")
    return 0


def _watch(stack: Stack, stop: threading.Event) -> None:
    """Until ``stop``, say once which server has ended."""
    ended: set[str] = set()
    while not stop.wait(1):
        for name, server in stack.servers.items():
            if name not in ended and server.process and not server.process.running():
                ended.add(name)
                print(f"{name} ended with status {server.process.child.returncode}", flush=True)


def up(directory: Path, *, bound: bool = False, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The endpoints of the sandbox in ``directory``, which is started unless it runs.

    ``bound``: it ends when this process does, however that ends. ``environment`` is added to this process' own.
    """
    if running(directory):
        begun = (directory / ENDPOINTS).exists
        wait_until(lambda: begun() or not running(directory), START_SECONDS, f"the sandbox in {directory}")
        return read_endpoints(directory)
    wanted = {**os.environ, **(environment or {}), "SANDBOX_DIR": str(directory)}
    check_tools()
    External.from_environment(wanted)
    end_orphans(directory)
    log = directory / "supervisor.log"
    directory.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        argv = [sys.executable, "-m", "tests.sandbox", "supervise"]
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            cwd=ROOT, env=wanted, start_new_session=True,
            preexec_fn=end_with_parent if bound else None,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (directory / ENDPOINTS).exists():
            if child.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"the sandbox did not start: {_why(log)}")
            time.sleep(0.05)
    except BaseException:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(STOP_SECONDS)
        raise
    return read_endpoints(directory)


def end_with_parent() -> None:
    """Run between fork and exec: the new process gets SIGTERM when its parent ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _why(log: Path) -> str:
    return log.read_text(errors="replace").strip() or f"see {log}"


def down(directory: Path) -> bool:
    """End the sandbox in ``directory`` and wait until all of it is gone; False if none was running."""
    was_running = running(directory)
    if was_running:
        wait_until(lambda: _lock_file(directory).read_text() != "", 5, f"the supervisor's pid in {directory}")
        pid = int(_lock_file(directory).read_text())
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        end = f"end of the sandbox (process {pid}) in {directory}"
        wait_until(lambda: not running(directory) and not started(pid), STOP_SECONDS, end)
    return end_orphans(directory) or was_running


def end_orphans(directory: Path) -> bool:
    """End servers whose supervisor was killed; they had their signal and may be on their way out."""
    try:
        known = read_endpoints(directory)["processes"].values()
    except NotReady:
        return False
    left = [entry["pid"] for entry in known if started(entry["pid"]) == entry["started"]]
    stamps = {entry["pid"]: entry["started"] for entry in known}

    def gone() -> bool:
        return all(started(pid) != stamps[pid] for pid in left)

    for number, patience in ((0, 3), (signal.SIGTERM, 3), (signal.SIGINT, 10), (signal.SIGKILL, 10)):
        for pid in left if number else []:
            if started(pid) == stamps[pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        with suppress(NotReady):
            wait_until(gone, patience, "end of orphans")
            break
    (directory / ENDPOINTS).unlink(missing_ok=True)
    return bool(left)
