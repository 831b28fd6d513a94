# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells tests.returned what the collection's modules return in a playbook."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.returned import seen

DOCUMENTATION = """
name: returned
type: notification
short_description: Keep the shapes of results
description: Of all modules of this collection; E(OCTALUME_RETURNED) is the folder they are kept in.
"""
OURS = "octalume.rollback."


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Hears of every result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "returned"

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task; of a loop, its entries were told before."""
        if not result._task.loop:
            self._tell(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """An entry of a loop."""
        self._tell(result)

    def _tell(self, result: Any) -> None:
        name = str(result._task.resolved_action or result._task.action)
        if name.startswith(OURS):
            seen(name, result._result)
