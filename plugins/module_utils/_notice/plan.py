# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes messages out of a notice: pure decisions, no I/O."""

from __future__ import annotations

import hashlib
import hmac
import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import PurePath
from typing import Any

from .._http.clear import is_local, plain_host
from .._http.client import Request
from .model import Channel, Hook, Mail, Notice

SLACK_LIMIT = 3000  # characters of a section block
TEAMS_LIMIT = 20_000  # a Teams message may have 28 KB in all
PAGERDUTY_LIMIT = 1024  # characters of a summary
PAGERDUTY_ACTIONS = {
    "started": "trigger",
    "completed": "resolve",
    "failed": "trigger",
    "aborted": "trigger",
    "invited": "acknowledge",
}
PAGERDUTY_SEVERITY = {
    "started": "warning",
    "completed": "info",
    "failed": "critical",
    "aborted": "warning",
    "invited": "info",
}


def unsent(notice: Notice, channels: Sequence[Channel], sent: Sequence[str]) -> list[Channel]:
    """The channels that ``notice`` has not been sent to, by the ids in ``sent``, the newest last.

    That a rollback is completed is told again where people have been told since that it has failed.
    """
    return [
        channel
        for channel in channels
        if channel.delivery(notice) not in sent or (notice.event == "completed" and _taken_back(notice, channel, sent))
    ]


def _taken_back(notice: Notice, channel: Channel, sent: Sequence[str]) -> bool:
    since = sent[sent.index(channel.delivery(notice)) + 1 :]
    return any(one.startswith(f"{notice.id}:failed") and one.endswith(f"@{channel.name}") for one in since)


def one_line(text: str) -> str:
    """``text`` without line breaks, which in a header would start another one."""
    return " ".join(text.split())


def mail(notice: Notice, way: Mail, attached: Mapping[str, bytes], now: float) -> EmailMessage:
    """The e-mail; its id follows from the notice's, so that a mailbox sees a repetition as one."""
    message = EmailMessage()
    message["Subject"] = one_line(notice.subject)
    message["From"] = way.sender
    message["To"] = ", ".join(way.to)
    if way.cc:
        message["Cc"] = ", ".join(way.cc)
    message["Date"] = formatdate(now)
    domain = way.sender.rpartition("@")[2].strip("<> ") or "localhost"
    message["Message-ID"] = f"<{_digest(notice.key)}@{domain}>"
    message["References"] = f"<{_digest(notice.id)}@{domain}>"  # keeps all notices of one rollback together
    message["Auto-Submitted"] = "auto-generated"
    message["X-Rollback-Event"] = notice.event
    message.set_content(notice.body)
    for path, content in attached.items():
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        main, _unused, sub = kind.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=PurePath(path).name)
    return message


def request(notice: Notice, way: Hook) -> Request:
    """The HTTP request of a hook; with a key (other than PagerDuty's) its body is signed."""
    content = json.dumps(PAYLOADS[way.kind](notice, way), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", **way.headers}
    if way.kind == "webhook":
        headers["Idempotency-Key"] = _digest(notice.key)
        if way.key:
            headers["X-Hub-Signature-256"] = f"sha256={hmac.new(way.key.encode(), content, 'sha256').hexdigest()}"
    return Request(way.url, "POST", headers, content)


def _webhook(notice: Notice, _way: Hook) -> dict[str, Any]:
    return {
        "id": notice.key,
        "event": notice.event,
        "subject": one_line(notice.subject),
        "body": notice.body,
        **({"fields": dict(notice.fields)} if notice.fields else {}),
    }


def _slack(notice: Notice, _way: Hook) -> dict[str, Any]:
    """Blocks of plain text: Slack's markup in a reason or a name must not become a mention of everybody."""
    subject = one_line(notice.subject)
    return {
        # The text is what a notification shows and what is read aloud.
        "text": subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(subject, 150)}},
            {"type": "section", "text": {"type": "plain_text", "text": _cut(notice.body, SLACK_LIMIT)}},
        ],
    }


def _teams(notice: Notice, _way: Hook) -> dict[str, Any]:
    """An Adaptive Card, the form that the workflows of Teams accept."""
    blocks = [
        {"type": "TextBlock", "text": one_line(notice.subject), "weight": "Bolder", "size": "Medium", "wrap": True},
        *(
            {"type": "TextBlock", "text": line, "wrap": True, "spacing": "None" if line else "Medium"}
            for line in _cut(notice.body, TEAMS_LIMIT).splitlines()
        ),
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _pagerduty(notice: Notice, way: Hook) -> dict[str, Any]:
    """An event of the Events API v2; all events of one rollback are about one incident."""
    return {
        "routing_key": way.key,
        "event_action": PAGERDUTY_ACTIONS[notice.event],
        "dedup_key": notice.id[:255],
        "payload": {
            "summary": _cut(one_line(notice.subject), PAGERDUTY_LIMIT),
            "source": way.source,
            "severity": PAGERDUTY_SEVERITY[notice.event],
            "custom_details": {"body": notice.body, **notice.fields},
        },
    }


PAYLOADS: Mapping[str, Callable[[Notice, Hook], dict[str, Any]]] = {
    "webhook": _webhook,
    "slack": _slack,
    "teams": _teams,
    "pagerduty": _pagerduty,
}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def exposed(way: Mail | Hook) -> str:
    """What a channel sends unprotected because it is told to, in a sentence; empty where it does not."""
    if isinstance(way, Hook):
        host = plain_host(way.url)
        return (
            f"{host}: the notice and its address, which lets anybody write there, go over plain http://" if host else ""
        )
    if way.secure == "never" and way.username is not None and not is_local(way.host):
        return f"{way.host}:{way.port}: the password goes there unencrypted, as secure: never says"
    return ""


def fallen_back(way: Mail) -> str:
    """The same of a mail that went out without TLS where TLS was to be tried."""
    if way.secure != "try" or is_local(way.host):
        return ""
    return f"{way.host}:{way.port} offers no TLS, so the notice went there unencrypted; secure: starttls refuses that"
