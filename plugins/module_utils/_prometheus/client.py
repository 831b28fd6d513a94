# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks Prometheus (or Thanos, Mimir, VictoriaMetrics): the only I/O of the package, every call within a deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from .._http.client import Answer, Fault, Http, HttpFault, Request, shown
from .model import Reply, Series, Window

NOT_NOW = (429, 502, 503, 504)
PAUSE = 0.5  # seconds before the first repetition; doubled each time
PATIENCE = 16  # requests without an answer, one after the other, until nothing more is asked


class QueryError(Exception):
    """Prometheus could not be asked or could not answer; ``kind`` names the case, ``message`` says what to do."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class _NotNow(QueryError):
    """A failure that may be gone in a moment."""


class Asker(Protocol):
    """Something that evaluates queries."""

    def now(self) -> float:
        """The server's clock, in seconds since the epoch."""

    def ask(self, query: str, window: Window) -> Reply:
        """The values of ``query`` at every evaluation of ``window``; raises :class:`QueryError`."""


class PrometheusClient:
    """The query API of one server."""

    def __init__(self, http: Http, url: str, timeout: float, retries: int = 2) -> None:
        """``timeout`` in seconds per request, ``retries`` of what may pass in a moment."""
        self.http = http
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.retries = retries
        self.method = "POST"
        self.gave_up = False
        self.unanswered = 0

    def now(self) -> float:
        """The server's clock: the window must not depend on how well this machine's clock is set."""
        reply = self._reply("query", {"query": "time()"}, Window(0, 0, 1))
        return reply.series[0].values[0]

    def ask(self, query: str, window: Window) -> Reply:
        """Evaluate ``query`` at every time of ``window`` in one request."""
        if window.count == 1:
            return self._reply("query", {"query": query, "time": f"{window.end:.3f}"}, window)
        times = {"start": f"{window.start:.3f}", "end": f"{window.end:.3f}", "step": f"{window.step:.3f}"}
        return self._reply("query_range", {"query": query, **times}, window)

    def _reply(self, endpoint: str, fields: Mapping[str, str], window: Window) -> Reply:
        # The server is told to stop when nobody waits any more; it may notice late, so the request has its own limit.
        parameters = {**fields, "timeout": f"{self.timeout:.3f}"}
        pause = PAUSE
        for left in range(self.retries, -1, -1):
            try:
                return parse(self._once(endpoint, parameters), window)
            except _NotNow:
                if not left or self.gave_up:
                    # A thousand queries must not each find out for themselves that the server is gone.
                    self.gave_up = True
                    raise
                time.sleep(pause)
                pause *= 2
        raise AssertionError("unreachable")

    def _once(self, endpoint: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        where = f"{self.url}/api/v1/{endpoint}"
        form = urlencode(parameters)
        headers = {"Accept": "application/json"}
        if self.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            request = Request(where, "POST", headers, form.encode(), self.timeout)
        else:
            request = Request(f"{where}?{form}", "GET", headers, None, self.timeout)
        if self.unanswered >= PATIENCE:
            # A thousand queries must not each wait for a server that answers none.
            raise QueryError("timeout", f"Prometheus left the last {PATIENCE} requests unanswered: not asked any more.")
        try:
            answer = self.http.send(request)
            self.unanswered = 0
        except HttpFault as fault:
            self.unanswered += fault.kind is Fault.TIMEOUT
            # A question that took all its time once is not asked again: the answer is needed now.
            kind = _NotNow if fault.kind in (Fault.REFUSED, Fault.BROKEN) else QueryError
            raise kind(fault.kind.value, f"Prometheus could not be asked: {fault.message}.") from None
        if answer.status in (405, 501) and self.method == "POST":
            self.method = "GET"  # a proxy in front lets only GET through
            return self._once(endpoint, parameters)
        return understand(answer, shown(where))


def understand(answer: Answer, where: str) -> dict[str, Any]:
    """The JSON of a successful answer; every other answer is a :class:`QueryError` of a kind of its own."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) and body.get("status") in ("success", "error") else None
    if body and answer.status == 200 and body["status"] == "success":
        return body
    status = answer.status
    if body:
        kind, text = str(body.get("errorType", "")), str(body.get("error", ""))[:300]
        if kind == "timeout" or kind == "canceled":
            raise QueryError("query_timeout", f"The query took too long for the server ({text}); make it cheaper.")
        if kind == "bad_data":
            raise QueryError("bad_query", f"Prometheus does not understand the question: {text}.")
        if kind == "execution":
            raise QueryError("execution", f"Prometheus could not compute the query: {text}.")
    if status in (401, 403):
        lacks = "needs a login" if status == 401 else "does not allow this login to query"
        raise QueryError(
            "denied", f"{where} {lacks} (status {status}); check url_username, bearer_token or the tenant's header."
        )
    if 300 <= status < 400:
        target = shown(answer.headers.get("location", ""))
        raise QueryError("redirect", f"{where} redirects to {target}; a login page? Give the API's own URL.")
    if status == 404:
        raise QueryError("not_found", f"{where} does not exist (status 404); does url need a path such as /prometheus?")
    if status in NOT_NOW:
        raise _NotNow("unavailable", f"{where} is not ready (status {status}); it may be starting. Ask again.")
    if status >= 500:
        raise _NotNow("server_error", f"{where} failed (status {status}); see the log of the server.")
    raise QueryError("not_prometheus", f"{where} answered status {status}, but not as Prometheus does; check url.")


def parse(body: Mapping[str, Any], window: Window) -> Reply:
    """The series in a successful answer, their values put to the evaluations of ``window``."""
    data, said = body.get("data"), body.get("warnings")
    data = data if isinstance(data, dict) else {}
    kind: Any = data.get("resultType")
    result: Any = data.get("result")
    warnings = tuple(str(text) for text in said) if isinstance(said, list) else ()
    try:
        if kind == "scalar":
            return Reply((Series({}, {0: float(result[1])}),), warnings)
        if kind == "vector":
            return Reply(tuple(Series(one["metric"], {0: float(one["value"][1])}) for one in result), warnings)
        if kind == "matrix" and window.count > 1:
            return Reply(tuple(Series(one["metric"], window.indexed(one["values"])) for one in result), warnings)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise QueryError(
            "unusable", "The answer holds no plain numbers; is it a native histogram? Ask for a quantile or a rate."
        ) from None
    if kind == "matrix":
        raise QueryError("unusable", "The query returns a range vector such as metric[5m]; wrap it in rate() or alike.")
    raise QueryError("unusable", f"The query returns a {kind}; a number or an instant vector is needed.")
