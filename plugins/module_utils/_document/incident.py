# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report, told from the run record: what happened, who decided, what was done and how it went."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import words
from .checklist import shown
from .downtime import downtime
from .history import is_drill
from .incident_time import durations, timeline, verdict_cell
from .model import (
    ATTENTION,
    MISSING,
    OPEN,
    READY,
    Block,
    Cell,
    Check,
    Checklist,
    Contents,
    Document,
    Fields,
    Figures,
    Heading,
    Kept,
    Mark,
    Paragraph,
    Plot,
    Table,
)
from .procedure import Proposal

Data = Mapping[str, Any]

OUTCOMES = {
    "completed": "rolled back",
    "failed": "NOT rolled back",
    "running": "being rolled back",
    "aborted": "NOT rolled back: aborted, and as it was before",
}
ROOT_CAUSE = "Root cause"
TO_FILL_IN = "_What happened, why, and why nothing caught it before customers did. To be filled in; a re-run keeps it._"


def incident_document(data: Data, root_cause: str = "") -> Document:
    """The report of one run record; ``root_cause`` is what people wrote into the last one, in Markdown."""
    record, manifest = data["record"], data["manifest"]
    kind = "Drill report" if is_drill(record) else "Incident report"
    blocks: list[Block] = [
        *_head(data),
        *_why(record),
        *durations(record),
        *timeline(record),
        *_undone(record),
        *_plots(data),
        *_proof(record),
        *_checklist(record),
        *_notices(record),
        Heading(ROOT_CAUSE),
        Kept(root_cause or TO_FILL_IN),
        *_to_do(data, root_cause),
    ]
    title = f"{kind}: {manifest['service']} {record['release']} {OUTCOMES[record['status']]}"
    about = f"Back to {record['previous']} in {record['environment']}"
    return Document(title, tuple(blocks), about)


def root_cause_of(markdown: str) -> str:
    """What people wrote about the root cause into a report; nothing where they have not."""
    found = re.search(rf"^## {ROOT_CAUSE}\n(.*?)(?=^## |\Z)", markdown, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else ""
    return "" if text == TO_FILL_IN else text


def _head(data: Data) -> list[Block]:
    record, manifest = data["record"], data["manifest"]
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
    mark = Mark(f"{outcome}.", state, record["status"])
    return [mark, *_failure(data), Figures(tuple(_figures(record))), Fields(fields), Contents()]


def _figures(record: Data) -> Iterable[tuple[str, str, str]]:
    """What is asked first: how long, since when, at what price, and who said so."""
    decision = record.get("decision") or {}
    opened, closed, detected = record["opened_at"], record.get("closed_at"), decision.get("detected_at")
    if record["status"] == "completed":
        yield "Time to restore", words.duration(words.between(opened, closed)), "started, until proven"
    else:
        yield "Time spent", words.duration(words.between(opened, closed)), "nothing is restored yet"
    if detected:
        yield "In all", words.duration(words.between(detected, closed)), "gone bad, until proven"
    down = downtime(record)
    lost = words.duration(down["seconds"]) if down else "none"
    yield "Downtime", lost, "requests kept away by the rollback" if down else "pods were replaced one by one"
    makers = " and ".join(map(str, decision.get("makers") or ()))
    kind = str(decision.get("kind") or "").replace("_", " ")
    yield "Decided by", makers or ("the triggers" if kind == "automatic" else words.NONE), kind


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
        *_rehearsed(facts.get("rehearsals") or ()),
    ]


def _rehearsed(rehearsals: Sequence[Data]) -> list[Block]:
    """How the way down went on a copy before it was gone for good."""
    rows = tuple(
        (
            words.text_of(item.get("name")),
            words.text_of(item.get("verdict") or "fail"),
            words.duration(sum(step.get("seconds") or 0 for step in item.get("steps") or ())),
            words.text_of(item.get("lost")),
            words.text_of(item.get("note") or item.get("problem") or ""),
        )
        for item in rehearsals
    )
    heading = [Heading("Rehearsed on a copy before", 3)] if rows else []
    return [*heading, Table(("Database", "Verdict", "Steps took", "Rows lost", "Note"), rows)]


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
                verdict_cell(str(item.get("verdict"))),
                words.text_of(item.get("message")),
            )
            for item in facts.get(key) or ()
        )
        if rows:
            blocks += [Heading(title, 3), Table(("Check", "Verdict", "What was found"), rows)]
    return [Heading("Proof"), *blocks] if blocks else [Heading("Proof"), Mark("no check was made yet", ATTENTION)]


