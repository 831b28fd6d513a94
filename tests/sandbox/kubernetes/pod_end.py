# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod ends: hooks, signals, the last states of its containers."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

from . import probes

if TYPE_CHECKING:
    from .pod import PodWorker

Object = dict[str, Any]
_LOST = "The container could not be located when the pod was terminated"


async def stop(worker: PodWorker, name: str, grace: float) -> None:
    """End one run of a container: preStop, SIGTERM, and SIGKILL when the grace is over."""
    run = worker.runs[name]
    loop = asyncio.get_running_loop()
    end = loop.time() + grace
    if hook := worker.specification(name).get("lifecycle", {}).get("preStop"):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_pre_stop(worker, name, hook), grace or 0.01)
    run.send(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(run.process.wait(), max(end - loop.time(), 0.01))
    run.send(signal.SIGKILL)


async def _pre_stop(worker: PodWorker, name: str, hook: Object) -> None:
    if "sleep" in hook:
        await asyncio.sleep(hook["sleep"]["seconds"])
        return
    probe = {**hook, "timeoutSeconds": 3600}
    spec = worker.specification(name)
    failure = await probes.ask(probe, spec, worker.address, worker.environments[name], spec.get("workingDir"))
    if failure:
        worker.tell("FailedPreStopHook", f"PreStopHook failed: {failure}", name, warning=True)


async def end(worker: PodWorker, tasks: list[asyncio.Task[None]]) -> None:
    """Stop everything and let the pod go."""
    for name, status in [*worker.inits.items(), *worker.mains.items()]:
        if name not in worker.runs and "terminated" not in status["state"]:
            status["state"] = {"waiting": {"reason": "ContainerCreating"}}
    worker.write()
    pod = worker.pod
    grace = pod["metadata"].get("deletionGracePeriodSeconds", 0) if pod else 0
    running = [name for name, run in worker.runs.items() if not run.ended]
    for name in running:
        worker.tell("Killing", f"Stopping container {name}", name)
    await asyncio.gather(*(stop(worker, name, grace) for name in running))
    if running:
        await asyncio.wait(tasks, timeout=1.0)  # the keepers write the last states
    for task in tasks:
        task.cancel()
    lost = {
        "exitCode": 137,
        "reason": "ContainerStatusUnknown",
        "message": _LOST,
        "startedAt": None,
        "finishedAt": None,
    }
    worker.sandbox = False
    if any(name not in worker.runs for name in worker.mains):
        worker.write()
    for name, status in worker.mains.items():
        if "terminated" not in status["state"]:
            back = status["lastState"] if name in worker.runs and status["lastState"] else {"terminated": lost}
            status.update(state=back, ready=False, started=False)
    worker.finished = True
    worker.write()
