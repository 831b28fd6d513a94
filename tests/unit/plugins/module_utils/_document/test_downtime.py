# SPDX-License-Identifier: GPL-3.0-or-later
"""The downtime that a rollback makes is told as one figure, and never as less than it was."""

from __future__ import annotations

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._document.downtime import downtime


def record(*steps: tuple[str, int, int | None], **facts: Any) -> dict[str, Any]:
    """A run record whose steps began and ended at seconds of one minute."""

    def at(second: int | None) -> str | None:
        return None if second is None else f"2026-11-23T18:15:{second:02}.500Z"

    told = [
        {"name": name, "status": "started" if end is None else "done", "started_at": at(start), "ended_at": at(end)}
        for name, start, end in steps
    ]
    return {"steps": told, "facts": facts}


DOWN = (("maintenance on", 2, 3), ("quiesce", 3, 8), ("database", 9, 15), ("application", 15, 22))


def test_it_lasts_from_the_switch_on_to_the_switch_off() -> None:
    found = downtime(record(*DOWN, ("maintenance off", 25, 26), maintenance=True))
    assert found
    assert found["seconds"] == 24
    assert found["text"] == "24.0 s (18:15:02 to 18:15:26 UTC)"


def test_without_maintenance_mode_it_ends_when_the_pods_serve() -> None:
    assert (downtime(record(*DOWN[1:], ("maintenance off", 25, 26))) or {})["seconds"] == 19


def test_while_it_lasts_there_is_no_end() -> None:
    found = downtime(record(*DOWN, maintenance=True))
    assert found
    assert (found["to"], found["seconds"]) == (None, None)
    assert found["text"] == "since 18:15:02 UTC, and not over"


def test_maintenance_that_went_on_again_is_not_over() -> None:
    again = record(*DOWN, ("maintenance off", 25, 26), maintenance=True)
    again["steps"][-1]["status"] = "failed"
    assert (downtime(again) or {})["to"] is None


def test_pods_replaced_one_by_one_are_no_downtime() -> None:
    assert downtime(record(("application", 2, 9), ("maintenance off", 9, 10), maintenance=True)) is None