def _checklist(record: Data) -> list[Block]:
    """What was so before the first step, and who took on what was not."""
    kept = (record.get("facts") or {}).get("checklist") or ()
    return [Heading("Checklist before the first step"), Checklist(tuple(map(shown, kept)))] if kept else []


def _failure(data: Data) -> list[Block]:
    """What failed, and who could be called."""
    record = data["record"]
    failure = (record.get("facts") or {}).get("failure")
    if record["status"] == "completed" or not failure:
        return []
    duty = "; ".join(words.text_of(item["label"]) for item in data.get("contacts") or () if item.get("on_duty"))
    called: list[Block] = [Fields((("To call", duty),))] if duty else []
    return [Mark(words.text_of(failure), MISSING, "what failed"), *called]


def _notices(record: Data) -> list[Block]:
    """Who was told what, and who was not."""
    sent: dict[tuple[str, str], Cell] = {}
    for item in (record.get("facts") or {}).get("missed") or ():
        place = (words.text_of(item.get("event")), words.text_of(item.get("channel")))
        sent[place] = Mark(words.text_of(item.get("message")), MISSING, "not taken")
    for notice in record.get("notices") or ():
        event, _unused, channel = str(notice).removeprefix(f"{record['id']}:").partition("@")
        sent[event.partition(":")[0], channel] = "sent"  # the same event may be told for several reasons
    rows = tuple((event, channel, state) for (event, channel), state in sent.items())
    told: list[Block] = [Table(("Notice", "Channel", "Outcome"), rows)] if rows else [Paragraph("None.")]
    return [Heading("Notices sent"), *told]


def _to_do(data: Data, root_cause: str) -> list[Block]:
    start, tickets = data.get("post_mortem"), data.get("tickets") or []
    meeting = f"{words.date_and_time(start)}; {_invited(data)}" if words.moment(start) else ""
    items = (
        Check("Complete incident report"),
        Check("Schedule post-mortem meeting", OPEN, meeting),
        Check("Document root cause", READY if root_cause else OPEN),
        Check("Create tickets for fixes", _tickets_state(tickets), ", ".join(map(_ticket, tickets))),
        Check("Update deployment procedures if needed", OPEN, _procedure(data)),
        *_suspended(data["record"]),
    )
    return [*_taught(data), Heading("To do"), Checklist(items)]


def _invited(data: Data) -> str:
    guests = ", ".join(map(words.text_of, data.get("guests") or ()))
    return f"post-mortem.ics is for {guests}" if guests else "send post-mortem.ics to those who come"


def _suspended(record: Data) -> list[Check]:
    """What a person has to switch on again."""
    return [Check(words.text_of(item.get("note"))) for item in (record.get("facts") or {}).get("suspended") or ()]


def _taught(data: Data) -> list[Block]:
    """What the run says about its own procedure."""
    proposal: Proposal = data.get("proposal") or Proposal()
    rows = tuple(
        (change.name, words.text_of(old), words.text_of(change.value), change.why) for change, old in proposal.made
    )
    told = Table(("Variable", "Until now", "Proposed", "Why"), rows)
    return [Heading("What it has taught about the procedure"), told] if rows else []


def _procedure(data: Data) -> str:
    proposal: Proposal = data.get("proposal") or Proposal()
    if proposal.patch:
        return f"read {data['patch']}, then: git apply {data['patch']}"
    return proposal.problem


def _tickets_state(tickets: Sequence[Data]) -> str:
    if any(ticket.get("problem") for ticket in tickets):
        return ATTENTION
    return READY if tickets else OPEN


def _ticket(ticket: Data) -> str:
    return words.text_of(ticket.get("problem") or ticket.get("link") or "sent")
