# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files each kind of paper consists of, and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from .._module import RollbackError
from . import files, html, markdown, words
from .history import as_csv, history_document
from .incident import incident_document, root_cause_of
from .invitation import invitation
from .model import Document
from .plan_document import plan_document
from .procedure import propose

Data = Mapping[str, Any]

WANTED = {
    "plan": ("manifest", "environment", "applications", "databases", "configurations", "left", "problems"),
    "incident": ("manifest", "record"),
    "history": ("records", "now"),
}
"""What the data of each kind must hold."""


@dataclass(frozen=True)
class Papers:
    """File contents by path, and what the task tells besides."""

    contents: Mapping[Path, bytes]
    told: Mapping[str, Any] = field(default_factory=dict)


def make(kind: str, data: Data, path: Path, meeting: Data | None) -> Papers:
    """Render a kind of paper; its Markdown goes to ``path`` and the rest beside it."""
    missing = [key for key in WANTED[kind] if key not in data]
    if missing:
        raise RollbackError(f"data of {kind}: {', '.join(missing)} missing")
    return MAKERS[kind](data, path, meeting or {})


def _drawn(document: Document, path: Path) -> dict[Path, bytes]:
    return {path: markdown.render(document).encode(), path.with_suffix(".html"): html.render(document).encode()}


def _plan(data: Data, path: Path, _meeting: Data) -> Papers:
    document, ready = plan_document(data)
    problems = ready.problems()
    told = {"ready": not problems, "problems": problems, "attention": ready.worries()}
    return Papers(_drawn(document, path), told)


def _incident(data: Data, path: Path, meeting: Data) -> Papers:
    """A re-run draws the report again, and keeps what people have written into it since."""
    written = files.read(path)
    root_cause = root_cause_of(written.decode(errors="replace")) if written else ""
    start, change = words.moment(meeting.get("start")), path.with_name("procedure.patch")
    proposal = propose(data["record"], data.get("procedure") or {})
    more = {
        "post_mortem": meeting.get("start"),
        "guests": meeting.get("attendees"),
        "proposal": proposal,
        "patch": str(change),
    }
    contents = _drawn(incident_document({**data, **more}, root_cause), path)
    if proposal.patch:
        contents[change] = proposal.patch.encode()
    if start:
        length = meeting.get("minutes") or 60
        if length < 1:
            raise RollbackError(f"meeting: {timedelta(minutes=length)} is not a length of a meeting")
        guests, organizer = meeting.get("attendees") or [], meeting.get("organizer") or ""
        place = path.with_name("post-mortem.ics")
        contents[place] = invitation(data["record"], start, length, organizer, guests, str(path))
    return Papers(contents)


def _history(data: Data, path: Path, _meeting: Data) -> Papers:
    document, figures = history_document(data)
    table = as_csv(data["records"]).encode()
    return Papers({**_drawn(document, path), path.with_suffix(".csv"): table}, {"summary": figures})


MAKERS: Mapping[str, Callable[[Data, Path, Data], Papers]] = {"plan": _plan, "incident": _incident, "history": _history}
