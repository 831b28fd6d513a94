# SPDX-License-Identifier: GPL-3.0-or-later
"""How each tracker is asked for a ticket and given one: requests and answers, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from .._http.client import Answer, Request

LIMITS = {"github": 65_000, "gitlab": 1_000_000, "jira": 32_000, "webhook": 1_000_000}
"""Most characters of a text that a tracker takes."""
CUT = "\n\n(The report goes on; this tracker takes no more.)"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True)
class Ticket:
    """What is asked for; ``label`` marks the ticket of this one rollback, so that no second one is opened."""

    system: str
    url: str
    project: str
    title: str
    body: str
    label: str
    labels: tuple[str, ...] = ()
    kind: str = "Task"
    """Issue type of Jira."""

    @property
    def text(self) -> str:
        """The body as far as the tracker takes it."""
        limit = LIMITS[self.system]
        return self.body if len(self.body) <= limit else self.body[: limit - len(CUT)] + CUT

    @property
    def marks(self) -> list[str]:
        """All labels."""
        return [*self.labels, self.label]


def searches(ticket: Ticket) -> Sequence[Request]:
    """Questions for the ticket of this rollback; the next one where a server does not know the one before."""
    if ticket.system == "github":
        wanted = urlencode({"labels": ticket.label, "state": "all", "per_page": 1})
        return [_get(f"{ticket.url}/repos/{ticket.project}/issues?{wanted}")]
    if ticket.system == "gitlab":
        wanted = urlencode({"labels": ticket.label, "per_page": 1})
        return [_get(f"{ticket.url}/api/v4/projects/{quote(ticket.project, safe='')}/issues?{wanted}")]
    if ticket.system == "jira":
        wanted = urlencode({"jql": f'project = "{ticket.project}" AND labels = "{ticket.label}"', "maxResults": 1})
        # Jira Cloud knows the first one alone, Jira Data Center the second one alone.
        return [_get(f"{ticket.url}/rest/api/2/{place}?{wanted}") for place in ("search/jql", "search")]
    return []


def creation(ticket: Ticket) -> Request:
    """The request that opens the ticket."""
    if ticket.system == "github":
        content: dict[str, Any] = {"title": ticket.title, "body": ticket.text, "labels": ticket.marks}
        return _post(f"{ticket.url}/repos/{ticket.project}/issues", content)
    if ticket.system == "gitlab":
        content = {"title": ticket.title, "description": ticket.text, "labels": ",".join(ticket.marks)}
        return _post(f"{ticket.url}/api/v4/projects/{quote(ticket.project, safe='')}/issues", content)
    if ticket.system == "jira":
        fields = {
            "project": {"key": ticket.project},
            "issuetype": {"name": ticket.kind},
            "summary": ticket.title[:250],
            "description": f"{{noformat}}\n{ticket.text}\n{{noformat}}",
            "labels": [mark.replace(" ", "-") for mark in ticket.marks],
        }
        return _post(f"{ticket.url}/rest/api/2/issue", {"fields": fields})
    content = {"id": ticket.label, "title": ticket.title, "body": ticket.text, "labels": ticket.marks}
    return _post(ticket.url, content, {"Idempotency-Key": ticket.label})


def link(ticket: Ticket, answer: Answer) -> str:
    """Where the ticket of a good answer is; empty where the answer names none."""
    try:
        told = json.loads(answer.body or b"{}")
    except ValueError:
        told = {}
    if isinstance(told, Mapping) and "issues" in told:
        told = told["issues"]
    item = (told[0] if told else {}) if isinstance(told, list) else told
    if not isinstance(item, Mapping):
        return ""
    if ticket.system == "jira":
        return f"{ticket.url}/browse/{item['key']}" if item.get("key") else ""
    found = item.get("html_url") or item.get("web_url") or item.get("url") or answer.headers.get("location") or ""
    return str(found)


def _get(url: str) -> Request:
    return Request(url, "GET", JSON)


def _post(url: str, content: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Request:
    return Request(url, "POST", {**JSON, **(more or {})}, json.dumps(content, ensure_ascii=False).encode())
