# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the recordings against fresh emulators and counts what matches."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sandbox.kubernetes.server import KubernetesServer

from . import compare, rules, scenes, streams
from .client import NOBODY, Client, Watcher, read

Object = dict[str, Any]
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "kubernetes"
APP = Path(__file__).with_name("app.py")
IMAGES = {
    f"shop/api-server:{version}": {
        "argv": ["python", "-S", "-E", "-u", str(APP)],
        "env": {"VERSION": version, "POD_IP": "$(POD_IP)", "TERM_DELAY_S": "0.6"},
    }
    for version in ("1.4.0", "1.4.1", "1.4.2", "1.4.3")
}
PAUSE = 1.0  # seconds between two recorded requests from which on the recorder is taken to have waited for rest


@dataclass
class Outcome:
    """What became of one exchange: ``problems`` empty means that it matches."""

    name: str
    note: str
    problems: list[str] = field(default_factory=list)


def load(number: str) -> list[Object]:
    """The exchanges of one recording."""
    path = next(FIXTURES.glob(f"{number}_*.json"))
    found: list[Object] = json.loads(path.read_text())
    return found


def replay(number: str, directory: Path) -> list[Outcome]:
    """Prepare a fresh emulator and replay one recording on it."""
    server = KubernetesServer(directory, IMAGES, None, "--user", f"nobody:{NOBODY}", "--haste", "1")
    server.start()
    try:
        client = Client(server)
        scenes.PREPARE[number](client)
        if number in streams.SCENES:
            return list(_watched(client, number))
        return list(_in_order(client, number))
    finally:
        server.stop()


def _in_order(client: Client, number: str) -> Iterator[Outcome]:
    previous = None
    for found in load(number):
        name = f"{number}/{found['seq']}"
        gap = found["t"] - previous if previous is not None else 0.0
        previous = found["t"]
        if name in rules.LEFT_OUT:
            continue
        if name in rules.SETTLED_BEFORE or (gap >= PAUSE and number not in rules.NEVER_SETTLED):
            scenes.settled(client)
        else:
            time.sleep(gap if number not in rules.NEVER_SETTLED else 0)
        if hidden := rules.BETWEEN.get(name):
            scenes.patch(client, hidden)
        yield Outcome(name, found["note"] or "", _exchange(client, found, name))


def _exchange(client: Client, found: Object, name: str) -> list[str]:
    """Send one request and compare; the names learned from the answer serve the requests after it."""
    asked = {**found["request"], "path": rules.PATHS.get(name, found["request"]["path"])}
    answer = client.send(asked, rules.BODIES.get(name))
    recorded = found["response"]
    if answer.status != recorded["status"]:
        return [f"status {answer.status} instead of {recorded['status']}: {read(answer)}"]
    if "stream" in recorded:
        return streams.single(client, found, answer)
    body = read(answer)
    if token := (body.get("status") or {}).get("token") if body.get("kind") == "TokenRequest" else None:
        client.tokens["account"] = token
    client.names |= dict(compare.same_things(recorded["body"], body))
    wanted, given = rules.project(name, compare.plain(recorded["body"]), compare.plain(body))
    problems = list(compare.differences(wanted, given))
    if recorded.get("warning") and recorded["warning"] != answer.headers.get("Warning"):
        problems.append(f"Warning is {answer.headers.get('Warning')} instead of {recorded['warning']}")
    return problems


def _watched(client: Client, number: str) -> Iterator[Outcome]:
    """Open the recorded watches, do what was done, and compare what each watch saw."""
    watchers: list[tuple[Object, Watcher]] = []
    for found in load(number):
        name = f"{number}/{found['seq']}"
        if "stream" in found["response"]:
            watchers.append((found, Watcher(client.send(found["request"]))))
            continue
        if watchers and found["t"] > PAUSE:
            streams.before(client, number, found)
        problems = _exchange(client, found, name)
        yield Outcome(name, found["note"] or "", problems)
    streams.rest(client)
    scenes.patch(client, {"metadata": {"annotations": {"end": "1"}}})  # by which the recorder knew that it was over
    streams.rest(client)
    for found, watcher in watchers:
        watcher.stop()
        problems = streams.compare_watch(found["response"]["stream"], watcher.events)
        yield Outcome(f"{number}/{found['seq']}", found["note"], problems)


def run() -> tuple[int, int, list[str]]:
    """(how many exchanges match, of how many, the lines of the report)."""
    total = sum(len(load(number)) for number in (*scenes.PREPARE, "13"))
    with tempfile.TemporaryDirectory(prefix="conformance-") as root, ThreadPoolExecutor(6) as pool:
        order = sorted(scenes.PREPARE, key=lambda number: number not in ("10", "09", "08", "03", "11"))
        results = pool.map(lambda number: replay(number, Path(root) / number), order)
        outcomes = sorted((outcome for found in results for outcome in found), key=lambda outcome: outcome.name)
    matched = sum(1 for outcome in outcomes if not outcome.problems)
    lines = [
        f"differs: {outcome.name} ({outcome.note}): {problem}"
        for outcome in outcomes
        for problem in outcome.problems[:8]
    ]
    lines += [f"compared in part: {name}: {why}" for name, (_, why) in sorted(rules.PARTIAL.items())]
    lines += [f"left out: {name}: {why}" for name, why in sorted(rules.LEFT_OUT.items())]
    lines.append(f"recorded in all: {total}, left out: {total - len(outcomes)}")
    return matched, len(outcomes), lines


def main() -> int:
    """Print the report; the last line counts."""
    only = sys.argv[1:]
    if only:
        for number in only:
            with tempfile.TemporaryDirectory(prefix="conformance-") as root:
                for outcome in replay(number, Path(root)):
                    print("ok  " if not outcome.problems else "DIFF", outcome.name, outcome.note)
                    for problem in outcome.problems:
                        print("     ", problem)
        return 0
    matched, compared, lines = run()
    print(*lines, sep="\n")
    print(f"conformance: {matched} of {compared} exchanges match")
    return 0 if matched == compared else 1
