# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 checks over many series in one call: queries, wall time, and CPU time of who asks and of who answers.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark.checks [CHECKS]
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import Called, call
from tests.sandbox.prometheus import PrometheusServer, openmetrics

SCRAPE, PAST = 15, 480  # seconds
PODS = 10  # series of each check
ROUNDS = 5
ERRORS = (
    'sum by (pod) (rate(requests_total{{app="a{0}", code="500"}}[1m])) '
    '/ sum by (pod) (rate(requests_total{{app="a{0}"}}[1m]))'
)
LATENCY = 'histogram_quantile(0.99, sum by (le) (rate(seconds_bucket{{app="a{0}"}}[1m])))'
TRAFFIC = 'sum(rate(requests_total{{app="a{0}"}}[1m]))'
TRIGGER = {"fail_if": "> 10%", "for": "5m"}
BUCKETS = {"0.1": 5.0, "1": 8.0, "5": 8.95, "+Inf": 9.0}


def samples(apps: int) -> dict[str, list[tuple[float, float]]]:
    """Counters of every pod of every application: good requests and bad ones, in every tenth application too many."""
    rates = {
        f'requests_total{{app="a{app}",pod="p{pod}",code="{code}"}}': rate
        for app in range(apps)
        for pod in range(PODS)
        for code, rate in ((200, 9.0), (500, 3.0 if app % 10 == 0 else 0.01))
    }
    buckets = {
        f'seconds_bucket{{app="a{app}",le="{bound}"}}': rate for app in range(apps) for bound, rate in BUCKETS.items()
    }
    ticks = range(0, PAST + 1, SCRAPE)
    return {name: [(ago, (PAST - ago) * rate) for ago in ticks] for name, rate in {**rates, **buckets}.items()}


def workloads(count: int) -> dict[str, list[dict[str, Any]]]:
    """What is asked, ``count`` checks each."""
    different = [{"name": f"errors {app}", "query": ERRORS.format(app), **TRIGGER} for app in range(count)]
    alike = [{**different[number % (count // 10)], "name": f"errors {number}"} for number in range(count)]
    now = [{"name": f"errors {app}", "query": ERRORS.format(app), "fail_if": "> 10%"} for app in range(count)]
    slow = [
        {
            "name": f"latency {app}",
            "query": LATENCY.format(app),
            "fail_if": "> 5s",
            "for": "5m",
            "minimum_traffic": {"query": TRAFFIC.format(app), "at_least": 1},
        }
        for app in range(count)
    ]
    return {
        "errors of each pod": different,
        "ten checks of each query": alike,
        "errors of each pod, now": now,
        "latency where there is traffic": slow,
    }


def prometheus_cpu(server: PrometheusServer) -> float:
    """CPU seconds that ``server`` has used."""
    assert server.process
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    """CPU seconds that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(server: PrometheusServer, checks: list[dict[str, Any]], end: float) -> dict[str, Any]:
    """Medians over ROUNDS calls, and what the last one found."""
    walls, own, theirs = [], [], []
    result: Called | None = None
    for _round in range(ROUNDS):
        before = time.monotonic(), own_cpu(), prometheus_cpu(server)
        result = call(prometheus_threshold_info, url=server.url, time=end, checks=checks)
        after = time.monotonic(), own_cpu(), prometheus_cpu(server)
        for found, begun, ended in zip((walls, own, theirs), before, after, strict=True):
            found.append(ended - begun)
    assert result
    return {
        "checks": len(checks),
        "series": sum(entry["series_count"] for entry in result["checks"]),
        "failed": len(result["failed_checks"]),
        "queries": result["queries"],
        "requests": result["requests"],
        "wall_seconds": round(statistics.median(walls), 2),
        "cpu_seconds_asking": round(statistics.median(own), 2),
        "cpu_seconds_answering": round(statistics.median(theirs), 2),
    }


def measured(count: int) -> dict[str, Any]:
    """Every kind of check, over a Prometheus of its own."""
    end = float(int(time.time()))
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".sandbox-benchmark-") as place:
        server = PrometheusServer(Path(place), {})
        server.backfill(openmetrics(samples(count), end=end))
        with server:
            found = {name: measure(server, checks, end) for name, checks in workloads(count).items()}
    for name, figures in found.items():
        print(f"{name:31}", *(f"{key} {value}" for key, value in figures.items()))
    return found


def main() -> None:
    """Fill, measure, print."""
    measured(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)


if __name__ == "__main__":
    main()
