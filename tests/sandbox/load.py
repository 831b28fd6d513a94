# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers of the shop: a bounded rate of logins, products and orders, and a report of how they fared.

``python -m tests.sandbox.load URL --rate 20 --seconds 30`` prints the report as JSON; SIGTERM ends it early.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.sandbox.process import NotReady, Process

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "sandbox-customer"  # of every customer the sandbox makes up
CUSTOMERS = 20
UNDER_WAY = 100  # requests at a time; more are counted as dropped instead of sent
SLOW_SECONDS = 5.0
TIMEOUT_SECONDS = 15.0
SKUS = ("CUP-01", "LAM-05", "NOT-09", "PEN-13", "SCA-17", "UMB-21")


def email(number: int) -> str:
    """The address of customer ``number`` (0 to CUSTOMERS - 1)."""
    return f"customer{number:02}@example.test"


@dataclass
class Report:
    """What happened; ``seconds`` holds per second since the start [requests, failures]."""

    statuses: Counter[str] = field(default_factory=Counter)
    failed_paths: Counter[str] = field(default_factory=Counter)
    seconds: dict[int, list[int]] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    dropped: int = 0
    examples: deque[str] = field(default_factory=lambda: deque(maxlen=10))

    def add(self, second: int, path: str, status: str, took: float) -> None:
        """Count one request; ``status`` is the HTTP status or the name of the error."""
        self.statuses[status] += 1
        self.times.append(took)
        failed = not status.isdigit() or int(status) >= 500
        entry = self.seconds.setdefault(second, [0, 0])
        entry[0] += 1
        entry[1] += failed
        if failed:
            self.failed_paths[path] += 1
            self.examples.append(f"second {second}: {path}: {status} after {took:.2f} s")

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data; times are seconds, ``error_ratio`` is 0-1."""
        times = sorted(self.times) or [0.0]
        failed = sum(self.failed_paths.values())
        return {
            "requests": len(self.times),
            "seconds": max(self.seconds, default=0) + 1,
            "failed": failed,
            "error_ratio": failed / len(self.times) if self.times else 0.0,
            "statuses": dict(sorted(self.statuses.items())),
            "failed_paths": dict(self.failed_paths),
            "slow": sum(took > SLOW_SECONDS for took in times),
            "dropped": self.dropped,
            "p50": times[len(times) // 2],
            "p99": times[min(len(times) - 1, int(len(times) * 0.99))],
            "max": times[-1],
            "failures_by_second": {str(second): bad for second, (_, bad) in sorted(self.seconds.items()) if bad},
            "examples": list(self.examples),
        }


class Customers:
    """Sends requests at an even pace whatever the answers are (an open loop), each on a connection of its own."""

    def __init__(self, url: str, rate: float, seed: int = 1) -> None:
        """``rate`` is requests per second; the same ``seed`` gives the same sequence."""
        self.url = url.rstrip("/")
        self.rate = rate
        self.report = Report()
        self._tokens: deque[str] = deque(maxlen=CUSTOMERS)
        self._choose = random.Random(seed)
        self._number = 0

    async def run(self, seconds: float, stop: asyncio.Event) -> None:
        """Send for ``seconds`` (0: until ``stop``), then wait for the answers under way."""
        tasks: set[asyncio.Task[None]] = set()
        started = time.monotonic()
        connector = aiohttp.TCPConnector(force_close=True, limit=UNDER_WAY)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(self.url, connector=connector, timeout=timeout) as session:
            while not stop.is_set() and (not seconds or time.monotonic() < started + seconds):
                if len(tasks) >= UNDER_WAY:
                    self.report.dropped += 1
                else:
                    task = asyncio.create_task(self._one(session, started))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                self._number += 1
                due = started + self._number / self.rate
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(0.0, due - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, started: float) -> None:
        """One request of a random kind; a login first where nobody is logged in yet."""
        kind = self._choose.choices(("login", "products", "order"), (1, 7, 2))[0]
        if not self._tokens:
            kind = "login"
        begun = time.monotonic()
        method, path, body = self._request(kind)
        headers = {"Authorization": f"Bearer {self._choose.choice(self._tokens)}"} if kind != "login" else {}
        try:
            async with session.request(method, path, json=body, headers=headers) as answer:
                data = await answer.read()
                status = str(answer.status)
            if kind == "login" and status == "200":
                self._tokens.append(json.loads(data)["token"])
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            status = type(error).__name__
        self.report.add(int(begun - started), path, status, time.monotonic() - begun)

    def _request(self, kind: str) -> tuple[str, str, Any]:
        if kind == "login":
            return "POST", "/auth/login", {"email": email(self._choose.randrange(CUSTOMERS)), "password": PASSWORD}
        if kind == "products":
            return "GET", "/api/products", None
        return "POST", "/api/orders", {"sku": self._choose.choice(SKUS), "quantity": self._choose.randint(1, 3)}


class Load:
    """Customers in a process of their own: ``with Load(url, directory) as load: ...; load.report`` afterwards."""

    def __init__(self, url: str, directory: Path, rate: float = 20) -> None:
        """The report and the log are written to ``directory``."""
        self.file = directory / f"load-{time.time_ns()}.json"
        words = [url, "--rate", str(rate), "--report", str(self.file)]
        self.argv = [sys.executable, "-m", "tests.sandbox.load", *words]
        self.log = self.file.with_suffix(".log")
        self.process: Process | None = None

    def start(self) -> Load:
        """Begin; returns once requests are being sent."""
        self.process = Process(self.argv, self.log, directory=ROOT)
        self.process.wait_ready(lambda: "sending" in self.log.read_text())
        return self

    def stop(self) -> dict[str, Any]:
        """End, wait for the answers under way, and return the report."""
        if self.process:
            self.process.stop(TIMEOUT_SECONDS + 5)
            self.process = None
        return self.report

    @property
    def report(self) -> dict[str, Any]:
        """The report of a load that has ended (see :meth:`Report.to_dict`)."""
        if not self.file.exists():
            raise NotReady(f"no report of the load; its log is {self.log}")
        report: dict[str, Any] = json.loads(self.file.read_text())
        return report

    def __enter__(self) -> Load:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()


async def _serve(given: argparse.Namespace) -> dict[str, Any]:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    customers = Customers(given.url, given.rate)
    print(f"sending {given.rate:g} requests per second to {given.url}", file=sys.stderr, flush=True)
    await customers.run(given.seconds, stop)
    return customers.report.to_dict()


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a load."""
    parser.add_argument("--rate", type=float, default=20, help="requests per second (default 20)")
    parser.add_argument("--seconds", type=float, default=0, help="how long; 0 (default): until SIGTERM or Ctrl-C")
    parser.add_argument("--report", type=Path, help="write the report here instead of to standard output")


def run(given: argparse.Namespace) -> None:
    """Send requests as ``given`` says and write the report."""
    text = json.dumps(asyncio.run(_serve(given)), indent=1) + "\n"
    if given.report:
        unfinished = given.report.with_suffix(".part")
        unfinished.write_text(text)
        unfinished.replace(given.report)
    else:
        sys.stdout.write(text)


def main() -> None:
    """Be the customers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
