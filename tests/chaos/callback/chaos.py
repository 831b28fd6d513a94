# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the control process as a chosen task starts: at the boundary between that task and the one before."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: chaos
type: notification
short_description: Kill the control process at a task's start
description:
  - E(CHAOS_BOUNDARY) is the task, as C(name#2) for the second one of that name; E(CHAOS_TASKS) is a file that gets all
    of them.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Counts the tasks of a run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "chaos"

    def __init__(self) -> None:
        super().__init__()
        self.started: Counter[str] = Counter()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's signature
        """One boundary."""
        name = task.get_name()
        self.started[name] += 1
        boundary = f"{name}#{self.started[name]}"
        if tasks := os.environ.get("CHAOS_TASKS"):
            with Path(tasks).open("a") as file:
                file.write(f"{boundary}\n")
        if boundary == os.environ.get("CHAOS_BOUNDARY"):
            os.kill(os.getpid(), signal.SIGKILL)
