# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left out of the comparison, or compared in part, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Projection = Callable[[Any, Any], tuple[Any, Any]]


def _without(*paths: str) -> Projection:
    """Both bodies less some fields; ``a.b`` is field b of a, ``*`` every item of a list."""

    def strip(value: Any, parts: list[str]) -> None:
        head, rest = parts[0], parts[1:]
        if head == "*":
            for item in value:
                strip(item, rest)
        elif isinstance(value, dict) and head in value:
            if rest:
                strip(value[head], rest)
            else:
                del value[head]

    def project_both(recorded: Any, answered: Any) -> tuple[Any, Any]:
        for body in (recorded, answered):
            for path in paths:
                strip(body, path.split("."))
        return recorded, answered

    return project_both


def _what_is_served(field: str, *names: str) -> Projection:
    """Of two lists, what the emulator serves; each of these must be as recorded."""

    def name(item: Any) -> Any:
        for part in names:
            item = item.get(part, {})
        return item

    def project_both(recorded: Any, answered: Any) -> tuple[Any, Any]:
        served = {name(item) if isinstance(name(item), str) else "": item for item in answered[field]}
        known = {name(item) if isinstance(name(item), str) else "": item for item in recorded[field]}
        return [known.get(key) for key in served], list(served.values())

    return project_both


def _aggregated(recorded: Any, answered: Any) -> tuple[Any, Any]:
    """Of the aggregated discovery, the resources that the emulator serves."""

    def flat(body: Any) -> dict[Any, Any]:
        return {
            (group["metadata"].get("name"), version["version"], resource["resource"]): resource
            for group in body["items"]
            for version in group["versions"]
            for resource in version["resources"]
        }

    known, served = flat(recorded), flat(answered)
    return [known.get(key) for key in served], list(served.values())


def _first_node(recorded: Any, answered: Any) -> tuple[Any, Any]:
    for body in (recorded, answered):
        body["items"] = body["items"][:1]
        for key in ("capacity", "allocatable", "daemonEndpoints", "declaredFeatures", "nodeInfo"):
            body["items"][0]["status"].pop(key, None)
        body["items"][0]["metadata"].pop("annotations", None)
    return recorded, answered


def _rules_of_kubernetes(recorded: Any, answered: Any) -> tuple[Any, Any]:
    foreign = {"verbs": ["get"], "nonResourceURLs": ["/.well-known", "/.well-known/*"]}
    recorded["status"]["nonResourceRules"].remove(foreign)
    for body in (recorded, answered):
        body["status"]["nonResourceRules"].sort(key=str)
    return recorded, answered


def _message_without_status(recorded: Any, answered: Any) -> tuple[Any, Any]:
    """The refusal quotes the whole object: compared but for the status inside."""
    for body in (recorded, answered):
        for holder in (body, *body["details"]["causes"]):
            holder["message"] = re.sub(
                r'"status": \{"(?:available|conditions|observed).*(strict decoding)', r"\1", holder["message"]
            )
    return recorded, answered


def _groups(recorded: Any, answered: Any) -> tuple[Any, Any]:
    served = {group["name"]: [version["version"] for version in group["versions"]] for group in answered["groups"]}
    known = [group for group in recorded["groups"] if group["name"] in served]
    for group in known:
        group["versions"] = [found for found in group["versions"] if found["version"] in served[group["name"]]]
    return sorted(known, key=str), sorted(answered["groups"], key=str)


def _unordered(recorded: Any, answered: Any) -> tuple[Any, Any]:
    for body in (recorded, answered):
        for item in body["items"]:
            del item["status"]
        body["items"].sort(key=str)
    return recorded, answered


