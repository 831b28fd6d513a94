# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares two answers: what stands for the same thing is the same; times and numbers of versions do not count."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_HASHED = re.compile(
    r"\b([a-z][a-z-]*?)-[bcdfghjklmnpqrstvwxz2456789]{8,10}(?:-([bcdfghjklmnpqrstvwxz2456789]{5}))?(?=-$|$|[^a-z0-9-])"
)
_SLICE = re.compile(r"^(api-server|kube-api-access)-[bcdfghjklmnpqrstvwxz2456789]{5}$")
_ADDRESS = re.compile(r"\b(?:10|127)\.\d+\.\d+\.\d+\b")
_DIGEST = re.compile(r"\b(sha256:|containerd://)[0-9a-f]{64}\b")
_NODE = re.compile(r"\bnode-?\d\b")
_AGE = re.compile(r"^(\d+[smhd])+( \(.*ago\))?$|^<unknown>$")
_VERSION_TEXT = re.compile(
    r"(too old resource version: \d+ \()\d+|(current: )\d+|(in (?:the precondition|record) \()\d+"
)
_IGNORED = {
    "managedFields",  # times and order of entries are no promise
    "storageVersionHash",  # of the server's storage encoding
    "serverAddress",  # of the machine
}
_NUMBERED = {"resourceVersion", "continue", "pod-template-hash", "token", "resources-hash"}
_UNSTABLE = {"terminatingReplicas"}  # how long a process takes to leave


def plain(value: Any, key: str = "") -> Any:
    """``value`` with everything that differs from cluster to cluster replaced by a word."""
    if isinstance(value, dict):
        return {k: plain(inner, k) for k, inner in value.items() if k not in _IGNORED and not _artefact(k, inner)}
    if isinstance(value, list):
        return [plain(inner, key) for inner in value if not _foreign_source(inner)]
    if isinstance(value, str):
        return f"<{key}>" if key in _NUMBERED and value else text(value)
    return value


def _artefact(key: str, value: Any) -> bool:
    """What only the recorded node showed: the memory limit that its cgroup reported for a pod without one."""
    return key == "limits" and value == {"memory": "9007199254740988Ki"}


def _foreign_source(value: Any) -> bool:
    """A projected source that the recorded distribution adds to every pod."""
    return isinstance(value, dict) and value.get("configMap", {}).get("name") == "openshift-service-ca.crt"


def _embedded(value: str) -> str:
    """JSON inside a message (the server quotes the object it refuses) in one order of keys."""
    start = value.find('"{')
    if start < 0:
        return value
    try:
        quoted, end = json.JSONDecoder().raw_decode(value, start)
        shown = json.dumps(plain(json.loads(quoted)), sort_keys=True)
    except ValueError:
        return value
    return value[:start] + shown + value[end:]


def text(value: str) -> str:
    """A string with identities, times and addresses replaced; embedded JSON is read and compared as data."""
    value = _embedded(value)
    for pattern, word in (
        (_UUID, "<uid>"),
        (_TIME, "<time>"),
        (_ADDRESS, "<ip>"),
        (_NODE, "<node>"),
        (_DIGEST, r"\1<id>"),
    ):
        value = pattern.sub(word, value)
    value = _HASHED.sub(lambda m: f"{m[1]}-<hash>" + ("-<suffix>" if m[2] else ""), value)
    value = _SLICE.sub(r"\1-<suffix>", value)
    value = _VERSION_TEXT.sub(lambda m: f"{m[1] or m[2] or m[3]}<version>", value)
    return "<age>" if _AGE.match(value) else value


def differences(recorded: Any, answered: Any, path: str = "") -> Iterator[str]:
    """Where two plain values differ."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        for key in sorted({*recorded, *answered}):
            if key in _UNSTABLE and (key in recorded) == (key in answered):
                continue
            if key not in answered:
                yield f"{path}.{key} is missing: {_short(recorded[key])}"
            elif key not in recorded:
                yield f"{path}.{key} should not be there: {_short(answered[key])}"
            else:
                yield from differences(recorded[key], answered[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(answered, list):
        if len(recorded) != len(answered):
            yield f"{path} has {len(answered)} items instead of {len(recorded)}"
            return
        for index, pair in enumerate(zip(recorded, answered, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif recorded != answered:
        if isinstance(recorded, str) and isinstance(answered, str) and len(recorded) > 300:
            recorded, answered = _apart(recorded, answered)
        yield f"{path} is {_short(answered)} instead of {_short(recorded)}"


def _apart(recorded: str, answered: str) -> tuple[str, str]:
    """Two long texts from a little before the first difference on."""
    same = next((i for i, pair in enumerate(zip(recorded, answered, strict=False)) if pair[0] != pair[1]), 0)
    return recorded[max(same - 60, 0) :], answered[max(same - 60, 0) :]


def _short(value: Any) -> str:
    shown = json.dumps(value)
    return shown if len(shown) < 300 else shown[:300] + "..."


def same_things(recorded: Any, answered: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of strings that name the same thing: a recorded pod and its counterpart, a uid, a version."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        for name in recorded.keys() & answered.keys():
            yield from same_things(recorded[name], answered[name], name)
    elif isinstance(recorded, list) and isinstance(answered, list):
        for pair in zip(recorded, answered, strict=False):
            yield from same_things(*pair, key)
    elif isinstance(recorded, str) and isinstance(answered, str) and recorded != answered:
        named = key in ("uid", "resourceVersion", "continue", "pod-template-hash") or (
            key == "name" and text(recorded) == text(answered)
        )
        if named:
            yield recorded, answered
