# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks health checks until one answers well or too many in a row did not."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .client import OWN_FAULTS, Answer, Http, HttpFault, Request, shown
from .verdict import Verdict

BODY_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Expected:
    """What a healthy answer looks like: one of ``status`` and, where given, ``body`` found in the text."""

    status: tuple[int, ...]
    body: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Attempt:
    """One probe: what came back, after how many seconds."""

    verdict: Verdict
    message: str
    status: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class TargetOutcome:
    """What became of one target, after all its probes."""

    url: str
    verdict: Verdict
    message: str
    attempts: tuple[Attempt, ...]


def judge_answer(expected: Expected, answer: Answer) -> Attempt:
    """Whether ``answer`` is a healthy one."""
    if answer.status not in expected.status:
        wanted = " or ".join(str(status) for status in expected.status)
        message = f"status {answer.status}, wanted {wanted}"
        return Attempt(Verdict.FAIL, message, answer.status, answer.seconds)
    if expected.body and not expected.body.search(answer.text):
        message = f"status {answer.status}, but the body does not match {expected.body.pattern!r}"
        return Attempt(Verdict.FAIL, message, answer.status, answer.seconds)
    message = f"status {answer.status} in {answer.seconds * 1000:.0f} ms"
    return Attempt(Verdict.PASS, message, answer.status, answer.seconds)


def judge_fault(fault: HttpFault) -> Attempt:
    """A service that does not answer failed; a question that never left this machine is an error."""
    verdict = Verdict.ERROR if fault.kind in OWN_FAULTS else Verdict.FAIL
    return Attempt(verdict, fault.reason)


def judge_target(url: str, attempts: Sequence[Attempt], allowed: int) -> TargetOutcome:
    """The verdict on a target: fail takes more than ``allowed`` failures in a row and not one success."""
    last, made = attempts[-1], len(attempts)
    where = shown(url)
    if last.verdict is Verdict.PASS:
        after = f" at attempt {made}" if made > 1 else ""
        return TargetOutcome(where, Verdict.PASS, f"{where}: {last.message}{after}", tuple(attempts))
    failures = sum(attempt.verdict is Verdict.FAIL for attempt in attempts)
    if failures > allowed:
        message = f"{where}: {failures} failures in a row (more than {allowed}), the last one: {last.message}"
        return TargetOutcome(where, Verdict.FAIL, message, tuple(attempts))
    error = next((attempt.message for attempt in attempts if attempt.verdict is Verdict.ERROR), last.message)
    message = f"{where} could not be asked properly in {made} attempts, so nothing is known of its health: {error}"
    return TargetOutcome(where, Verdict.ERROR, message, tuple(attempts))


def probe(
    http: Http, request: Request, expected: Expected, allowed: int, pause: float, sleep: Callable[[float], None]
) -> TargetOutcome:
    """Send ``request`` until it is answered well, at most ``allowed`` + 1 times, ``pause`` seconds apart."""
    attempts: list[Attempt] = []
    while True:
        try:
            attempts.append(judge_answer(expected, http.send(request)))
        except HttpFault as fault:
            attempts.append(judge_fault(fault))
        if attempts[-1].verdict is Verdict.PASS or len(attempts) > allowed:
            return judge_target(request.url, attempts, allowed)
        sleep(pause)


def probe_all(
    http: Http,
    requests: Sequence[Request],
    expected: Expected,
    allowed: int,
    pause: float,
    workers: int,
    sleep: Callable[[float], None] = time.sleep,
) -> list[TargetOutcome]:
    """Probe every target at the same time, ``workers`` at most; outcomes in the order of ``requests``."""
    with ThreadPoolExecutor(max_workers=max(1, min(workers, len(requests)))) as pool:
        return list(pool.map(lambda request: probe(http, request, expected, allowed, pause, sleep), requests))
