# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the options of a channel into a :class:`~.model.Channel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._http.client import check_url
from .._module import RollbackError
from .model import Channel, Hook, Mail
from .plan import PAYLOADS

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"

CHANNEL_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str"},
    "type": {"type": "str", "required": True, "choices": ["email", *PAYLOADS]},
    "timeout": {"type": "float"},
    "ca_path": {"type": "path"},
    "url": {"type": "str", "no_log": True},
    "headers": {"type": "dict"},
    "key": {"type": "str", "no_log": True},
    "source": {"type": "str", "default": "octalume.rollback"},
    "host": {"type": "str", "default": "localhost"},
    "port": {"type": "int", "default": 25},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "secure": {"type": "str", "choices": ["always", "never", "starttls", "try"], "default": "try"},
    "sender": {"type": "str"},
    "to": {"type": "list", "elements": "str", "default": []},
    "cc": {"type": "list", "elements": "str", "default": []},
    "attachments": {"type": "list", "elements": "path", "default": []},
}
CHANNEL_RELATIONS: dict[str, Any] = {
    "required_if": [
        ["type", "email", ["sender"]],
        ["type", "webhook", ["url"]],
        ["type", "slack", ["url"]],
        ["type", "teams", ["url"]],
        ["type", "pagerduty", ["key"]],
    ],
}


def read_channels(entries: Sequence[Mapping[str, Any]], timeout: float) -> list[Channel]:
    """The channels described by ``entries``; ``timeout`` in seconds for those that have none of their own."""
    channels: list[Channel] = []
    for entry in entries:
        name = entry["name"] or entry["type"]
        if name in [channel.name for channel in channels]:
            raise RollbackError(f"channels: two are called {name}; give each a name of its own")
        way = _mail(entry, name) if entry["type"] == "email" else _hook(entry, name)
        channels.append(Channel(name, way, entry["timeout"] or timeout))
    return channels


def _mail(entry: Mapping[str, Any], name: str) -> Mail:
    if not entry["to"] and not entry["cc"]:
        raise RollbackError(f"channels[{name}]: nobody is in to or cc")
    return Mail(
        host=entry["host"],
        port=entry["port"],
        sender=entry["sender"],
        to=tuple(entry["to"]),
        cc=tuple(entry["cc"]),
        username=entry["username"],
        password=entry["password"],
        secure=entry["secure"],
        ca_path=entry["ca_path"],
        attachments=tuple(entry["attachments"]),
    )


def _hook(entry: Mapping[str, Any], name: str) -> Hook:
    url = entry["url"] or PAGERDUTY_URL
    headers = {header: str(value) for header, value in (entry["headers"] or {}).items()}
    url = check_url(url, f"channels[{name}].url")
    return Hook(entry["type"], url, headers, entry["key"], entry["source"], entry["ca_path"])
