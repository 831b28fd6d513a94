# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod on its node: from the first container to the last signal."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import uuid
from pathlib import Path
from typing import Any

from . import container, pod_end, pod_status, probes
from .cluster import Cluster
from .environment import ConfigError, Environment, command
from .errors import ApiError
from .kinds import POD
from .meta import copy, now, seconds_since

Object = dict[str, Any]
_BACK_OFF, _BACK_OFF_LIMIT = 10.0, 300.0  # seconds, before haste
_NEXT_LOOK = 15.0  # seconds, before haste, that a failed pull is shown as such until the kubelet looks again


class PodWorker:
    """Runs one pod and writes its status."""

    def __init__(self, cluster: Cluster, pod: Object, node: str) -> None:
        """Take over ``pod``, which the scheduler gave to ``node``."""
        self.cluster, self.node = cluster, node
        self.place = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.uid: str = pod["metadata"]["uid"]
        self.spec: Object = pod["spec"]
        self.address = ""
        self.sandbox = False
        self.finished = False
        self.stopping = asyncio.Event()
        self.started_at = now()
        inits = self.spec.get("initContainers", [])
        self.inits = {c["name"]: pod_status.first_state(c, initializing=False) for c in inits}
        self.mains = {c["name"]: pod_status.first_state(c, initializing=bool(inits)) for c in self.spec["containers"]}
        self.runs: dict[str, container.Run] = {}
        self.environments: dict[str, dict[str, str]] = {}

    @property
    def pod(self) -> Object | None:
        """The pod as it is stored; None when it is gone (or another of its name is there)."""
        found = self.cluster.store.find(POD, *self.place)
        return found if found and found["metadata"]["uid"] == self.uid else None

    def log(self, name: str, attempt: int) -> Path:
        """Where a container's output of one attempt is."""
        return self.cluster.settings.directory / "pods" / self.uid / name / f"{attempt}.log"

    def specification(self, name: str) -> Object:
        """A container of the spec."""
        every = [*self.spec.get("initContainers", []), *self.spec["containers"]]
        return next(found for found in every if found["name"] == name)

    def status(self, name: str) -> Object:
        """The status of a container."""
        return self.mains[name] if name in self.mains else self.inits[name]

    def write(self) -> None:
        """Write the status if it changed."""
        pod = self.pod
        if pod is None:
            return
        inits, mains = list(self.inits.values()), list(self.mains.values())
        word = pod_status.phase(self.spec, inits, mains, finished=self.finished)
        status: Object = {"observedGeneration": pod["metadata"].get("generation", 1), "phase": word}
        status["conditions"] = pod_status.conditions(pod, word, inits, mains, sandbox=self.sandbox)
        status |= {"hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}]}
        shown = self.address and any(s["state"] != {"waiting": {"reason": "ContainerCreating"}} for s in inits + mains)
        if shown or pod["status"].get("podIP"):
            status |= {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        status["startTime"] = self.started_at
        if inits:
            status["initContainerStatuses"] = inits
        status["containerStatuses"] = mains
        status |= {"qosClass": pod["status"]["qosClass"], "resources": {}}
        if "conditions" in pod["status"]:
            known = {found["type"] for found in status["conditions"]}
            status["conditions"] += [c for c in pod["status"]["conditions"] if c["type"] not in known]
        with contextlib.suppress(ApiError):
            new = {**pod, "status": copy(status)}
            self.cluster.registry.update(POD, new, subresource="status", manager="kubelet")

    def tell(self, reason: str, message: str, name: str = "", *, warning: bool = False) -> None:
        """Record an event about the pod or one of its containers."""
        pod = self.pod
        if pod is None:
            return
        kind = "initContainers" if name in self.inits else "containers"
        field = f"spec.{kind}{{{name}}}" if name else ""
        self.cluster.events.record(pod, reason, message, "kubelet", warning=warning, field=field, host=self.node)

    async def run(self) -> None:
        """Live: start, keep alive, and end when the pod is deleted or done."""
        self.write()
        self.address = self.cluster.take_address()
        tasks: list[asyncio.Task[None]] = []
        try:
            await asyncio.sleep(0.02)
            self.sandbox = True
            self.write()
            life = asyncio.get_running_loop().create_task(self._live(tasks))
            await asyncio.wait({life, asyncio.get_running_loop().create_task(self.stopping.wait())},
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if not self.stopping.is_set():
                self.finished = True
                self.sandbox = False
                self.write()
                await self.stopping.wait()
            await pod_end.end(self, [life, *tasks])
        finally:
            for run in self.runs.values():
                run.send(signal.SIGKILL)
            for task in tasks:
                task.cancel()
            self.cluster.free_address(self.address)

    async def _live(self, tasks: list[asyncio.Task[None]]) -> None:
        for spec in self.spec.get("initContainers", []):
            await self._keep(spec, once=True)
            if self.status(spec["name"])["state"]["terminated"]["exitCode"]:
                return
        for spec in self.spec["containers"]:
            self.mains[spec["name"]]["state"] = {"waiting": {"reason": "ContainerCreating"}}
            tasks.append(asyncio.get_running_loop().create_task(self._keep(spec, once=False)))
        await asyncio.gather(*tasks)

    async def _keep(self, spec: Object, *, once: bool) -> None:
        """Start a container again as long as the restart policy says so; ``once``: until it succeeds (init)."""
        name, status = spec["name"], self.status(spec["name"])
        back_off = 0.0
        while True:
            await self._start(spec)
            run = self.runs[name]
            watchers = self._watch(spec)
            code = await run.wait()
            for task in watchers:
                task.cancel()
            state = self._terminated(run, code, status)
            status.update(state=state, ready=False, started=False)
            if self.stopping.is_set() or not self._restarts(code, once):
                if any("running" in found["state"] for found in self.mains.values()):
                    self.write()  # the last one's end is told together with the pod's
                return
            self.write()
            if seconds_since(run.started_at) > _BACK_OFF_LIMIT * 2:
                back_off = 0.0
            if back_off:
                await self._back_off(name, back_off)
            back_off = min(max(back_off * 2, _BACK_OFF), _BACK_OFF_LIMIT)
            status["lastState"] = state
            status["restartCount"] += 1

    def _restarts(self, code: int, once: bool) -> bool:
        policy = self.spec.get("restartPolicy", "Always")
        if once:
            return code != 0 and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _back_off(self, name: str, seconds: float) -> None:
        wait = seconds / self.cluster.settings.haste
        pod = f"{self.place[1]}_{self.place[0]}({self.uid})"
        text = f"back-off {wait:g}s restarting failed container={name} pod={pod}"
        status = self.status(name)
        status.update(lastState=status["state"], state={"waiting": {"reason": "CrashLoopBackOff", "message": text}})
        self.write()
        self.tell("BackOff", f"Back-off restarting failed container {name} in pod {pod}", name, warning=True)
        await asyncio.sleep(wait)

    @staticmethod
    def _terminated(run: container.Run, code: int, status: Object) -> Object:
        reason = "Completed" if code == 0 else "Error"
        ended: Object = {"exitCode": code, "reason": reason, "startedAt": run.started_at, "finishedAt": run.finished_at}
        return {"terminated": ended | {"containerID": status.get("containerID", "")}}

    async def _start(self, spec: Object) -> None:
        """Pull the image, make the environment, start the process; retried until it works."""
        name, status = spec["name"], self.status(spec["name"])
        while True:
            image = await self._pull(spec)
            pod = self.pod
            if pod is None:
                await asyncio.Event().wait()  # deleted under our feet: the end comes from outside
            try:
                placed = {
                    **(pod or {}),
                    "status": {**(pod or {})["status"], "podIP": self.address, "hostIP": "127.0.0.1"},
                }
                variables = Environment(self.cluster.store, placed).of(spec, image)
                argv = command(spec, image, variables | {"POD_IP": self.address})
                directory = spec.get("workingDir") or image.get("cwd")
                run = await container.run(argv, variables, directory, self.log(name, status["restartCount"]))
                break
            except ConfigError as error:
                reason, text = "CreateContainerConfigError", str(error)
                self.tell("Failed", f"Error: {text}", name, warning=True)
            except OSError as error:
                reason = "RunContainerError"
                text = f"failed to create containerd task: exec: {argv[0]!r}: {error.strerror}: unknown"
                self.tell("Failed", f"Error: {text}", name, warning=True)
            status["state"] = {"waiting": {"reason": reason, "message": text}}
            self.write()
            await asyncio.sleep(_BACK_OFF / self.cluster.settings.haste)
        self.runs[name], self.environments[name] = run, variables
        self._started(spec, status, run)

    def _started(self, spec: Object, status: Object, run: container.Run) -> None:
        name = spec["name"]
        self.tell("Created", "Container created", name)
        self.tell("Started", "Container started", name)
        status.update(image=pod_status.full_image(spec["image"]), imageID=pod_status.image_id(spec["image"]))
        status["containerID"] = f"containerd://{uuid.uuid4().hex}{uuid.uuid4().hex}"
        status["state"] = {"running": {"startedAt": run.started_at}}
        status["started"] = "startupProbe" not in spec
        status["ready"] = status["started"] and "readinessProbe" not in spec
        status["resources"] = copy(spec.get("resources", {}))
        if found := pod_status.mounts(spec):
            status["volumeMounts"] = found
        self.write()

    async def _pull(self, spec: Object) -> Object:
        """The image; while it cannot be had, ErrImagePull and ImagePullBackOff take turns."""
        name, image, status = spec["name"], spec["image"], self.status(spec["name"])
        wait = _BACK_OFF
        for attempt in itertools.count():
            found = self.cluster.image(image)
            text = pod_status.pull_error(image, found, attempt)
            if found and not text:
                break
            self.tell("Pulling", f'Pulling image "{image}"', name)
            self.tell("Failed", f'Failed to pull image "{image}": {text}', name, warning=True)
            status["state"] = {"waiting": {"reason": "ErrImagePull", "message": text}}
            self.write()
            await asyncio.sleep(_NEXT_LOOK / self.cluster.settings.haste)
            hold = f'Back-off pulling image "{image}"'
            self.tell("BackOff", hold, name)
            status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": f"{hold}: ErrImagePull: {text}"}}
            self.write()
            await asyncio.sleep(wait / self.cluster.settings.haste)
            wait = min(wait * 2, _BACK_OFF_LIMIT)
        already = f'Container image "{image}" already present on machine and can be accessed by the pod'
        self.tell("Pulled", already, name)
        return found

    def _watch(self, spec: Object) -> list[asyncio.Task[None]]:
        """Start the container's probes."""
        return [asyncio.get_running_loop().create_task(self._probe_in_order(spec))]

    async def _probe_in_order(self, spec: Object) -> None:
        name, status = spec["name"], self.status(spec["name"])
        passed = asyncio.Event()

        def startup(ok: bool, text: str) -> None:
            if ok:
                status.update(started=True, ready="readinessProbe" not in spec)
                self.write()
                passed.set()
            else:
                self._unhealthy(spec, "Startup", text)

        def readiness(ok: bool, text: str) -> None:
            if not ok:
                self.tell("Unhealthy", f"Readiness probe failed: {text}", name, warning=True)
            if status["ready"] is not ok:
                status["ready"] = ok
                self.write()

        def liveness(ok: bool, text: str) -> None:
            if not ok:
                self._unhealthy(spec, "Liveness", text)

        async with asyncio.TaskGroup() as group:
            if "startupProbe" in spec:
                task = group.create_task(self._repeat(spec, "startupProbe", startup, healthy=False))
                await passed.wait()
                task.cancel()
            if "readinessProbe" in spec:
                group.create_task(self._repeat(spec, "readinessProbe", readiness, healthy=False))
            if "livenessProbe" in spec:
                group.create_task(self._repeat(spec, "livenessProbe", liveness, healthy=True))

    async def _repeat(self, spec: Object, which: str, tell: Any, *, healthy: bool) -> None:
        directory = spec.get("workingDir")

        async def question() -> str | None:
            return await probes.ask(spec[which], spec, self.address, self.environments[spec["name"]], directory)

        await probes.repeat(spec[which], question, tell, healthy=healthy)

    def _unhealthy(self, spec: Object, which: str, text: str) -> None:
        name = spec["name"]
        self.tell("Unhealthy", f"{which} probe failed: {text}", name, warning=True)
        self.tell("Killing", f"Container {name} failed {which.lower()} probe, will be restarted", name)
        self.cluster.spawn(pod_end.stop(self, name, self.spec.get("terminationGracePeriodSeconds", 30)))
