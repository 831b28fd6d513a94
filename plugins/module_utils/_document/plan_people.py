# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections 6, 8 and 9 of the plan: who is told, who can be called, and who has approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import words
from .model import MISSING, OPEN, Block, Cell, Code, Fields, Heading, Mark, Paragraph, Table
from .readiness import Readiness

Data = Mapping[str, Any]

SUBJECT = "[ROLLBACK] {Service} rolled back from {X.Y.Z} to {X.Y.Z-1}"
BODY = """\
Team,

We have initiated a rollback of {Service} from version {X.Y.Z} to {X.Y.Z-1}.

Reason: {Brief description of issue}

Timeline:
- Issue detected: {Time}
- Rollback started: {Time}
- Rollback completed: {Time}

Impact:
- {Description of user impact}

Next Steps:
- {Action item 1}
- {Action item 2}

Post-mortem scheduled for: {Date/Time}

Please contact {name} for questions.
"""


def wanting(part: str, ready: Readiness) -> list[Block]:
    """What is said where a part of the plan has nothing to show."""
    said = ready.said(part)
    return [Mark(said, ready.state(part))] if said else []


def communication(data: Data, ready: Readiness) -> list[Block]:
    """Section 6: the channels, and the template's notice with what is known."""
    rows = tuple(
        (
            words.text_of(item.get("name") or item.get("type")),
            words.text_of(item.get("type")),
            "start, completion, failure",
        )
        for item in data.get("channels", ())
    )
    manifest = data["manifest"]
    ends = {"Service": manifest["service"], "X.Y.Z": manifest["release"], "X.Y.Z-1": manifest["previous"]}
    subject, body = (_filled(text, ends) for text in (SUBJECT, BODY))
    return [
        Heading("6. Communication"),
        *([Table(("Channel", "Kind", "Sent at"), rows)] if rows else wanting("channels", ready)),
        Heading("6.1 Notification Template", 3),
        Fields((("Subject", subject),)),
        Code(body, "text"),
    ]


def _filled(text: str, known: Mapping[str, object]) -> str:
    """The template's text; what is not known before something happens stays in braces."""
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", words.text_of(value))
    return text


def contacts(data: Data, ready: Readiness) -> list[Block]:
    """Section 8: the table, and who is available now."""
    words_for = {True: "available", False: "not available"}
    rows = tuple(
        (
            *(words.text_of(item.get(key)) for key in ("role", "name", "phone", "availability")),
            words_for.get(item.get("on_duty"), "cannot be read"),
        )
        for item in data.get("contacts", ())
    )
    return [
        Heading("8. Emergency Contacts"),
        *([Table(("Role", "Name", "Phone", "Availability", "Now"), rows)] if rows else []),
        *wanting("contacts", ready),
    ]


def approval(data: Data) -> list[Block]:
    """Section 9: the table, what was signed, and what those type who have not."""
    rows: list[tuple[Cell, ...]] = []
    for item in data.get("approvals", ()):
        approved = item.get("verdict") == "pass"
        signature: Cell = (
            words.text_of(item.get("fingerprint"))
            if approved
            else Mark(words.text_of(item.get("message")), MISSING if data.get("approval_required") else OPEN)
        )
        date = words.text_of(item.get("date")) if approved else ""
        rows.append((item["role"], words.text_of(item.get("signer")) if approved else "", signature, date))
    signed = f"What was signed: {data['manifest_path']}, SHA-256 {data['manifest_sha256']}."
    return [
        Heading("9. Approval"),
        Table(("Role", "Name", "Signature", "Date"), tuple(rows)),
        Paragraph(signed),
        *_to_sign(data),
    ]


def _to_sign(data: Data) -> list[Block]:
    """What those who have not signed type."""
    commands = [item["command"] for item in data.get("approvals", ()) if item.get("verdict") != "pass"]
    if not commands:
        return []
    text = "A rollback waits for these" if data.get("approval_required") else "A rollback does not wait for these here"
    return [Paragraph(f"{text}; to sign:"), Code("\n".join(commands), "bash")]
