# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs smoke tests: side by side where they can be, in order where one feeds another, repeated until a deadline."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from urllib.parse import quote, urlencode

from .client import Http, HttpFault, Request
from .options import SHORTEST
from .smoke_judge import judge, judge_fault, plain, same
from .smoke_model import CommandTest, HttpTest, SmokeOutcome, SmokeTest, SqlTest, TcpTest, Try, filled, order
from .verdict import Verdict

try:
    import psycopg2
except ImportError:  # pragma: no cover - needed by SQL tests alone
    psycopg2 = None  # type: ignore[assignment,unused-ignore]

Finished = tuple[SmokeOutcome, Mapping[str, str]]


class SmokeRunner:
    """Runs tests with one deadline for all, in seconds from the start; a failed test is tried again until then."""

    def __init__(self, http: Http, deadline: float, interval: float, workers: int) -> None:
        self.http = http
        self.deadline = deadline
        self.interval = interval
        self.workers = workers

    def run(self, tests: Sequence[SmokeTest], secrets: Mapping[str, str], found: set[str]) -> list[SmokeOutcome]:
        """Outcomes in the order of ``tests``; extracted values are added to ``found``, for they may be tokens."""
        before = order(tests, secrets)
        end = time.monotonic() + self.deadline
        values, outcomes = dict(secrets), dict[str, SmokeOutcome]()
        waiting, running = list(tests), dict[Future[Finished], str]()
        with ThreadPoolExecutor(max_workers=max(1, min(self.workers, len(tests)))) as pool:
            while waiting or running:
                ready = [test for test in waiting if before[test.name] <= set(outcomes)]
                waiting = [test for test in waiting if test not in ready]
                for test in ready:
                    missed = [name for name in before[test.name] if outcomes[name].verdict is not Verdict.PASS]
                    if missed:
                        outcomes[test.name] = _not_run(test, missed)
                    else:
                        running[pool.submit(self._until_good, test, dict(values), end)] = test.name
                if any(test.name in outcomes for test in ready):
                    continue  # others may have waited for those that were not run
                done, _unused = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome, extracted = future.result()
                    outcomes[running.pop(future)] = outcome
                    values.update(extracted)
                    found.update(value for value in extracted.values() if len(value) >= SHORTEST)
        return [outcomes[test.name] for test in tests]

    def _until_good(self, test: SmokeTest, values: Mapping[str, str], end: float) -> Finished:
        """Try ``test`` until it passes, trying again could do harm, or the time is up."""
        attempts = 0
        while True:
            attempts += 1
            # A deadline shortens the last attempts, but leaves each a second to be answered.
            left = max(1.0, end - time.monotonic()) if self.deadline else test.timeout
            tried = self._once(test, values, min(test.timeout, left))
            again = test.retry == "always" or (test.retry == "safe" and tried.repeatable)
            if tried.verdict is Verdict.PASS or not again or time.monotonic() + self.interval >= end:
                tries = f" ({attempts} attempts)" if attempts > 1 else ""
                message = _without(tried.message, values.values()) + tries
                outcome = SmokeOutcome(test, tried.verdict, message, attempts, tried.status, tried.seconds)
                return outcome, tried.extracted
            time.sleep(self.interval)

    def _once(self, test: SmokeTest, values: Mapping[str, str], timeout: float) -> Try:
        what = test.what
        if isinstance(what, HttpTest):
            try:
                return judge(what, self.http.send(_request(what, values, timeout)), values)
            except HttpFault as fault:
                return judge_fault(what, fault)
        started = time.monotonic()
        if isinstance(what, TcpTest):
            tried = _tcp(what, values, timeout)
        elif isinstance(what, CommandTest):
            tried = _command(what, values, timeout)
        else:
            tried = _sql(what, values, timeout)
        return Try(tried.verdict, tried.message, tried.status, time.monotonic() - started, repeatable=tried.repeatable)


def _not_run(test: SmokeTest, missed: Iterable[str]) -> SmokeOutcome:
    names = ", ".join(sorted(missed))
    return SmokeOutcome(test, Verdict.INCONCLUSIVE, f"not run, because it needs {names}, which did not pass")


def _without(message: str, values: Iterable[str]) -> str:
    """``message`` without any of ``values``, the longest ones first."""
    for value in sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True):
        message = message.replace(value, "***")
    return message


def _request(test: HttpTest, values: Mapping[str, str], timeout: float) -> Request:
    headers = {name: str(value) for name, value in filled(test.headers, values).items()}
    body, kind = filled(test.body, values), None
    if test.body_json is not None:
        body, kind = json.dumps(filled(test.body_json, values)), "application/json"
    elif test.form is not None:
        body, kind = urlencode(filled(test.form, values), doseq=True), "application/x-www-form-urlencoded"
    if kind and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = kind
    encoded = body.encode() if body is not None else None
    url = filled(test.url, {name: quote(value, safe="") for name, value in values.items()})
    return Request(url, test.method, headers, encoded, timeout, follow_redirects=test.follow_redirects)


def _tcp(test: TcpTest, values: Mapping[str, str], timeout: float) -> Try:
    host = filled(test.host, values)
    try:
        with socket.create_connection((host, test.port), timeout=timeout):
            return Try(Verdict.PASS, f"{host}:{test.port} accepts connections")
    except socket.gaierror:
        return Try(Verdict.ERROR, f"{host}: the host name does not resolve on this machine")
    except OSError as error:
        return Try(Verdict.FAIL, f"{host}:{test.port} accepts no connections: {error.strerror or error}")


def _command(test: CommandTest, values: Mapping[str, str], timeout: float) -> Try:
    argv = filled(test.argv, values)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Try(Verdict.FAIL, f"{argv[0]} did not end within {timeout:g} s", repeatable=False)
    except OSError as error:
        return Try(Verdict.ERROR, f"{argv[0]} could not be started: {error.strerror}")
    if done.returncode != test.rc:
        said = " ".join((done.stderr or done.stdout).split())[-160:]
        return Try(Verdict.FAIL, f"{argv[0]} ended with {done.returncode}, wanted {test.rc}: {said}", done.returncode)
    if test.regex and not test.regex.search(done.stdout):
        return Try(Verdict.FAIL, f"the output of {argv[0]} does not match {test.regex.pattern!r}", done.returncode)
    return Try(Verdict.PASS, f"{argv[0]} ended with {test.rc}", done.returncode)


def _sql(test: SqlTest, values: Mapping[str, str], timeout: float) -> Try:
    if psycopg2 is None:
        return Try(Verdict.ERROR, "the Python library psycopg2 is missing; type: python -m pip install psycopg2-binary")
    try:
        connection = psycopg2.connect(**test.connection, connect_timeout=max(1, round(timeout)))
    except psycopg2.Error as error:
        return Try(Verdict.FAIL, f"no connection to the database: {_first_line(error)}")
    try:
        connection.set_session(readonly=True, autocommit=False)
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = %s", (round(timeout * 1000),))
            cursor.execute(test.query)
            rows = cursor.fetchall()
    except psycopg2.Error as error:
        return Try(Verdict.FAIL, f"the query failed: {_first_line(error)}")
    finally:
        connection.close()
    if len(rows) < test.min_rows:
        return Try(Verdict.FAIL, f"{len(rows)} rows, wanted at least {test.min_rows}")
    if test.equals is not None:
        wanted, first = filled(test.equals, values), rows[0][0] if rows else None
        if not same(wanted, first) and plain(wanted) != plain(first):
            return Try(Verdict.FAIL, f"the first value is {plain(first)}, wanted {plain(wanted)}")
    return Try(Verdict.PASS, f"{len(rows)} rows")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
