# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks ssh-keygen about signatures; the only I/O of approvals."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .._module import RollbackError

TIMEOUT = 10  # seconds
FINGERPRINT = re.compile(r"(\S+) key (SHA256:\S+)")


@dataclass(frozen=True)
class Said:
    """What ssh-keygen answered."""

    good: bool
    text: str


class Verifier(Protocol):
    """Whoever knows signatures."""

    def matches(self, signature: Path, namespace: str, content: bytes) -> Said:
        """Whether a signature was made over ``content``, whoever made it."""

    def principals(self, signature: Path, signers: Path) -> Said:
        """The names, one a line, that an allowed signers file gives to the signature's key now."""

    def verify(self, signature: Path, signers: Path, principal: str, namespace: str, content: bytes) -> Said:
        """Whether ``principal`` may sign so and has."""


class SshKeygen:
    """OpenSSH's own program, 8.9 or newer."""

    def matches(self, signature: Path, namespace: str, content: bytes) -> Said:
        """See :class:`Verifier`; a good answer ends in the key's fingerprint."""
        return _ask(["check-novalidate", "-n", namespace, "-s", str(signature)], content)

    def principals(self, signature: Path, signers: Path) -> Said:
        """See :class:`Verifier`."""
        return _ask(["find-principals", "-s", str(signature), "-f", str(signers)], b"")

    def verify(self, signature: Path, signers: Path, principal: str, namespace: str, content: bytes) -> Said:
        """See :class:`Verifier`."""
        words = ["verify", "-f", str(signers), "-I", principal, "-n", namespace, "-s", str(signature)]
        return _ask(words, content)


def _ask(words: list[str], content: bytes) -> Said:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise RollbackError("ssh-keygen is missing: apt-get install openssh-client")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, "-Y", *words],
            input=content,
            capture_output=True,
            timeout=TIMEOUT,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RollbackError(f"ssh-keygen could not be asked: {error}") from error
    good = done.returncode == 0
    return Said(good, (done.stdout if good else done.stdout + done.stderr).decode(errors="replace").strip())


def fingerprint(text: str) -> str:
    """Kind and SHA-256 of the key in a good answer."""
    found = FINGERPRINT.search(text)
    return f"{found[1]} {found[2]}" if found else ""
