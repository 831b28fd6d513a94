# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares configuration where it is used (a Secret, the environment of running pods) with keyed hashes.

The values are read here and nowhere shown: no result, error or log holds one.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from .._digest import digest
from .._module import RollbackError
from .client import ApiError, Cluster, Json, path_of
from .model import Workload
from .observe import observe

SECRETS = "/api/v1/secrets"
PASS, FAIL, ERROR = "pass", "fail", "error"
EXEC_TIMEOUT = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two looks while waiting, longer every time: an environment cannot be watched, and an operator that
copies secrets follows at once or after half a minute."""


@dataclass(frozen=True)
class Target:
    """Where to look: a Secret, or a container of every pod of a workload."""

    namespace: str
    secret: str | None = None
    kind: str | None = None
    name: str | None = None
    container: str | None = None

    def as_result(self) -> Json:
        """What a module returns about it."""
        if self.secret:
            return {"secret": self.secret, "namespace": self.namespace}
        return {"kind": self.kind, "name": self.name, "namespace": self.namespace, "container": self.container}


@dataclass(frozen=True)
class Comparison:
    """Names of keys whose value is as expected, is another, or is not there; and names nobody expects."""

    matched: tuple[str, ...]
    differing: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every expected key has the expected value."""
        return not self.differing and not self.missing


def compare(values: Mapping[str, str], digests: Mapping[str, str], key: str, prefix: str) -> Comparison:
    """Compare ``values`` with the expected ``digests``; unexpected names with ``prefix`` are told."""
    same = {name for name in digests if name in values and digest(key, values[name]) == digests[name]}
    known = {name for name in digests if name in values}
    return Comparison(
        matched=tuple(sorted(same)),
        differing=tuple(sorted(known - same)),
        missing=tuple(sorted(set(digests) - known)),
        unexpected=tuple(sorted(name for name in values if prefix and name.startswith(prefix) and name not in digests)),
    )


def worst(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for several pods: a key matches if it does in all of them."""
    differing = {name for one in comparisons for name in one.differing}
    missing = {name for one in comparisons for name in one.missing}
    matched = {name for one in comparisons for name in one.matched} - differing - missing
    unexpected = {name for one in comparisons for name in one.unexpected}
    return Comparison(*(tuple(sorted(names)) for names in (matched, differing, missing, unexpected)))


def parse_environment(output: bytes) -> dict[str, str]:
    """Variables out of ``env -0``; of ``env`` too, where a value with line breaks is put together again."""
    separator = b"\0" if b"\0" in output else b"\n"
    variables: dict[str, str] = {}
    last = ""
    for entry in output.decode("utf-8", "surrogateescape").split(separator.decode()):
        name, equals, value = entry.partition("=")
        if equals and name.replace("_", "a").replace(".", "a").isalnum():
            last, variables[name] = name, value
        elif last and separator == b"\n":
            variables[last] += "\n" + entry
    if last and separator == b"\n":
        variables[last] = variables[last].removesuffix("\n")
    return variables


class Checker:
    """Looks at targets again and again until they are as expected, or time is up."""

    def __init__(self, cluster: Cluster, digests: Mapping[str, str], key: str, prefix: str) -> None:
        self._cluster = cluster
        self._judge: Callable[[Mapping[str, str]], Comparison] = lambda values: compare(values, digests, key, prefix)

    def check(self, targets: Sequence[Target], timeout: float) -> Json:
        """``{verdict, targets}``; looks once if ``timeout`` is 0."""
        deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
        while True:
            with ThreadPoolExecutor(max_workers=8) as pool:
                entries = list(pool.map(self._look, targets))
            verdicts = {entry["verdict"] for entry in entries}
            verdict = next((one for one in (ERROR, FAIL) if one in verdicts), PASS)
            left = deadline - time.monotonic()
            if verdict == PASS or left <= 0:
                return {"verdict": verdict, "targets": entries}
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _look(self, target: Target) -> Json:
        try:
            found = [self._judge(self._secret(target))] if target.secret else self._pods(target)
        except RollbackError as error:
            return {**target.as_result(), "verdict": ERROR, "pods": 0, **_names(worst([])), "error": error.message}
        total = worst(found)
        verdict = PASS if found and total.same else FAIL
        why = None if found else "it has no running pod to look into"
        return {
            **target.as_result(),
            "verdict": verdict if found else ERROR,
            "pods": 0 if target.secret else len(found),
            **_names(total),
            "error": why,
        }

    def _secret(self, target: Target) -> dict[str, str]:
        secret = self._cluster.get(path_of(SECRETS, target.namespace, target.secret))
        try:
            return {
                name: base64.b64decode(value).decode("utf-8", "surrogateescape")
                for name, value in (secret.get("data") or {}).items()
            }
        except (binascii.Error, ValueError):
            raise RollbackError(f"Secret {target.namespace}/{target.secret} holds data that is not base64") from None

    def _pods(self, target: Target) -> list[Comparison]:
        observed = observe(self._cluster, Workload(str(target.kind), str(target.name), target.namespace, ()))
        pods = [pod for pod in observed.pods if not pod.deleted]
        if not all(pod.phase == "Running" for pod in pods):
            waiting = ", ".join(f"{pod.name} ({pod.phase})" for pod in pods if pod.phase != "Running")
            raise RollbackError(f"{observed.workload}: not running yet: {waiting}")
        container = target.container or observed.template["spec"]["containers"][0]["name"]
        if not pods:
            return []
        with ThreadPoolExecutor(max_workers=8) as pool:
            read = partial(environment, self._cluster, target.namespace, container=container)
            return list(pool.map(lambda pod: self._judge(read(pod.name)), pods))


def environment(cluster: Cluster, namespace: str, pod: str, container: str) -> dict[str, str]:
    """What a new process in the container sees: the environment its container was started with."""
    try:
        return parse_environment(cluster.execute(namespace, pod, container, ["env", "-0"], EXEC_TIMEOUT))
    except ApiError as error:
        if error.status:
            raise
    return parse_environment(cluster.execute(namespace, pod, container, ["env"], EXEC_TIMEOUT))


def _names(comparison: Comparison) -> Json:
    return {
        "matched": list(comparison.matched),
        "differing": list(comparison.differing),
        "missing": list(comparison.missing),
        "unexpected": list(comparison.unexpected),
    }
