# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback plan: the template's nine sections and tables, filled in from the manifest and the live world."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import plan_people, plan_steps, words
from .checklist import checklist
from .history import estimated
from .model import (
    ATTENTION,
    MISSING,
    READY,
    Block,
    Bullets,
    Cell,
    Check,
    Checklist,
    Contents,
    Document,
    Fields,
    Figures,
    Heading,
    Mark,
    Paragraph,
    Table,
)
from .plan_people import wanting
from .readiness import Readiness, judge, label

Data = Mapping[str, Any]


def plan_document(data: Data) -> tuple[Document, Readiness]:
    """The document and what stands in the way. The same data give the same document."""
    ready = judge(data)
    blocks: list[Block] = [
        *_head(data, ready),
        *_overview(data, ready),
        *_criteria(data, ready),
        *_checklist(data, ready),
        *plan_steps.steps(data, ready),
        *_verification(data, ready),
        *plan_people.communication(data, ready),
        Heading("7. Post-Rollback Actions"),
        Checklist(tuple(map(Check, AFTERWARDS))),
        *plan_people.contacts(data, ready),
        *plan_people.approval(data),
    ]
    manifest = data["manifest"]
    about = f"{manifest['service']} {manifest['release']} to {words.text_of(manifest['previous'])}"
    return Document("Rollback Plan", tuple(blocks), f"{about} in {data['environment']}"), ready


AFTERWARDS = (
    "Complete incident report",
    "Schedule post-mortem meeting",
    "Document root cause",
    "Create tickets for fixes",
    "Update deployment procedures if needed",
)


def _head(data: Data, ready: Readiness) -> list[Block]:
    manifest, problems = data["manifest"], ready.problems()
    if problems:
        verdict = Mark(f"Release {manifest['release']} CANNOT be rolled back now.", MISSING)
    elif data["left"]["pending"]:
        verdict = Mark(f"Release {manifest['release']} can be rolled back.", READY)
    else:
        verdict = Mark(f"Release {manifest['release']} is rolled back already.", READY)
    marks = [Mark(text, MISSING) for text in problems] + [Mark(text, ATTENTION) for text in ready.worries()]
    return [verdict, Bullets(tuple(marks)), Figures(tuple(_figures(data))), Fields(tuple(_fields(data))), Contents()]


def _figures(data: Data) -> Iterable[tuple[str, str, str]]:
    """What is asked first: how, how long, at what price, and with whose word."""
    left = data["left"]
    yield "Strategy", str(left["strategy"]), STRATEGIES.get(left["strategy"], "")
    middle, about = estimated(data.get("records", ()), data["manifest"]["service"], data.get("time_to_restore"))
    yield "Expected duration", middle, about
    rows = sum((live.get("loss") or {}).get("rows") or 0 for live in data["databases"])
    if data["databases"]:
        yield "Lost for good", str(rows), "rows or values, which only the backup keeps" if rows else "rows or values"
    approvals = data.get("approvals", ())
    signed = sum(item.get("verdict") == "pass" for item in approvals)
    wanted = "required" if data.get("approval_required") else "not required here"
    yield "Approvals", f"{signed} of {len(approvals)}", wanted


STRATEGIES = {
    "quiesce": "every pod stops before the schema changes",
    "rolling": "pods are replaced one by one, no request fails",
    "none": "nothing is left to undo",
}


def _fields(data: Data) -> Iterable[tuple[str, str]]:
    manifest = data["manifest"]
    yield "Document ID", manifest["document"]
    yield "Release", manifest["release"]
    yield "Author", manifest["author"]
    yield "Service", manifest["service"]
    yield "Environment", data["environment"]
    if manifest.get("summary"):
        yield "Brings", manifest["summary"]
    duty = [item for item in data.get("contacts", ()) if item.get("on_duty")]
    if duty:
        yield "To call now", "; ".join(words.text_of(item.get("label") or item.get("name")) for item in duty)


def _overview(data: Data, ready: Readiness) -> list[Block]:
    manifest = data["manifest"]
    purpose = (
        f"This document provides step-by-step instructions to rollback release {manifest['release']} to the previous "
        f"stable version {words.text_of(manifest['previous'])} in case of critical issues."
    )
    duration, about = estimated(data.get("records", ()), manifest["service"], data.get("time_to_restore"))
    return [
        Heading("1. Rollback Overview"),
        Heading("1.1 Purpose", 3),
        Paragraph(purpose),
        Heading("1.2 Rollback Scope", 3),
        Table(("Component", "Current Version", "Rollback Version", "Now"), tuple(_scope(data, ready))),
        Paragraph(f"Strategy: {data['left']['strategy']}, as {data['left']['reason']}."),
        Paragraph(f"Expected duration: {duration} ({about})."),
        *_drift(data),
    ]


