# SPDX-License-Identifier: GPL-3.0-or-later
"""``pods/log``: what a container wrote, of this run or the one before, to its end or as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from .call import Call
from .cluster import Cluster
from .errors import bad_request
from .kinds import POD
from .meta import in_seconds
from .pod import PodWorker


async def answer(cluster: Cluster, call: Call) -> web.StreamResponse:
    """The log as text."""
    pod = cluster.store.get(POD, call.namespace, call.name)
    worker = cluster.kubelet.worker(pod)
    name = _container(call, pod)
    if worker is None:
        raise bad_request(f'container "{name}" in pod "{call.name}" is waiting to start: ContainerCreating')
    status = worker.status(name)
    attempt = status["restartCount"]
    waiting = status["state"].get("waiting", {}).get("reason")
    if call.query.get("previous") == "true":
        attempt -= 1
        if attempt < 0:
            raise bad_request(f'previous terminated container "{name}" in pod "{call.name}" not found')
    elif name not in worker.runs:
        raise bad_request(f'container "{name}" in pod "{call.name}" is waiting to start: {waiting}')
    elif not worker.log(name, attempt).exists():
        attempt -= 1
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(call.request)
    await _write(response, call, worker, worker.log(name, attempt), name)
    return response


def _container(call: Call, pod: dict) -> str:  # type: ignore[type-arg]
    names = [found["name"] for found in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]]
    asked = call.query.get("container")
    if asked and asked not in names:
        raise bad_request(f"container {asked} is not valid for pod {call.name}")
    mains = [found["name"] for found in pod["spec"]["containers"]]
    if not asked and len(mains) > 1:
        listed = " ".join(mains)
        text = f"a container name must be specified for pod {call.name}, choose one of: [{listed}]"
        raise bad_request(text)
    return asked or str(mains[0])


def _shown(lines: list[bytes], call: Call, since: str) -> Iterator[bytes]:
    stamps = call.query.get("timestamps") == "true"
    for line in lines:
        stamp, _, text = line.partition(b" ")
        if stamp.decode() >= since:
            yield (line if stamps else text) + b"\n"


async def _write(response: web.StreamResponse, call: Call, worker: PodWorker, log: Path, name: str) -> None:
    query = call.query
    since = query.get("sinceTime") or (in_seconds(-float(query["sinceSeconds"])) if "sinceSeconds" in query else "")
    data = log.read_bytes()
    lines = data.splitlines()
    if "tailLines" in query:
        tail = int(query["tailLines"])
        lines = lines[-tail:] if tail else []
    output = b"".join(_shown(lines, call, since))
    await response.write(output[: int(query["limitBytes"])] if "limitBytes" in query else output)
    run = worker.runs.get(name)
    position = len(data)
    while query.get("follow") == "true" and run is not None and query.get("previous") != "true":
        async with run.grew:
            if log.stat().st_size == position and not run.ended:
                await asyncio.wait_for(run.grew.wait(), None)
        with log.open("rb") as source:
            source.seek(position)
            more = source.read()
        position += len(more)
        await response.write(b"".join(_shown(more.splitlines(), call, since)))
        if run.ended and log.stat().st_size == position:
            break
