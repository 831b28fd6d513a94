# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report's sense of time: how long each stage took, and what happened when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import words
from .downtime import downtime
from .model import ATTENTION, MISSING, READY, Block, Cell, Heading, Mark, Table

Data = Mapping[str, Any]

STATES = {"pass": READY, "fail": MISSING, "done": READY, "failed": MISSING, "started": ATTENTION}


def durations(record: Data) -> list[Block]:
    """From the first bad moment to the proof, in the four stages in which time is lost."""
    decision = record.get("decision") or {}
    detected, opened, closed = decision.get("detected_at"), record["opened_at"], record.get("closed_at")
    decided = decision.get("decided_at") or opened
    verified = next((step["started_at"] for step in record["steps"] if step["name"] == "verification"), None)
    stages = (
        ("Detect", "the state went bad, until it was decided", detected, decided),
        ("Decide", "decided, until the rollback started", decided, opened),
        ("Execute", "started, until the service was back", opened, verified),
        ("Verify", "smoke tests and monitoring, until proven", verified, closed),
        ("To restore", "started, until proven", opened, closed),
        ("In all", "the state went bad, until proven", detected, closed),
    )
    down = downtime(record)
    kept = [("Downtime", "requests kept away by the rollback itself", down["from"], down["to"])] if down else []
    rows = tuple(
        (name, text, words.clock(start), words.clock(end), words.duration(words.between(start, end)))
        for name, text, start, end in (*stages, *kept)
    )
    bars = tuple(_bar(detected or decided, closed, start, end) for _name, _text, start, end in (*stages, *kept))
    return [Heading("How long it took"), Table(("Stage", "From, until", "Start", "End", "Took"), rows, bars)]


def _bar(first: Any, last: Any, start: Any, end: Any) -> tuple[float, float]:
    """Where a span lies in the whole, and how much of it it is (0 to 1); nothing where an end is not known."""
    whole, before, taken = (words.between(*pair) for pair in ((first, last), (first, start), (start, end)))
    if not whole or whole < 0 or before is None:
        return 0.0, 0.0
    left = min(max(before / whole, 0.0), 1.0)
    return left, min(max((taken or 0.0) / whole, 0.004), 1.0 - left)


def timeline(record: Data) -> list[Block]:
    decision = record.get("decision") or {}
    rows: list[tuple[Cell, ...]] = []
    detected, opened, closed = decision.get("detected_at"), record["opened_at"], record.get("closed_at")
    spans = [(detected, detected)] if detected else []
    spans += [(opened, opened), *((step["started_at"], step.get("ended_at")) for step in record["steps"])]
    spans += [(closed, closed)] if closed else []
    if detected:
        rows.append((words.clock(detected), "", "the state went bad", "", ""))
    rows.append((words.clock(opened), "", f"rollback started by {record['opened_by']}", "", ""))
    for step in record["steps"]:
        took = words.duration(words.between(step["started_at"], step.get("ended_at")))
        rows.append((words.clock(step["started_at"]), took, step["name"], verdict_cell(step["status"]), _found(step)))
    if closed:
        rows.append((words.clock(closed), "", f"rollback {record['status']}", "", ""))
    bars = tuple(_bar(detected or opened, closed, *span) for span in spans)
    day = words.moment(record["opened_at"]) or record["opened_at"]
    title = f"Timeline (UTC, {day:%Y-%m-%d})" if not isinstance(day, str) else "Timeline (UTC)"
    head = ("Time", "Took", "What", "Status", "Found")
    columns = len(head) if any(row[-1] for row in rows) else len(head) - 1
    return [Heading(title), Table(head[:columns], tuple(row[:columns] for row in rows), bars)]


def _found(step: Data) -> str:
    told = (f"{key}: {words.text_of(value)}" for key, value in (step.get("details") or {}).items())
    return "; ".join(text.removeprefix("found: ") for text in told)


def verdict_cell(verdict: str) -> Cell:
    """A verdict, marked unless it is as it should be."""
    return verdict if STATES.get(verdict) == READY else Mark("", STATES.get(verdict, ATTENTION), verdict)
