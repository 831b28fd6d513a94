# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate limit quotas: so many requests per interval under a path."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, seconds


@dataclass
class RateLimit:
    """``rate`` requests per ``interval`` seconds under ``path`` ("" for all)."""

    path: str
    rate: float
    interval: int
    window_end: float = 0.0
    used: int = 0

    def take(self) -> float:
        """Count one request; 0 if it may pass, else the seconds until the next window."""
        clock = time.monotonic()
        if clock >= self.window_end:
            self.window_end, self.used = clock + self.interval, 0
        self.used += 1
        return 0 if self.used <= self.rate else self.window_end - clock


class Quotas:
    """``sys/quotas``."""

    def __init__(self) -> None:
        self.limits: dict[str, RateLimit] = {}
        self.tell_headers = False

    def check(self, path: str) -> None:
        """Raise the 429 if a quota for ``path`` is used up; the most specific one decides."""
        covering = [limit for limit in self.limits.values() if path.startswith(limit.path)]
        if not covering:
            return
        limit = max(covering, key=lambda candidate: len(candidate.path))
        wait = limit.take()
        if not wait:
            return
        reset = str(math.floor(wait))
        headers = {"Retry-After": reset, "X-Ratelimit-Limit": f"{limit.rate:g}", "X-Ratelimit-Remaining": "0"}
        told = {**headers, "X-Ratelimit-Reset": reset} if self.tell_headers else {}
        raise Fault(429, f'request path "{path}": rate limit quota exceeded', headers=told)

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``sys/quotas/<path>``."""
        kind, _, name = path.partition("/")
        if kind == "config":
            if request.operation == "read":
                return Reply(data={"enable_rate_limit_response_headers": self.tell_headers})
            self.tell_headers = bool(request.body.get("enable_rate_limit_response_headers", self.tell_headers))
            return NO_CONTENT
        if kind != "rate-limit" or not name:
            raise Fault(404)
        if request.operation == "delete":
            self.limits.pop(name, None)
            return NO_CONTENT
        if request.operation == "read":
            limit = self.limits.get(name)
            if limit is None:
                raise Fault(404)
            return Reply(data={"name": name, "path": limit.path, "rate": limit.rate, "interval": limit.interval})
        prefix = str(request.body.get("path", "")).strip("/")
        self.limits[name] = RateLimit(
            path=f"{prefix}/" if prefix else "",
            rate=float(request.body["rate"]),
            interval=seconds(request.body.get("interval", 1)),
        )
        return NO_CONTENT