LEFT_OUT: dict[str, str] = {
    "01/9": "readyz?verbose names the server's own internal parts",
    "13": "an API server that is killed and comes back with its data: the emulator keeps its data in memory only",
}
BETWEEN: dict[str, Any] = {  # what another client did between two recorded exchanges
    "03/29": {"metadata": {"annotations": {"touch": "1"}}},
    "03/31": {"metadata": {"annotations": {"touch": "2"}}},
}
NEVER_SETTLED = {"01", "05", "06", "07", "12"}  # nothing rolls out in these
SETTLED_BEFORE = {"03/25"}  # the recorder waited for a new version, to hold a stale one
_OVERSIZED = "x" * (3 * 1024 * 1024 + 10)
BODIES: dict[str, bytes] = {  # recorded as a description only
    "06/47": json.dumps({"metadata": {"name": "big"}, "data": {"a": _OVERSIZED}}).encode(),
    "06/48": json.dumps({"metadata": {"name": "big"}, "data": {"a": _OVERSIZED[: 1024 * 1024 + 10]}}).encode(),
    "06/49": json.dumps({"metadata": {"annotations": {"a": _OVERSIZED[:262145]}}}).encode(),
}
_EVENTS = "/api/v1/namespaces/production/events"
PATHS = {  # the recorded cluster had thousands of events, so the limits cut off others here than there
    "07/0": _EVENTS,
    "07/1": f"{_EVENTS}?fieldSelector=involvedObject.kind%3DDeployment%2CinvolvedObject.name%3Dapi-server",
    "07/2": "/apis/events.k8s.io/v1/namespaces/production/events",
    "07/3": f"{_EVENTS}?fieldSelector=type%3DWarning",
}
_NOT_MADE = {"NodeNotReady", "FailedMount"}  # of a node's failure and of volumes, neither of which the scene has


def _event_shape(event: Any) -> Any:
    """An event less its count and the names of the workload it is about."""
    word = json.dumps({key: value for key, value in event.items() if not key.lower().endswith("count")}, sort_keys=True)
    word = re.sub(r"canary\b|\bapi\b", "<container>", re.sub(r"aaa-canary|api-server", "<workload>", word))
    word = re.sub(r"\.[0-9a-f]{16}\b", ".<number>", re.sub(r"from \d to \d", "from n to m", word))
    return json.loads(re.sub(r"shop/<workload>:[0-9.]+", "<image>", word))


def _events(recorded: Any, answered: Any) -> tuple[Any, Any]:
    """Each kind of event that was recorded, and the most similar one that the emulator wrote."""
    wanted = [_event_shape(event) for event in recorded["items"] if event["reason"] not in _NOT_MADE]
    made = [_event_shape(event) for event in answered["items"]]
    found = [
        shape if shape in made else next((other for other in made if other["reason"] == shape["reason"]), None)
        for shape in wanted
    ]
    return wanted, found


_BUILD = _without("gitCommit", "goVersion", "compiler")
_ACKNOWLEDGED = _without("status.observedGeneration", "status.conditions.*.observedGeneration")
_MOTION = "the answer was given while pods came and went, the status is a matter of milliseconds"
_SUBSET = "the recorded server has more resources than the collection uses: those that are served are compared"
PARTIAL: dict[str, tuple[Projection, str]] = {
    "GET /version": (_BUILD, "how the server was built"),
    **{f"11/{number}": (_without("status"), _MOTION) for number in (4, 41, 58)},
    **{f"11/{number}": (_without("items.*.status"), _MOTION) for number in (5, 42, 59)},
    "01/2": (_groups, _SUBSET),
    "01/5": (_what_is_served("resources", "name"), _SUBSET),
    "01/6": (_aggregated, _SUBSET),
    "02/15": (_first_node, "one node's machine: sizes, ports, annotations of its controllers"),
    "02/16": (_without("items.*.metadata.generation"), "the number counts every change since the Service was made"),
    **{f"03/{number}": (_without("status.replicas"), _MOTION) for number in (18, 19, 20, 21, 22, 23, 24)},
    "03/29": (_without("status"), _MOTION),
    "03/30": (_without("status"), _MOTION),
    "03/35": (_message_without_status, "the refusal quotes the object while its pods came and went"),
    "04/5": (_ACKNOWLEDGED, "how soon the kubelet sees the deletion"),
    "04/6": (_ACKNOWLEDGED, "how soon the kubelet sees the deletion"),
    "04/19": (_unordered, "pods have random names, so their order tells nothing; " + _MOTION),
    **dict.fromkeys(PATHS, (_events, "one event of each kind: which came first and how often is chance")),
    "06/21": (
        _rules_of_kubernetes,
        "a rule of the recorded distribution is left out, and the order: it is that of a hash table",
    ),
}


def project(name: str, recorded: Any, answered: Any) -> tuple[Any, Any]:
    """The parts of two plain bodies that are compared."""
    if isinstance(recorded, dict) and "__base64__" in recorded:
        return None, None  # protobuf, of which the recording keeps no byte: only the status counts
    if isinstance(recorded, dict) and "gitVersion" in recorded:
        return _BUILD(recorded, answered)
    if name in PARTIAL:
        return PARTIAL[name][0](recorded, answered)
    return recorded, answered
