# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and releases a lock; several that try at once are told apart by the place it lies at alone."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .lock import FREE, RENEWALS, Holder, Lease, held_by, may_take, refusal
from .shelf import Shelf

PAUSE = 0.5  # seconds between two looks at a lock that somebody else holds


class Latch:
    """One lock, as somebody who wants it sees it."""

    def __init__(self, shelf: Shelf, progress: Callable[[str], None]) -> None:
        self._shelf = shelf
        self._progress = progress

    def take(self, me: str, duration: int, take_over: bool, check_mode: bool) -> dict[str, Any]:
        """Hold the lock as ``me``; RollbackError when somebody else does or was faster.

        Where nobody can know whether the holder lives, the lock is watched for the duration it was taken for.
        """
        lease = self._shelf.read()
        alive = is_alive(lease.holder) if lease and lease.holder else None
        why = may_take(lease, me, alive, take_over)
        if why is None and lease:
            if alive or check_mode:
                raise refusal(lease, self._shelf.name, me)
            lease, why = self._watch(lease)
        wanted = held_by(me, lease, datetime.now(UTC), duration)
        if not check_mode:
            self._shelf.write(lease, wanted)
        return {"changed": why != "mine", "holder": me, "token": wanted["leaseTransitions"], "why": why}

    def release(self, me: str, check_mode: bool) -> dict[str, Any]:
        """Give the lock up if it is ours, or that of a process of this machine that has ended; no other one."""
        lease = self._shelf.read()
        if lease is None or not lease.holder or (lease.holder != me and is_alive(lease.holder) is not False):
            return {"changed": False, "holder": lease.holder if lease else ""}
        if not check_mode:
            self._shelf.write(lease, FREE)
        return {"changed": True, "holder": ""}

    def _watch(self, lease: Lease) -> tuple[Lease | None, str]:
        """Look for a sign of life; raises the refusal when there is one."""
        self._progress(
            f"{Holder.parse(lease.holder).told} holds the lock {self._shelf.name}; watching for {lease.duration} s "
            "whether it is alive"
        )
        deadline = time.monotonic() + lease.duration
        while time.monotonic() < deadline:
            time.sleep(min(PAUSE, lease.duration / RENEWALS))
            now = self._shelf.read()
            if now is None or not now.holder:
                return now, "free"
            if now.version != lease.version:
                raise refusal(now, self._shelf.name)
        return lease, "expired"


def name_of(caller: str, environment: str = "") -> str:
    """What ``caller`` (``user@host/pid``) is called in a lock that it takes for ``environment``.

    Without a process it is never called the same twice.
    """
    who = Holder.parse(caller)
    if who.pid is None:
        return str(Holder(who.user, who.host, None, secrets.token_hex(8)))
    return str(Holder(who.user, who.host, who.pid, _place(), _process(who.pid)[0], environment))


def is_alive(holder: str) -> bool | None:
    """Whether the holder's process runs; None when it is stopped, or not a process that can be seen from here."""
    owner = Holder.parse(holder)
    if owner.pid is None or owner.host != socket.gethostname() or owner.place != _place():
        return None
    start, state = _process(owner.pid)
    if start != owner.start or state in ("Z", "X"):
        return False
    return None if state in ("T", "t") else True


def _place() -> str:
    """Names this boot of this machine, and the process ids that are seen here."""
    try:
        marks = Path("/proc/sys/kernel/random/boot_id").read_text() + str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:  # not Linux: the host's name has to do
        marks = socket.gethostname()
    return hashlib.sha256(marks.encode()).hexdigest()[:8]


def _process(pid: int) -> tuple[str, str]:
    """When a process began (in the kernel's ticks) and its state; empty where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return _process_elsewhere(pid)
    except OSError:
        return "", ""
    return fields[19], fields[0]


def _process_elsewhere(pid: int) -> tuple[str, str]:
    """The same without ``/proc``."""
    if Path("/proc/self").exists():
        return "", ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone", ""
    except PermissionError:
        pass
    return "", "R"
