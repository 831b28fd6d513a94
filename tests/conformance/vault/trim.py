# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.conformance.vault.trim RECORDINGS``: keep of the recordings what a replay sends and compares.

A run of the same exchange (somebody polled) becomes one with ``repeats``; the one after it is marked ``awaited``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "vault"
SENT = ("X-Vault-Token", "X-Vault-Wrap-TTL", "X-Vault-No-Request-Forwarding", "X-Vault-Namespace", "Authorization")
RETURNED = ("Location", "Retry-After", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset")
EXPIRY = 1.0  # seconds; a longer pause in a recording let something expire


def trim(recording: dict[str, Any]) -> list[dict[str, Any]]:
    """The exchanges of one recording, in short."""
    kept: list[dict[str, Any]] = []
    before = 0.0
    for exchange in recording["exchanges"]:
        short = _short(exchange, exchange["t"] - before)
        before = exchange["t"]
        if kept and _same(kept[-1], short):
            kept[-1]["repeats"] = kept[-1].get("repeats", 1) + 1
            continue
        if kept and kept[-1].get("repeats") and kept[-1]["note"] == short["note"]:
            short["awaited"] = True
        kept.append(short)
    return kept


def _short(exchange: dict[str, Any], pause: float) -> dict[str, Any]:
    request, response = exchange["request"], exchange["response"]
    sent = {name: value for name, value in request["headers"].items() if name in SENT}
    returned = {name: value for name, value in response["headers"].items() if name in RETURNED}
    return {
        "seq": exchange["seq"],
        "note": exchange["note"],
        **({"pause": round(pause, 2)} if EXPIRY < pause < 2 * EXPIRY else {}),
        "request": {**request, "headers": sent},
        "response": {
            "status": response["status"],
            **({"headers": returned} if returned else {}),
            **({"body": response["body"]} if "body" in response else {}),
        },
    }


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    one, other = ({**exchange, "response": exchange["response"]["status"]} for exchange in (one, other))
    return all(one[part] == other[part] for part in ("note", "request", "response"))


def main(source: Path) -> None:
    """Write the trimmed copy of every recording in ``source``."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.json")):
        exchanges = trim(json.loads(path.read_text()))
        lines = ",\n".join(json.dumps(exchange, ensure_ascii=False) for exchange in exchanges)
        (FIXTURES / path.name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
