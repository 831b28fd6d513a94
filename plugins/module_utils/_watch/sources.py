# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a watch looks: Prometheus at every look, health checks all the time in a thread, the cluster now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .._http.client import Connection, Http, HttpClient, Request
from .._http.probe import BODY_LIMIT, Expected, TargetOutcome, probe_all
from .._http.verdict import Verdict
from .._kubernetes.client import Cluster
from .._kubernetes.evaluate import RELEASE, position
from .._kubernetes.identity import images_of
from .._kubernetes.model import Workload
from .._kubernetes.observe import observe
from .._module import RollbackError
from .._prometheus.ask import evaluate
from .._prometheus.client import PrometheusClient
from .._prometheus.model import Check, Outcome
from .._prometheus.quantity import amount, span
from .model import Seen

HOPELESS = ("bad_query", "denied", "redirect", "not_found", "not_prometheus", "unusable", "name", "tls", "proxy")
"""Errors that do not pass: a watch that starts with one of them would never see anything."""
SECRETS = ("url_username", "url_password", "bearer_token", "headers", "client_cert", "client_key")


class Metrics:
    """Triggers that Prometheus answers."""

    def __init__(self, http: Http, url: str, timeout: float, checks: Sequence[Check], workers: int = 8) -> None:
        """``timeout`` in seconds per query; a server that is away is asked again at the next look, not before."""
        self.http, self.url, self.timeout = http, url, timeout
        self.checks, self.workers = checks, workers

    def look(self) -> list[Seen]:
        """Every trigger, judged over its window up to now."""
        client = PrometheusClient(self.http, self.url, self.timeout, retries=0)
        return [seen_of(one) for one in evaluate(client, self.checks, None, 0, self.workers).outcomes]


def seen_of(outcome: Outcome) -> Seen:
    """What a line and a decision need of an outcome."""
    check, decisive = outcome.check, outcome.decisive
    value = amount(decisive.value, check.condition.unit) if decisive and decisive.value is not None else "no data"
    held = decisive.held if decisive else 0.0
    bad = f" (bad for {span(held)} of {span(check.window)})" if 0 < held < check.window else ""
    return Seen(
        name=check.name,
        verdict=outcome.verdict,
        message=outcome.message,
        shown=str(outcome.details.get("error", "")) or value + bad,
        threshold=f"{'expect' if check.expects else 'fail_if'} {check.condition}",
        held=held,
        error=str(outcome.details.get("error", "")),
    )


class Probes:
    """Health checks that a thread asks all the time, so that slow ones delay nothing; a context manager."""

    def __init__(
        self, params: Mapping[str, Any], urls: Sequence[str], allowed: int, pause: float, news: threading.Event
    ) -> None:
        """More than ``allowed`` failures in a row, ``pause`` seconds apart, fire; ``news`` is set when they do."""
        connection = Connection.from_params({name: value for name, value in params.items() if name not in SECRETS})
        self.http = HttpClient(connection, max(1, len(urls)))
        self.requests = [Request(url, "GET", limit=BODY_LIMIT) for url in urls]
        self.allowed, self.pause, self.news = allowed, pause, news
        self.stopped, self.first = threading.Event(), threading.Event()
        self.found: list[Seen] = [Seen(url, Verdict.INCONCLUSIVE, f"{url}: not asked yet", "") for url in urls]
        self.thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def __enter__(self) -> Probes:
        if self.requests:
            self.thread.start()
            self.first.wait(self.pause)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stopped.set()

    def look(self) -> list[Seen]:
        """What was found last."""
        return self.found

    def _run(self) -> None:
        while not self.stopped.is_set():
            expected = Expected((200,), None)
            outcomes = probe_all(
                self.http, self.requests, expected, self.allowed, self.pause, len(self.requests), sleep=self._sleep
            )
            self.found = [_probed(outcome) for outcome in outcomes]
            self.first.set()
            if any(outcome.verdict is Verdict.FAIL for outcome in outcomes):
                self.news.set()
            self._sleep(self.pause)

    def _sleep(self, seconds: float) -> None:
        self.stopped.wait(seconds)


def _probed(outcome: TargetOutcome) -> Seen:
    return Seen(outcome.url, outcome.verdict, outcome.message, "")


class All:
    """Metrics and probes as one."""

    def __init__(self, metrics: Metrics | None, probes: Probes) -> None:
        self.metrics, self.probes = metrics, probes
        self.looked = False

    def look(self) -> list[Seen]:
        """Every trigger; the first look fails where metrics can never be had this way."""
        seen = self.metrics.look() if self.metrics else []
        hopeless = [one for one in seen if one.error in HOPELESS] if not self.looked else []
        if hopeless:
            raise RollbackError(f"nothing would be seen: {'; '.join(f'{one.name}: {one.message}' for one in hopeless)}")
        self.looked = True
        return [*seen, *self.probes.look()]


class Ticking:
    """The machine's clock; waiting ends early when there is news."""

    def __init__(self, news: threading.Event) -> None:
        self.news = news

    def now(self) -> float:
        """Seconds that no change of the wall clock moves."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Until the time is over or news came; news are read with that."""
        if self.news.wait(seconds):
            self.news.clear()


def live(cluster: Cluster, workloads: Sequence[Workload], tell: Callable[[str], None]) -> Callable[[], str]:
    """A question to the cluster: what is live instead of the release, or '' while at least one workload runs it."""

    def ask() -> str:
        try:
            with ThreadPoolExecutor(max_workers=8) as pool:
                observed = list(pool.map(lambda workload: observe(cluster, workload), workloads))
        except RollbackError as error:
            tell(f"the cluster cannot tell whether the release is live, so it is taken to be: {error.message}")
            return ""
        if not observed or any(position(one) == RELEASE for one in observed):
            return ""
        return "; ".join(f"{one.workload} runs {', '.join(images_of(one.template).values())}" for one in observed)

    return ask
