# SPDX-License-Identifier: GPL-3.0-or-later
"""A live Prometheus: from the first bad request to the decision, with a restart in between."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import Asked, Reply, WireServer, call
from tests.sandbox.process import wait_until
from tests.sandbox.prometheus import PrometheusServer

HOLD = 3.0  # seconds the trigger has to hold
TRIGGER = {
    "name": "error_rate",
    "query": 'sum(rate(requests_total{code="500"}[2s])) / sum(rate(requests_total[2s]))',
    "fail_if": "> 10%",
    "for": f"{HOLD:g}s",
    "step": "500ms",
}


class Service:
    """Counters as a service exposes them; errors begin when somebody says so."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.broke: float | None = None
        self.lock = threading.Lock()

    def metrics(self, _asked: Asked) -> Reply:
        """100 requests a second, a quarter of them errors once it is broken."""
        now = time.monotonic()
        total = (now - self.began) * 100
        errors = 0.0 if self.broke is None else (now - self.broke) * 25
        text = f'requests_total{{code="200"}} {total - errors}\nrequests_total{{code="500"}} {errors}\n'
        return Reply(200, text, {"Content-Type": "text/plain; version=0.0.4"})


def look(server: PrometheusServer) -> dict[str, Any]:
    """The trigger, judged now."""
    result = call(prometheus_threshold_info, url=server.url, checks=[TRIGGER], retries=0, timeout=2)
    entry: dict[str, Any] = result["checks"][0]
    return entry


def test_from_the_first_bad_request_to_the_decision(tmp_path: Path) -> None:
    service = Service()
    with WireServer({"/metrics": service.metrics}) as wire:
        target = {"job_name": "shop", "static_configs": [{"targets": [wire.url.removeprefix("http://")]}]}
        fast = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
        server = PrometheusServer(tmp_path, {"global": fast, "scrape_configs": [target]})
        with server:
            wait_until(lambda: look(server)["verdict"] == "pass", 30, "the trigger passes while all is well")
            service.broke = time.monotonic()
            found: list[str] = []

            def fired() -> bool:
                found.append(look(server)["verdict"])
                return found[-1] == "fail"

            wait_until(fired, 30, "the trigger fires")
            took = time.monotonic() - service.broke
            # The rate needs a scrape or two to rise over the threshold; after that nothing but the duration counts.
            assert HOLD - 0.5 < took < HOLD + 3.5
            assert set(found[:-1]) == {"pass"}
            server.stop()
            assert look(server)["error"] == "refused"
            server.start()
            wait_until(lambda: look(server)["verdict"] == "fail", 30, "the trigger fires again after a restart")
