# SPDX-License-Identifier: GPL-3.0-or-later
"""``pods/exec``: a command's streams over a WebSocket (channel protocols v4 and v5) or over SPDY."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Protocol

from aiohttp import WSMsgType, web

from . import container, spdy
from .call import Call
from .cluster import Cluster
from .errors import ApiError, bad_request
from .kinds import POD
from .pod import PodWorker

Object = dict[str, Any]
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3}
_CLOSE = 255
_DIRECTIONS = ("stdin", "stdout", "stderr")
_KEPT = 30  # seconds without a word until the other side of a WebSocket is asked whether it is there


class Channels(Protocol):
    """The streams between a client and its command."""

    def input(self) -> AsyncIterator[bytes | None]:
        """What the client types; None is the end of it, the end of the iteration that the client left."""

    async def write(self, name: str, data: bytes) -> None:
        """Send output of ``stdout`` or ``stderr``."""

    async def finish(self, status: Object) -> None:
        """Tell how the command ended, and close."""


class SocketChannels:
    """Channels over a WebSocket: each message begins with its channel's number."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        """Carry over ``socket``."""
        self._socket = socket

    async def input(self) -> AsyncIterator[bytes | None]:
        """Bytes for stdin; its end is known from v5 on."""
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
            data = message.data if isinstance(message.data, bytes) else message.data.encode()
            if data[:1] == bytes([_NUMBERS["stdin"]]):
                yield data[1:]
            elif data[:2] == bytes([_CLOSE, _NUMBERS["stdin"]]):
                yield None

    async def write(self, name: str, data: bytes) -> None:
        """Send output while the client is there."""
        with contextlib.suppress(ConnectionError):
            await self._socket.send_bytes(bytes([_NUMBERS[name]]) + data)

    async def finish(self, status: Object) -> None:
        """Send the Status on the error channel."""
        await self.write("error", json.dumps(status).encode())
        await self._socket.close()


def _place(cluster: Cluster, call: Call) -> tuple[PodWorker, str]:
    """The pod's worker and the container to enter."""
    pod = cluster.store.get(POD, call.namespace, call.name)
    names = [found["name"] for found in pod["spec"]["containers"]]
    name = call.query.get("container") or names[0]
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {call.name}")
    if pod["status"].get("phase") in ("Succeeded", "Failed"):
        raise bad_request(f"cannot exec into a container in a completed pod; current phase is {pod['status']['phase']}")
    worker = cluster.kubelet.worker(pod)
    if worker is None or name not in worker.runs or worker.runs[name].ended:
        raise ApiError(500, "InternalError", f'unable to upgrade connection: container not found ("{name}")')
    return worker, name


async def answer(cluster: Cluster, call: Call) -> web.StreamResponse:
    """Run the command in the container and carry its streams."""
    if call.subresource == "attach":
        raise bad_request("attach is not supported by the sandbox")
    wanted = [name for name in _DIRECTIONS if call.query.get(name) == "true"]
    if not wanted:
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    protocol = call.request.headers.get("Upgrade", "").lower()
    if protocol not in ("websocket", "spdy/3.1"):
        raise bad_request("Upgrade request required")
    worker, name = _place(cluster, call)
    if protocol == "websocket":
        socket = web.WebSocketResponse(protocols=_PROTOCOLS, heartbeat=_KEPT)
        await socket.prepare(call.request)
        await _execute(cluster, call, worker, name, SocketChannels(socket))
        return socket
    async with spdy.upgraded(call.request) as (response, channels):
        if await channels.opened(wanted):
            with contextlib.suppress(ConnectionError):
                await _execute(cluster, call, worker, name, channels)
    return response


async def _execute(cluster: Cluster, call: Call, worker: PodWorker, name: str, channels: Channels) -> None:
    spec = worker.specification(name)
    directory = spec.get("workingDir") or (cluster.image(spec["image"]) or {}).get("cwd")
    pipe = asyncio.subprocess.PIPE
    stdin = pipe if call.query.get("stdin") == "true" else asyncio.subprocess.DEVNULL
    argv = call.request.query.getall("command")
    try:
        process = await container.spawn(
            argv, worker.environments[name], directory, stdin=stdin, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        await channels.finish(_not_started(argv[0], error))
        return
    sender = asyncio.get_running_loop().create_task(_input(channels, process))
    terminal = call.query.get("tty") == "true"
    await asyncio.gather(
        _output(channels, process.stdout, "stdout", call.query.get("stdout") == "true"),
        _output(
            channels, process.stderr, "stdout" if terminal else "stderr", terminal or call.query.get("stderr") == "true"
        ),
    )
    code = await process.wait()
    sender.cancel()
    await channels.finish(_status(code))


async def _input(channels: Channels, process: asyncio.subprocess.Process) -> None:
    """Hand the input on; a client that leaves ends the command."""
    async for data in channels.input():
        if process.stdin is None:
            continue
        with contextlib.suppress(OSError):
            if data is None:
                process.stdin.close()
            else:
                process.stdin.write(data)
                await process.stdin.drain()
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _output(channels: Channels, stream: asyncio.StreamReader | None, name: str, wanted: bool) -> None:
    while stream is not None and (data := await stream.read(32768)):
        if wanted:
            await channels.write(name, data)


def _not_started(program: str, error: OSError) -> Object:
    """What the kubelet makes of a command that containerd could not start: no exit code, but a sentence."""
    why = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
    oci = f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{program}": {why}: unknown'
    told = f"error executing command in container: failed to exec in container: failed to start exec: {oci}"
    failure = {"metadata": {}, "status": "Failure", "message": f"Internal error occurred: {told}"}
    return {**failure, "reason": "InternalError", "details": {"causes": [{"message": told}]}, "code": 500}


def _status(code: int) -> Object:
    """How a command ended, as a Status."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    code = 128 - code if code < 0 else code
    message = f"command terminated with non-zero exit code: exit status {code}"
    causes = [{"reason": "ExitCode", "message": str(code)}]
    failure = {"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode"}
    return {**failure, "details": {"causes": causes}}
