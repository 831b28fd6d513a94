# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report, told from the run record: what happened, who decided, what was done and how it went."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from . import words
from .history import is_drill
from .model import (
    ATTENTION,
    MISSING,
    OPEN,
    READY,
    Block,
    Bullets,
    Cell,
    Check,
    Checklist,
    Document,
    Fields,
    Heading,
    Kept,
    Mark,
    Paragraph,
    Plot,
    Table,
)

Data = Mapping[str, Any]

OUTCOMES = {"completed": "rolled back", "failed": "NOT rolled back", "running": "being rolled back"}
STATES = {"pass": READY, "fail": MISSING, "done": READY, "failed": MISSING, "started": ATTENTION}
ROOT_CAUSE = "Root cause"
TO_FILL_IN = "_What happened, why, and why nothing caught it before customers did. To be filled in; a re-run keeps it._"


def incident_document(data: Data, root_cause: str = "") -> Document:
    """The report of one run record; ``root_cause`` is what people wrote into the last one, in Markdown."""
    record, manifest = data["record"], data["manifest"]
    kind = "Drill report" if is_drill(record) else "Incident report"
    blocks: list[Block] = [
        *_head(record, manifest),
        *_why(record),
        *_durations(record),
        *_timeline(record),
        *_undone(record),
        *_plots(data),
        *_proof(record),
        *_failure(data),
        *_notices(record),
        Heading(ROOT_CAUSE),
        Kept(root_cause or TO_FILL_IN),
        *_to_do(data, root_cause),
    ]
    return Document(f"{kind}: {manifest['service']} {record['release']} {OUTCOMES[record['status']]}", tuple(blocks))


