# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares watches: the sequence of distinct states that each object went through."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import urllib3

from . import compare, scenes
from .client import Client, Watcher

Object = dict[str, Any]
LASTING = 0.5  # seconds; a state that is over sooner is the order in which two controllers happened to write
# Which of these words stays while pods start depends on which of two controllers wrote first (both are recorded).
_UNDER_WAY = {"NewReplicaSetCreated": "under way", "ReplicaSetUpdated": "under way"}
SCENES = ("08", "09", "10")


def before(client: Client, number: str, found: Object) -> None:
    """Wait for what the recorder waited for before a change."""
    if number == "10" and "back" in found["note"]:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            conditions = client.call("GET", scenes.DEPLOYMENT)["status"]["conditions"]
            if any(condition["reason"] == "ProgressDeadlineExceeded" for condition in conditions):
                break
            time.sleep(0.1)
        time.sleep(LASTING * 1.5)
    else:
        rest(client)


def rest(client: Client) -> None:
    """Wait until nothing moves, and long enough for that to be a lasting state."""
    scenes.settled(client)
    time.sleep(LASTING * 1.5)


def single(client: Client, found: Object, answer: urllib3.BaseHTTPResponse) -> list[str]:
    """A watch by itself: all its events if the server ended it soon, else what a client saw until it left."""
    recorded = found["response"]["stream"]
    limit = re.search(r"timeoutSeconds=(\d+)", found["request"]["path"])
    if limit is None or int(limit[1]) < 10:
        lines = [json.loads(line) for line in answer.read().splitlines() if line]
        expected, seen = _news(recorded), _news(lines)
        return [] if expected == seen else [f"events are {seen} instead of {expected}"]
    watcher = Watcher(answer)
    rest(client)
    watcher.stop()
    problems = []
    generation = max((event["object"]["metadata"]["generation"] for event in recorded[:1]), default=0)
    recorded = [
        event for event in recorded if event["object"]["metadata"]["generation"] == generation
    ]  # not the next change
    wanted, given = histories(recorded, "t"), histories(watcher.events, "at")
    if len(wanted) != len(given):
        return [f"{len(given)} objects instead of {len(wanted)}"]
    for wanted_history, given_history in zip(wanted, given, strict=True):
        if not given_history.shows(wanted_history):
            problems.append(f"{_lines(given_history)} instead of {_lines(wanted_history)}")
    return problems


def _news(events: list[Object]) -> list[tuple[str, str]]:
    """The events that tell something: type and kind of each, those that repeat an object's state left out."""
    last: dict[str, Any] = {}
    found = []
    for event in events:
        name = event["object"]["metadata"].get("name", "")
        now = state(event)[1:] if name else None
        if not name or event["type"] != "MODIFIED" or last.get(name) != now:
            found.append((event["type"], event["object"]["kind"]))
        last[name] = now
    return found


def state(event: Object) -> tuple[Any, ...]:
    """What an observer can tell from an event."""
    item = event["object"]
    metadata, status = item["metadata"], item.get("status", {})
    if item["kind"] == "Pod":
        containers = [
            (next(iter(found["state"])), next(iter(found["state"].values())).get("reason"), found["ready"])
            for found in status.get("containerStatuses", [])
        ]
        conditions = [(found["type"], found["status"], found.get("reason")) for found in status.get("conditions", [])]
        leaving = (metadata.get("deletionGracePeriodSeconds"), metadata["generation"])
        return (event["type"], status.get("phase"), leaving, tuple(containers), tuple(conditions))
    counts = {key: value for key, value in status.items() if isinstance(value, int) and key != "terminatingReplicas"}
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if k.startswith("deployment.kubernetes.io")}
    conditions = [
        (f["type"], f["status"], _UNDER_WAY.get(f["reason"], f["reason"])) for f in status.get("conditions", [])
    ]
    shown = (metadata["generation"], item["spec"].get("replicas", 0), annotations, counts, sorted(conditions))
    return (event["type"], json.dumps(shown, sort_keys=True))


@dataclass(frozen=True)
class History:
    """An object's distinct states in order; ``lasting`` are those that any observer must see."""

    name: str
    states: list[tuple[Any, ...]]
    lasting: list[tuple[Any, ...]]

    def shows(self, other: History) -> bool:
        """Whether every lasting state of ``other`` comes up here too, in the same order."""
        rest = iter(self.states)
        return all(any(mine == wanted for mine in rest) for wanted in other.lasting)


def histories(events: list[Object], clock: str) -> list[History]:
    """The history of each object of a watch; the first and the last event of an object always count."""
    found: dict[str, list[tuple[float, tuple[Any, ...]]]] = {}
    for event in events:
        states = found.setdefault(event["object"]["metadata"]["name"], [])
        if not states or states[-1][1] != state(event):
            states.append((event[clock], state(event)))
    result = []
    for name, states in found.items():
        ends = [at for at, _ in states[1:]] + [float("inf")]
        lasting = [s for (at, s), end in zip(states, ends, strict=True) if end - at >= LASTING or s[0] != "MODIFIED"]
        result.append(History(compare.text(name), [s for _, s in states], lasting))
    return result


def compare_watch(recorded: list[Object], seen: list[Object]) -> list[str]:
    """For each recorded object there is one that went through the same lasting states, and the other way round."""
    left = histories(seen, "at")
    problems = []
    for wanted in histories(recorded, "t"):
        match = next((h for h in left if h.name == wanted.name and h.shows(wanted) and wanted.shows(h)), None)
        if match is None:
            problems.append(f"{wanted.name} did not go through {_lines(wanted)}\n      but {[_lines(h) for h in left]}")
        else:
            left.remove(match)
    return problems + [f"{extra.name} was not recorded: {_lines(extra)}" for extra in left]


def _lines(history: History) -> str:
    return "".join(f"\n        {'*' if s in history.lasting else ' '} {s}" for s in history.states)
