# SPDX-License-Identifier: GPL-3.0-or-later
"""A notice, the channels it goes to, and what became of it on each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._http.verdict import Verdict

FAILED = "failed"
EVENTS = ("started", "completed", FAILED, "aborted", "invited")


@dataclass(frozen=True)
class Notice:
    """What is told: ``id`` is the same for all notices of one rollback, ``fields`` are facts for machines.

    Of one ``event`` people are told once for each ``reason``.
    """

    id: str
    event: str
    subject: str
    body: str
    fields: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""

    @property
    def key(self) -> str:
        """Names this one notice, wherever it goes."""
        why = f":{hashlib.sha256(self.reason.encode()).hexdigest()[:8]}" if self.reason else ""
        return f"{self.id}:{self.event}{why}"


@dataclass(frozen=True)
class Mail:
    """An SMTP server and the people; ``secure`` is always (TLS at once), starttls, try or never."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = None
    secure: str = "try"
    ca_path: str | None = None
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hook:
    """An HTTP endpoint; ``key`` is the routing key of PagerDuty or signs the body for others."""

    kind: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    source: str = "octalume.rollback"
    ca_path: str | None = None


@dataclass(frozen=True)
class Channel:
    """One way to people, with seconds of its own."""

    name: str
    way: Mail | Hook
    timeout: float

    def delivery(self, notice: Notice) -> str:
        """Names this notice on this channel, for the record of what has been sent."""
        return f"{notice.key}@{self.name}"


@dataclass(frozen=True)
class Delivery:
    """What became of a notice on one channel; ``sent`` tells whether it left in this call."""

    channel: str
    id: str
    verdict: Verdict
    message: str
    sent: bool = False
    insecurity: str = ""
    """What was unprotected on its way, in a sentence."""