def root_cause_of(markdown: str) -> str:
    """What people wrote about the root cause into a report; nothing where they have not."""
    found = re.search(rf"^## {ROOT_CAUSE}\n(.*?)(?=^## |\Z)", markdown, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else ""
    return "" if text == TO_FILL_IN else text


def _head(record: Data, manifest: Data) -> list[Block]:
    ended = words.date_and_time(record.get("closed_at")) if record.get("closed_at") else "not yet"
    fields = (
        ("Document", manifest["document"]),
        ("Run record", record["id"]),
        ("Environment", record["environment"]),
        ("Release", f"{record['release']} to {record['previous']}"),
        ("Started", f"{words.date_and_time(record['opened_at'])} by {record['opened_by']}"),
        ("Ended", ended),
    )
    outcome = f"Release {record['release']} of {record['service']} is {OUTCOMES[record['status']]}"
    state = {"completed": READY, "failed": MISSING}.get(record["status"], ATTENTION)
    return [Fields(fields), Mark(f"{outcome}.", state, record["status"])]


def _why(record: Data) -> list[Block]:
    decision = record.get("decision") or {}
    blocks: list[Block] = [Heading("Why"), Paragraph(words.text_of(decision.get("reason") or "Not recorded."))]
    if decision.get("makers"):
        blocks.append(Paragraph(f"Decided by {' and '.join(map(str, decision['makers']))}."))
    blocks += [Paragraph(f"This was done although {words.text_of(text)}.") for text in decision.get("overridden") or ()]
    rows = tuple(
        (
            words.text_of(item.get("name")),
            words.text_of(item.get("threshold")).removeprefix("fail_if "),
            Mark("", MISSING, "fired") if item.get("verdict") == "fail" else words.text_of(item.get("verdict")),
            words.text_of(item.get("message")),
        )
        for item in decision.get("evidence") or ()
    )
    if rows:
        blocks.append(Paragraph("What the automatic triggers said:"))
        blocks.append(Table(("Trigger", "Threshold", "Verdict", "What it said"), rows))
    return blocks


def _durations(record: Data) -> list[Block]:
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
    rows = tuple(
        (name, text, words.clock(start), words.clock(end), words.duration(words.between(start, end)))
        for name, text, start, end in stages
    )
    return [Heading("How long it took"), Table(("Stage", "From, until", "Start", "End", "Took"), rows)]


def _timeline(record: Data) -> list[Block]:
    decision = record.get("decision") or {}
    rows: list[tuple[Cell, ...]] = []
    if decision.get("detected_at"):
        rows.append((words.clock(decision["detected_at"]), "", "the state went bad", "", ""))
    rows.append((words.clock(record["opened_at"]), "", f"rollback started by {record['opened_by']}", "", ""))
    for step in record["steps"]:
        took = words.duration(words.between(step["started_at"], step.get("ended_at")))
        rows.append((words.clock(step["started_at"]), took, step["name"], _verdict(step["status"]), _found(step)))
    if record.get("closed_at"):
        rows.append((words.clock(record["closed_at"]), "", f"rollback {record['status']}", "", ""))
    day = words.moment(record["opened_at"]) or record["opened_at"]
    title = f"Timeline (UTC, {day:%Y-%m-%d})" if not isinstance(day, str) else "Timeline (UTC)"
    head = ("Time", "Took", "What", "Status", "Found")
    columns = len(head) if any(row[-1] for row in rows) else len(head) - 1
    return [Heading(title), Table(head[:columns], tuple(row[:columns] for row in rows))]


def _found(step: Data) -> str:
    told = (f"{key}: {words.text_of(value)}" for key, value in (step.get("details") or {}).items())
    return "; ".join(text.removeprefix("found: ") for text in told)


def _undone(record: Data) -> list[Block]:
    facts = record.get("facts") or {}
    steps = tuple(
        tuple(words.text_of(step[key]) for key in ("component", "name", "from", "to"))
        for step in facts.get("steps") or ()
    )
    backups = tuple(
        (
            words.text_of(item.get("database")),
            words.text_of(item.get("path")),
            words.size(item.get("size")),
            words.text_of(item.get("sha256")),
            ", ".join(words.text_of((item.get("proof") or {}).get(key)) for key in ("level", "verdict")),
        )
        for item in facts.get("backups") or ()
    )
    return [
        Heading("What was undone"),
        Paragraph(f"Strategy: {words.text_of(facts.get('strategy'))}."),
        Table(("Component", "Name", "Before", "After"), steps),
        *([Heading("Backup taken before", 3)] if backups else []),
        Table(("Database", "Where", "Size", "SHA-256", "Proof"), backups),
    ]


def _plots(data: Data) -> list[Block]:
    """Every trigger and monitoring metric, before, during and after."""
    record = data["record"]
    opened, closed = words.epoch(record["opened_at"]), words.epoch(record.get("closed_at"))
    spans = (("rollback", opened, math.inf if closed is None else closed),) if opened is not None else ()
    plots: list[Block] = []
    silent: list[Block] = []
    for title, checks in (("Trigger", data.get("triggers") or ()), ("Monitoring", data.get("monitoring") or ())):
        for check in checks:
            name = f"{title}: {words.text_of(check.get('name'))}"
            samples = tuple((float(at), _number(value)) for at, value in check.get("samples") or ())
            if not any(value is not None for _unused, value in samples):
                silent.append(Mark(f"{name}: no data: {words.text_of(check.get('message'))}", ATTENTION))
                continue
            sense, _unused, condition = words.text_of(check.get("condition")).partition(" ")
            told = f"{'bad' if sense == 'fail_if' else 'good'}: {condition}, dashed"
            plots.append(Plot(name, str(check.get("unit") or "number"), samples, check.get("threshold"), told, spans))
    return [Heading("Metrics before, during and after"), *plots, *silent] if plots or silent else []


def _number(value: Any) -> float | None:
    """A sample; ``NaN`` and its like come as text."""
    return float(value) if isinstance(value, int | float) else None


def _proof(record: Data) -> list[Block]:
    facts = record.get("facts") or {}
    blocks: list[Block] = []
    for title, key in (("Smoke tests", "smoke_tests"), ("Monitoring checks", "monitoring")):
        rows = tuple(
            (
                words.text_of(item.get("name")),
                _verdict(str(item.get("verdict"))),
                words.text_of(item.get("message")),
            )
            for item in facts.get(key) or ()
        )
        if rows:
            blocks += [Heading(title, 3), Table(("Check", "Verdict", "What was found"), rows)]
    return [Heading("Proof"), *blocks] if blocks else [Heading("Proof"), Mark("no check was made yet", ATTENTION)]


def _verdict(verdict: str) -> Cell:
    return verdict if STATES.get(verdict) == READY else Mark("", STATES.get(verdict, ATTENTION), verdict)


def _failure(data: Data) -> list[Block]:
    record = data["record"]
    failure = (record.get("facts") or {}).get("failure")
    if record["status"] == "completed" or not failure:
        return []
    duty = tuple(words.text_of(item["label"]) for item in data.get("contacts") or () if item.get("on_duty"))
    called: list[Block] = [Paragraph("Available at that moment:"), Bullets(duty)] if duty else []
    return [Heading("What failed"), Mark(words.text_of(failure), MISSING, "failed"), *called]


def _notices(record: Data) -> list[Block]:
    sent = []
    for notice in record.get("notices") or ():
        event, _unused, channel = str(notice).removeprefix(f"{record['id']}:").partition("@")
        sent.append((event, channel))
    told: list[Block] = [Table(("Notice", "Channel"), tuple(sent))] if sent else [Paragraph("None.")]
    return [Heading("Notices sent"), *told]


def _to_do(data: Data, root_cause: str) -> list[Block]:
    start, tickets = data.get("post_mortem"), data.get("tickets") or []
    meeting = f"{words.date_and_time(start)}; send post-mortem.ics to those who come" if words.moment(start) else ""
    items = (
        Check("Complete incident report"),
        Check("Schedule post-mortem meeting", OPEN, meeting),
        Check("Document root cause", READY if root_cause else OPEN),
        Check("Create tickets for fixes", _tickets_state(tickets), ", ".join(map(_ticket, tickets))),
        Check("Update deployment procedures if needed"),
    )
    return [Heading("To do"), Checklist(items)]


def _tickets_state(tickets: Sequence[Data]) -> str:
    if any(ticket.get("problem") for ticket in tickets):
        return ATTENTION
    return READY if tickets else OPEN


def _ticket(ticket: Data) -> str:
    return words.text_of(ticket.get("problem") or ticket.get("link") or "sent")
