# SPDX-License-Identifier: GPL-3.0-or-later
"""What a replay needs besides the recordings: writes that were not recorded, scrubbed inputs, order, exceptions."""

from __future__ import annotations

from typing import Any


def _versions(path: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    return [(f"kv/data/{path}", {"cfg": f"config-{number}", "v": str(number)}) for number in range(1, count + 1)]


UNRECORDED: dict[tuple[str, int], list[tuple[str, dict[str, Any]]]] = {
    ("03", 0): _versions("rb/plain", 3),
    ("04", 0): _versions("rb/softdel", 3),
    ("04", 11): _versions("rb/latestdel", 3),
    ("05", 0): _versions("rb/destroyed", 3),
    ("06", 1): _versions("rb/pruned", 4),
    ("06", 13): _versions("rb/pruned10", 11),
    ("10", 0): _versions("production/api-server", 2),
}
"""Writes the recorded answers presuppose, by the exchange they come before."""

UNSEAL_KEYS = {("15", 16): 0, ("15", 18): -1, ("15", 19): 0, ("15", 20): 1, ("16", 1): 0, ("16", 2): 1}
"""Which of node A's unseal keys stood where the recording was scrubbed; -1 a wrong one."""

_SINGLE = [(f"{number:02}", 0, 10**6) for number in range(1, 15)]
ORDER = [*_SINGLE, ("15", 0, 61), ("16", 0, 15), ("15", 62, 154), ("16", 16, 16), ("15", 155, 10**6)]
"""File, first and last exchange: node B joined and was used before A stepped down (by the times in the answers)."""

LEFT_OUT = {
    ("14", 15): "sys/metrics: its body was dropped from the recording, and nobody here asks for it",
    ("16", 16): "how a standby of some seconds names its replication modes: nobody here reads them",
}
"""Exchanges that are replayed but not compared, and why."""

REPEATS = "polls that got the answer of the poll before: replayed and compared once"
