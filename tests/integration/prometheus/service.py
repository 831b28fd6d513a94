# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that breaks when a test says so, a Prometheus that watches it, and the trigger for it."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import Asked, Reply, WireServer, call
from tests.sandbox.prometheus import PrometheusServer

HOLD = 3.0  # seconds the trigger has to hold
STEP = 0.5  # seconds between scrapes, and between evaluations
TRIGGER = {
    "name": "Error Rate",
    "query": 'sum(rate(requests_total{code="500"}[2s])) / sum(rate(requests_total[2s]))',
    "fail_if": "> 10%",
    "for": f"{HOLD:g}s",
    "step": "500ms",
}


class Service:
    """100 requests a second, of which a quarter fails while it is broken."""

    def __init__(self) -> None:
        self.at, self.total, self.errors = time.monotonic(), 0.0, 0.0
        self.broke: float | None = None
        """When it broke, in seconds since the epoch."""
        self.lock = threading.Lock()

    def metrics(self, _asked: Asked) -> Reply:
        """Counters as a service exposes them."""
        with self.lock:
            self._count()
            text = (
                f'requests_total{{code="200"}} {self.total - self.errors}\nrequests_total{{code="500"}} {self.errors}\n'
            )
        return Reply(200, text, {"Content-Type": "text/plain; version=0.0.4"})

    def turn(self, *, broken: bool) -> None:
        """Break, or mend."""
        with self.lock:
            self._count()
            self.broke = time.time() if broken else None

    def _count(self) -> None:
        now = time.monotonic()
        self.total += (now - self.at) * 100
        self.errors += (now - self.at) * 25 if self.broke else 0
        self.at = now


def watching(wire: WireServer) -> dict[str, Any]:
    """The configuration of a Prometheus that scrapes ``wire`` every STEP."""
    times = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{STEP * 1000:g}ms")
    target = {"job_name": "shop", "static_configs": [{"targets": [wire.url.removeprefix("http://")]}]}
    return {"global": times, "scrape_configs": [target]}


def due(server: PrometheusServer) -> float:
    """When the trigger's state had lasted for its duration, by Prometheus's own data; seconds since the epoch."""
    often = {**TRIGGER, "step": "100ms"}
    past = call(prometheus_threshold_info, url=server.url, checks=[often], replay="60s", time=time.time())
    start: float = past["checks"][0]["replay"]["firings"][-1]["start"]
    return start


def patience(seconds: float) -> float:
    """``seconds`` on a machine that has nothing else to do, and more on one that has."""
    return seconds * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))