def _drift(data: Data) -> list[Block]:
    """What has changed since the release was recorded."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            f"{words.text_of(item.get('component')).capitalize()} {words.text_of(item.get('name'))}",
            words.text_of(item.get("what")),
            words.text_of(item.get("recorded")),
            Mark(words.text_of(item.get("live")), ATTENTION, "drifted"),
        )
        for item in data["left"].get("drift") or ()
    )
    head = ("Component", "What", "Recorded", "Now")
    return [Heading("Changed since the release was recorded", 3), Table(head, rows)] if rows else []


def _scope(data: Data, ready: Readiness) -> Iterable[tuple[Cell, ...]]:
    manifest = data["manifest"]
    for item, live in zip(manifest["applications"], data["applications"], strict=True):
        ends = [words.text_of([box.get(end) for box in item["containers"]]) for end in ("current", "previous")]
        now = f"{words.text_of(list(live['images'].values()))}, {live['ready']} of {live['replicas']} pods ready"
        yield (f"Application {item['name']}", *ends, _live(now, "applications", item, ready))
    for item, live in zip(manifest["databases"], data["databases"], strict=True):
        ends = [f"Migration {words.text_of(item[end])}" for end in ("current", "previous")]
        yield (f"Database {item['name']}", *ends, _live(f"Migration {live['current']}", "databases", item, ready))
    for item, live in zip(manifest["configurations"], data["configurations"], strict=True):
        ends = [f"Version {words.text_of(item[end])}" for end in ("current", "previous")]
        now = f"Version {live['live_version']}"
        yield (f"Configuration {item['path']}", *ends, _live(now, "configurations", item, ready))
    for live in data.get("cluster_configurations", ()):
        name = f"{live['kind'].lower()}/{live['name']}"
        ends = ["as the release has it", "as it was before"]
        yield (
            f"Configuration {name}",
            *ends,
            _live(POSITIONS[live["position"]], "cluster_configurations", live, ready),
        )


POSITIONS = {
    "release": "as the release has it",
    "previous": "as it was before",
    "brought": "brought by the release",
    "missing": "missing",
    "other": "neither: changed since",
}


def _live(now: str, kind: str, item: Data, ready: Readiness) -> Cell:
    said = ready.said(label(kind, item))
    return Mark(f"{now}: {said}", MISSING) if said else now


def _criteria(data: Data, ready: Readiness) -> list[Block]:
    rows: list[tuple[Cell, ...]] = []
    for trigger in data.get("triggers", ()):
        fine = trigger.get("verdict") in ("pass", "fail")
        now = f"{trigger.get('verdict')}: {_present(trigger)}"
        consecutive = f"> {data.get('probe_failures')} consecutive"
        threshold = words.text_of(trigger.get("threshold") or consecutive).removeprefix("fail_if ")
        rows.append((words.text_of(trigger["name"]), threshold, "Auto-rollback", now if fine else Mark(now, ATTENTION)))
    conditions = data.get("conditions", {}).values()
    return [
        Heading("2. Rollback Decision Criteria"),
        Heading("2.1 Automatic Rollback Triggers", 3),
        *([Table(("Trigger", "Threshold", "Action", "Now"), tuple(rows))] if rows else wanting("triggers", ready)),
        Heading("2.2 Manual Rollback Triggers", 3),
        Table(
            ("Condition", "Decision Maker"),
            tuple((words.text_of(item["text"]), " + ".join(map(str, item["makers"]))) for item in conditions),
        ),
    ]


def _present(trigger: Data) -> str:
    """What a trigger says now; how many milliseconds an answer took is different every time, and tells nothing."""
    told = words.text_of(trigger.get("message")).removeprefix(f"{trigger.get('name')}: ")
    return re.sub(r" in \d+ ms( at attempt \d+)?$", "", told)


def _checklist(data: Data, ready: Readiness) -> list[Block]:
    items = tuple(item.shown() for item in checklist(data, ready))
    return [Heading("3. Pre-Rollback Checklist"), Checklist(items)]


def _verification(data: Data, ready: Readiness) -> list[Block]:
    tests = tuple(_smoke_test(item) for item in data.get("smoke_tests", ()))
    checks = tuple(
        (words.text_of(item["name"]), f"{words.text_of(item.get('expect'))} for {item.get('held') or 'now'}")
        for item in data.get("monitoring", ())
    )
    return [
        Heading("5. Post-Rollback Verification"),
        Heading("5.1 Smoke Tests", 3),
        *([Table(("Test", "Command", "Expected"), tests)] if tests else wanting("smoke_tests", ready)),
        Heading("5.2 Monitoring Checks", 3),
        *([Table(("Metric", "Expected After Rollback"), checks)] if checks else wanting("monitoring", ready)),
    ]


def _smoke_test(item: Data) -> tuple[Cell, ...]:
    if not item.get("path"):
        return words.text_of(item["name"]), "tcp, command or SQL", "success"
    status = item.get("status") or [200]
    wanted = " or ".join(map(str, status if isinstance(status, list) else [status]))
    values = [words.text_of(rule["equals"]) for rule in item.get("json") or () if "equals" in rule]
    more = [*values, *(item.get("extract") or {}), *(["data"] if item.get("json") and not values else [])]
    return words.text_of(item["name"]), f"{item.get('method') or 'GET'} {item['path']}", " + ".join([wanted, *more])
