# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the fixtures out of recordings: ``python -m tests.conformance.kubernetes.trim SOURCE DESTINATION``.

Kept of an exchange: what was asked by whom, the status, the Warning header, the body; of a watch the events. Not kept:
managedFields (their times and order are no promise), headers, node inventories, pod specs inside watches (they repeat).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_USERS = {
    "Bearer admin-token": "admin", "Bearer nobody-token": "nobody", "Bearer not-a-token": "unknown",
    "Bearer scrubbed.json.webtoken": "account",
}  # fmt: skip


_SCRUBBED = {"192.0.2.2:16443": "127.0.0.1:6443", "default-scheduler-vm": "default-scheduler"}


def _one_of_each(found: dict[str, Any]) -> dict[str, Any]:
    """A list of events with one of each kind: reason, type and whom it is about."""
    kept = {}
    for event in found["response"]["body"]["items"]:
        about = event.get("involvedObject") or event.get("regarding")
        kept.setdefault((event["reason"], event["type"], about["kind"]), event)
    found["response"]["body"]["items"] = list(kept.values())
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items() if key not in ("managedFields", "nodeInfo", "images")}
    if isinstance(value, list):
        return [_bare(inner) for inner in value]
    return value


def _event(line: dict[str, Any]) -> dict[str, Any]:
    item = _bare(line["line"])
    if item["object"].get("kind") == "Pod":
        item["object"]["spec"] = {key: item["object"]["spec"].get(key) for key in ("nodeName",)}
    elif "spec" in item["object"]:
        image = item["object"]["spec"].get("template", {}).get("spec", {}).get("containers") or []
        item["object"]["spec"].pop("template", None)
        item["object"]["image"] = image[0]["image"] if image else None
    return {"t": round(line["t"], 3), **item}


def _exchange(found: dict[str, Any]) -> dict[str, Any] | None:
    asked, answered = found["request"], found.get("response") or {}
    if answered.get("status") is None:
        return None
    headers = {key.lower(): value for key, value in asked["headers"].items()}
    user = _USERS.get(headers.get("authorization", ""), "anonymous")
    request = {"method": asked["method"], "path": asked["path"], "user": user}
    request |= {key: headers[key] for key in ("accept", "content-type", "user-agent") if key in headers}
    if "body" in asked:
        request["body"] = _bare(asked["body"])
    response: dict[str, Any] = {"status": answered["status"]}
    if warning := answered["headers"].get("Warning"):
        response["warning"] = warning
    if "stream" in answered:
        response["stream"] = [_event(line) for line in answered["stream"]]
    else:
        response["body"] = _bare(answered.get("body"))
    return {
        "seq": found["seq"],
        "t": round(found["t"], 3),
        "note": found.get("note"),
        "request": request,
        "response": response,
    }


def main(source: Path, destination: Path) -> None:
    """Write one trimmed file for each recording."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.json")):
        exchanges = [kept for found in json.loads(path.read_text())["exchanges"] if (kept := _exchange(found))]
        if path.name.startswith("07"):
            exchanges = [_one_of_each(found) for found in exchanges]
        lines = ",\n".join(json.dumps(found, separators=(",", ":")) for found in exchanges)
        for real, neutral in _SCRUBBED.items():
            lines = lines.replace(real, neutral)
        (destination / path.name).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
