# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the wire: requests, replies, faults, and numbers, times and durations as Go writes them."""

from __future__ import annotations

import json
import re
import secrets
import string
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

MAX_BODY = 32 * 1024 * 1024  # Vault's default max_request_size, bytes
UNITS = {"h": 3600, "m": 60, "s": 1, "d": 86400}


class Fault(Exception):
    """An answer with a status of 4xx or 5xx and its ``errors``."""

    def __init__(self, status: int, *errors: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {errors}")
        self.status = status
        self.errors = list(errors)
        self.headers = dict(headers or {})


def listed(error: str) -> str:
    """``error`` as Go's multierror prints it."""
    return f"1 error occurred:\n\t* {error}\n\n"


def denied() -> Fault:
    """What a valid token without the right gets."""
    return Fault(403, listed("permission denied"))


@dataclass
class Request:
    """One call: ``path`` without ``/v1/``; ``operation`` is the capability it needs (read, update, list ...)."""

    method: str
    path: str
    operation: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]
    token: str
    peer_certificate: bytes | None = None  # DER


@dataclass
class Reply:
    """One answer. ``bare`` is sent as it is; ``data`` in Vault's envelope (also at top level if ``merged``)."""

    status: int = 200
    data: Any = None
    auth: dict[str, Any] | None = None
    wrap_info: dict[str, Any] | None = None
    lease_duration: int = 0
    warnings: list[str] | None = None
    merged: bool = False
    bare: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> Any:
        """The JSON document to send, None for no content."""
        if self.bare is not None or self.status == 204:
            return self.bare
        return {
            **(self.data if self.merged else {}),
            "request_id": "" if self.wrap_info else str(uuid.uuid4()),
            "lease_id": "",
            "renewable": False,
            "lease_duration": self.lease_duration,
            "data": self.data,
            "wrap_info": self.wrap_info,
            "warnings": self.warnings,
            "auth": self.auth,
        }


NO_CONTENT = Reply(204)


def parse(text: bytes) -> dict[str, Any]:
    """A request body; numbers become what a Go float64 keeps of them."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        document = json.loads(text, parse_int=number, parse_float=number, parse_constant=refuse)
    except ValueError:
        raise Fault(400, "error parsing JSON") from None
    if not isinstance(document, dict):
        raise Fault(400, "error parsing JSON")
    return document


def number(text: str) -> int | float:
    """``text`` through a float64 and back in its shortest digits, as encoding/json prints it."""
    value = float(text)
    if abs(value) < 1e21 and value.is_integer():
        return int(Decimal(repr(value)))
    return value


def now() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()


def stamp(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, trailing zeros dropped."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def seconds(value: Any) -> int:
    """Seconds of a duration: 60, "60", "60s", "1h30m"."""
    if isinstance(value, int):
        return value
    text = str(value or "0")
    if text.isdigit():
        return int(text)
    parts = re.findall(r"(\d+)([dhms])", text)
    if "".join(f"{amount}{unit}" for amount, unit in parts) != text:
        raise Fault(400, f"error converting input {text} for a duration")
    return sum(int(amount) * UNITS[unit] for amount, unit in parts)


def go_duration(total: int) -> str:
    """``total`` seconds as Go prints a Duration: 0s, 1m0s, 3h25m19s."""
    hours, rest = divmod(total, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"


def identifier(length: int = 24) -> str:
    """Random letters and digits, as accessors and tokens have them."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
