# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the recordings against fresh emulators: one node for files 01 to 14, a cluster of two for 15 and 16."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.conformance.vault.compare import learn, normal, translate
from tests.conformance.vault.inputs import LEFT_OUT, ORDER, REPEATS, UNRECORDED, UNSEAL_KEYS
from tests.sandbox.vault.server import VaultServer

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "vault"
PATIENCE = 5.0  # seconds for an answer that was polled for


class Node:
    """One emulator, with what is known of it."""

    def __init__(self, server: VaultServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.known = {"root-token": server.root_token} if server.root_token else {}
        self.keys: list[str] = []

    def send(self, request: dict[str, Any], body: bytes | None) -> requests.Response:
        """Send one recorded request."""
        url = self.server.address + request["path"]
        headers = translate(request["headers"], self.known)
        return self.session.request(
            request["method"], url, data=body, headers=headers, timeout=20, allow_redirects=False
        )


def exchanges() -> Iterator[tuple[str, dict[str, Any]]]:
    """All trimmed exchanges with the number of their file, in the order in which they happened."""
    files = {path.name[:2]: json.loads(path.read_text()) for path in sorted(FIXTURES.glob("*.json"))}
    for number, first, last in ORDER:
        for exchange in files[number]:
            if first <= exchange["seq"] <= last:
                yield number, exchange


@dataclass
class Report:
    """How the emulator compares: exchanges compared, what differs, and how many were left out for which reason."""

    compared: int = 0
    mismatches: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def run() -> tuple[int, int, list[str]]:
    """Replay everything: exchanges that match, exchanges compared, and a line per reason for leaving some out."""
    report = replay()
    lines = [f"{count} left out: {reason}" for reason, count in sorted(report.left_out.items())]
    return report.compared - len(report.mismatches), report.compared, [*lines, *report.mismatches]


def replay() -> Report:
    """Replay everything."""
    report = Report()
    with tempfile.TemporaryDirectory() as directory:
        nodes = _start(Path(directory))
        try:
            for number, exchange in exchanges():
                difference = _replay(nodes, number, exchange)
                report.left_out.update({REPEATS: exchange.get("repeats", 1) - 1})
                reason = LEFT_OUT.get((number, exchange["seq"]))
                if reason:
                    report.left_out[reason] += 1
                    continue
                report.compared += 1
                if difference:
                    report.mismatches.append(f"{number}[{exchange['seq']}] {exchange['note']}: {difference}")
        finally:
            for node in nodes.values():
                node.server.stop()
    return report


def _start(directory: Path) -> dict[str, Node]:
    nodes = {
        "single": Node(VaultServer(directory / "single").start()),
        "15": Node(VaultServer(directory / "a", clustered=True).start()),
        "16": Node(VaultServer(directory / "b", clustered=True).start()),
    }
    nodes["16"].known = nodes["15"].known
    nodes["16"].known["http://127.0.0.1:18210"] = nodes["15"].server.address
    return nodes


def _replay(nodes: dict[str, Node], number: str, exchange: dict[str, Any]) -> str:
    """Send one exchange; what differs from the recorded answer, or nothing."""
    node, seq, recorded = nodes.get(number, nodes["single"]), exchange["seq"], exchange["response"]
    for path, data in UNRECORDED.get((number, seq), ()):
        node.session.post(
            f"{node.server.address}/v1/{path}",
            json={"data": data},
            headers={"X-Vault-Token": node.server.root_token},
            timeout=20,
        ).raise_for_status()
    time.sleep(exchange.get("pause", 0))
    body = _body(exchange["request"].get("body"), node, UNSEAL_KEYS.get((number, seq)), nodes["15"].keys)
    deadline = time.monotonic() + PATIENCE
    answer = node.send(exchange["request"], body)
    while exchange.get("awaited") and answer.status_code != recorded["status"] and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = node.send(exchange["request"], body)
    fresh = answer.json() if answer.content else None
    learn(recorded.get("body"), fresh, node.known)
    if isinstance(fresh, dict) and "keys_base64" in fresh:
        node.keys = fresh["keys"]
    headers = {name: answer.headers.get(name) for name in recorded.get("headers", {})}
    return _difference(recorded, answer.status_code, headers, fresh, node.known)


def _body(recorded: Any, node: Node, key: int | None, keys: list[str]) -> bytes | None:
    if recorded is None:
        return None
    if "__text__" in recorded:
        text: str = recorded["__text__"]
        return text.replace("<33 MiB of a>", "a" * (33 << 20)).replace("<1.5 MB of a>", "a" * 1_500_000).encode()
    if key is not None:
        recorded = {"key": keys[key] if key >= 0 else "00" * 33}
    return json.dumps(translate(recorded, node.known)).encode()


def _difference(
    recorded: dict[str, Any], status: int, headers: dict[str, Any], body: Any, known: dict[str, str]
) -> str:
    if status != recorded["status"]:
        return f"status {status}, recorded {recorded['status']}"
    ours, theirs = (json.dumps(normal(document), sort_keys=True) for document in (body, recorded.get("body")))
    if ours != theirs:
        return f"body {ours}, recorded {theirs}"
    expected = {}
    for name, value in recorded.get("headers", {}).items():
        for old, new in known.items():
            value = value.replace(old, new) if old.startswith("http") else value
        expected[name] = value
    return "" if normal(headers) == normal(expected) else f"headers {headers}, recorded {expected}"
