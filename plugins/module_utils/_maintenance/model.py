# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance switch is: two ways to set it and, where it has one, a way to ask it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._http.client import Request, check_url
from .._http.jsonpath import JsonPath

GOOD = tuple(range(200, 300))


@dataclass(frozen=True)
class Ask:
    """A request that tells where the switch stands: the value at ``path`` of its JSON answer is ``equals`` when on."""

    request: Request
    path: JsonPath
    equals: Any


@dataclass(frozen=True)
class HttpSwitch:
    """A switch that two requests set."""

    on: Request
    off: Request
    good: Mapping[bool, Sequence[int]]
    """Status codes that mean that it is done, for on (true) and off."""
    ask: Ask | None = None


@dataclass(frozen=True)
class CommandSwitch:
    """A switch that two programs set; ``ask`` ends with 0 where it is on, and with 1 where it is off."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    ask: tuple[str, ...] = ()
    chdir: str | None = None
    environment: Mapping[str, str] | None = None


def http_switch(options: Mapping[str, Any]) -> HttpSwitch:
    """The switch that the module's option ``http`` describes."""
    asked = options.get("ask")
    return HttpSwitch(
        on=_request(options["enable"], "http.enable.url"),
        off=_request(options["disable"], "http.disable.url"),
        good={True: options["enable"]["status"] or GOOD, False: options["disable"]["status"] or GOOD},
        ask=Ask(
            Request(check_url(asked["url"], "http.ask.url"), headers={"Accept": "application/json"}),
            JsonPath.parse(asked["path"], "http.ask.path"),
            asked["equals"],
        )
        if asked
        else None,
    )


def _request(options: Mapping[str, Any], where: str) -> Request:
    headers = {name: str(value) for name, value in (options["headers"] or {}).items()}
    body = None if options["body"] is None else str(options["body"]).encode()
    if options["body_json"] is not None:
        body = json.dumps(options["body_json"]).encode()
        headers.setdefault("Content-Type", "application/json")
    return Request(check_url(options["url"], where), options["method"], headers, body)


def command_switch(options: Mapping[str, Any]) -> CommandSwitch:
    """The switch that the module's option ``command`` describes."""
    return CommandSwitch(
        on=tuple(options["enable"]),
        off=tuple(options["disable"]),
        ask=tuple(options["ask"] or ()),
        chdir=options["chdir"],
        environment={name: str(value) for name, value in (options["environment"] or {}).items()},
    )
