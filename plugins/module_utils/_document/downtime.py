# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long a rollback itself kept requests away, as its run record knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import words

DOWN = ("maintenance on", "quiesce")
SERVING, OPEN = "application", "maintenance off"


def downtime(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """``{from, to, seconds, text}`` of a run record; None where pods were replaced one by one, so nobody had to wait.

    It began when maintenance mode was to go on, or the scaling down began, and ended when maintenance mode was off, or,
    where there is none, all pods had served for the soak. ``to`` and ``seconds`` are None while it lasts. What
    customers noticed lies within: requests are answered until the switch is made, and again before the step is
    written down.
    """
    steps = {step["name"]: step for step in record.get("steps") or ()}
    if "quiesce" not in steps:
        return None
    begin = min(steps[name]["started_at"] for name in DOWN if name in steps)
    last = steps.get(OPEN if (record.get("facts") or {}).get("maintenance") else SERVING, {})
    end = last.get("ended_at") if last.get("status") == "done" else None
    seconds = words.between(begin, end)
    text = f"{words.duration(seconds)} ({words.clock(begin)[:-2]} to {words.clock(end)[:-2]} UTC)"
    return {
        "from": begin,
        "to": end,
        "seconds": None if seconds is None else round(seconds, 1),
        "text": text if end else f"since {words.clock(begin)[:-2]} UTC, and not over",
    }
