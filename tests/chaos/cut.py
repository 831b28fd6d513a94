# SPDX-License-Identifier: GPL-3.0-or-later
"""Breaks the wire to one outside system in the middle of a rollback, mends it, and runs the same command again.

What the first run says has to name the system, unless it succeeds all the same; after the second one the world has to
be as after an undisturbed rollback.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.chaos.arena import Arena
from tests.chaos.kills import Finding, Killer
from tests.chaos.wire import HANGS, REFUSED, RESET_MID_ANSWER, SAYS, Proxy, http
from tests.sandbox.process import wait_until

MONITORED = {
    "verification_monitoring": [{"name": "Up", "query": "vector(1)", "expect": "< 2"}],
    "verification_monitoring_attempts": 1,
}
LISTENERS = ("SMTP", "webhook")  # who is told: a rollback does not wait for them


@dataclass(frozen=True)
class Cut:
    """The wire to ``system`` breaks in this ``mode`` when the phase ``after`` is done."""

    system: str
    after: str
    mode: str
    answer: bytes = b""
    variables: dict[str, Any] = field(default_factory=dict)


CUTS = (
    Cut("Kubernetes", "notify", REFUSED),
    Cut("Kubernetes", "backup", RESET_MID_ANSWER),
    Cut("Kubernetes", "database", SAYS, http(503)),
    Cut("PostgreSQL", "quiesce", REFUSED),
    Cut("PostgreSQL", "configuration", HANGS),
    Cut("PostgreSQL", "quiesce again", RESET_MID_ANSWER),
    Cut("Vault", "backup", REFUSED),
    Cut("Vault", "quiesce", HANGS),
    Cut("Vault", "backup", SAYS, http(403, '{"errors": ["permission denied"]}')),
    Cut("S3", "quiesce", REFUSED),
    Cut("S3", "quiesce", SAYS, http(507)),
    Cut("Prometheus", "maintenance off", REFUSED, variables=MONITORED),
    Cut("Prometheus", "maintenance off", HANGS, variables=MONITORED),
    Cut("SMTP", "preview", HANGS),
    Cut("webhook", "preview", SAYS, http(500)),
)


def cuts(killer: Killer) -> Iterator[Callable[[], Finding]]:
    """Every cut once."""
    for cut in CUTS:
        yield partial(rolled_back, killer, cut)


def rolled_back(killer: Killer, cut: Cut) -> Finding:
    """One rollback that is cut off."""
    arena = killer.arena
    arena.forget()
    arena.deploy()
    began = time.monotonic()
    with ExitStack() as stack:
        proxy, endpoints = _diverted(arena, cut.system)
        stack.enter_context(closing(proxy))
        variables = {**cut.variables, "sandbox": endpoints}
        first = arena.start(**variables)
        done = re.compile(rf"phase +{cut.after} +done")
        wait_until(lambda: done.search(first.output) or first.process.poll() is not None, 120, f"{cut.after} done")
        proxy.fail(cut.mode, answer=cut.answer)
        status = first.wait()
        proxy.heal()
        words = first.output[-1500:]
        named = any(name in words for name in (cut.system, f":{proxy.port}"))
        found = [] if status == 0 or named else [f"it said:\n{words}"]
        second = arena.start(**variables)
        if second.wait():
            found.append(f"the second run failed:\n{second.output[-900:]}")
    world = {**arena.world(), "notices": _notices(arena.notices(), cut)}
    wanted = {**killer.undisturbed, "notices": _notices(killer.undisturbed["notices"], cut)}
    if status and (told := arena.notices()) and not {"smtp failed", "webhook failed"} <= set(told):
        found.append(f"people were not told that it failed: {told}")
    found += [f"{name}: {world[name]!r}, undisturbed {wanted[name]!r}" for name in world if world[name] != wanted[name]]
    if found:
        arena.furnish()
    moment = f"{cut.system} {cut.mode} after {cut.after}: {'survived' if status == 0 else 'told'}"
    return Finding((moment,), 0, tuple(found), time.monotonic() - began)


def _notices(counts: dict[str, int], cut: Cut) -> dict[str, int]:
    """Without those of failures, and without those that could not be delivered."""
    unheard = cut.system.lower() if cut.system in LISTENERS else "nobody"
    return {name: count for name, count in counts.items() if "failed" not in name and not name.startswith(unheard)}


def _diverted(arena: Arena, system: str) -> tuple[Proxy, dict[str, Any]]:
    """A proxy in front of ``system``, and what the inventory knows of the sandbox, with the proxy in its place."""
    endpoints: dict[str, Any] = copy.deepcopy(dict(arena.endpoints))
    entry = endpoints[{"PostgreSQL": "postgres"}.get(system, system.lower())]
    if system in ("PostgreSQL", "SMTP"):
        proxy = Proxy(entry["host"], entry["port"])
        entry["port"] = proxy.port
        return proxy, endpoints
    name = "address" if system == "Vault" else "url"
    url = urlsplit(entry[name])
    certificate = arena.directory / "kubernetes/server.pem" if system == "Kubernetes" else None
    proxy = Proxy(url.hostname or "", url.port or 0, certificate)
    entry[name] = f"{url.scheme}://127.0.0.1:{proxy.port}"
    if system == "Kubernetes":
        config = yaml.safe_load(Path(entry["kubeconfig"]).read_text())
        config["clusters"][0]["cluster"]["server"] = entry[name]
        entry["kubeconfig"] = str(arena.scratch / "diverted")
        Path(entry["kubeconfig"]).write_text(yaml.safe_dump(config))
    return proxy, endpoints
