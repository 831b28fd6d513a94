# SPDX-License-Identifier: GPL-3.0-or-later
"""A live Prometheus: from the first bad request to the decision, with a restart in between."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import WireServer, call
from tests.integration.prometheus.service import HOLD, TRIGGER, Service, watching
from tests.sandbox.process import wait_until
from tests.sandbox.prometheus import PrometheusServer


def look(server: PrometheusServer) -> dict[str, Any]:
    """The trigger, judged now."""
    result = call(prometheus_threshold_info, url=server.url, checks=[TRIGGER], retries=0, timeout=2)
    entry: dict[str, Any] = result["checks"][0]
    return entry


def test_from_the_first_bad_request_to_the_decision(tmp_path: Path) -> None:
    service = Service()
    with WireServer({"/metrics": service.metrics}) as wire:
        server = PrometheusServer(tmp_path, watching(wire))
        with server:
            wait_until(lambda: look(server)["verdict"] == "pass", 30, "the trigger passes while all is well")
            service.turn(broken=True)
            broke = time.monotonic()
            found: list[str] = []

            def fired() -> bool:
                found.append(look(server)["verdict"])
                return found[-1] == "fail"

            wait_until(fired, 30, "the trigger fires")
            took = time.monotonic() - broke
            # The rate needs a scrape or two to rise over the threshold; after that nothing but the duration counts.
            assert HOLD - 0.5 < took < HOLD + 3.5
            assert set(found[:-1]) == {"pass"}
            server.stop()
            assert look(server)["error"] == "refused"
            server.start()
            wait_until(lambda: look(server)["verdict"] == "fail", 30, "the trigger fires again after a restart")
