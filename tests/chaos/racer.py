# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who wants the lock, in a process of its own: ``take`` and ``release`` come on its input, line by line."""

from __future__ import annotations

import json
import os
import socket
import sys

from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_lock

from tests.chaos.matrix import ask


def main() -> None:
    """``python -m tests.chaos.racer PARAMS``."""
    params = json.loads(sys.argv[1])
    caller = f"racer@{socket.gethostname()}/{os.getpid()}"
    for line in sys.stdin:
        state = "present" if line.strip() == "take" else "absent"
        try:
            print(ask(rollback_lock, {**params, "state": state}, caller).get("why", "released"), flush=True)
        except RollbackError as error:
            print(f"refused: {error.message}", flush=True)


if __name__ == "__main__":
    main()
