# SPDX-License-Identifier: GPL-3.0-or-later
"""``pods/exec`` over a WebSocket: the channel protocols v4 and v5 of the clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from . import container
from .call import Call
from .cluster import Cluster
from .errors import ApiError, bad_request, success
from .kinds import POD
from .pod import PodWorker

Object = dict[str, Any]
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255


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
    if "websocket" not in call.request.headers.get("Upgrade", "").lower():
        raise ApiError(400, "BadRequest", "you must specify at least 1 of stdin, stdout, stderr" if not any(
            call.query.get(name) == "true" for name in ("stdin", "stdout", "stderr")
        ) else "Upgrade request required")  # fmt: skip
    worker, name = _place(cluster, call)
    socket = web.WebSocketResponse(protocols=_PROTOCOLS, heartbeat=30)
    await socket.prepare(call.request)
    spec = worker.specification(name)
    image = cluster.image(spec["image"]) or {}
    pipe = asyncio.subprocess.PIPE
    try:
        process = await container.spawn(
            call.request.query.getall("command"), worker.environments[name], spec.get("workingDir") or image.get("cwd"),
            stdin=pipe if call.query.get("stdin") == "true" else asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe,
        )  # fmt: skip
    except OSError as error:
        text = f'exec: "{call.query.get("command")}": {error.strerror}'
        await _finish(socket, 126, text)
        return socket
    await _carry(call, socket, process)
    return socket


async def _carry(call: Call, socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> None:
    sender = asyncio.get_running_loop().create_task(_input(socket, process))
    terminal = call.query.get("tty") == "true"
    await asyncio.gather(
        _output(socket, process.stdout, _STDOUT, call.query.get("stdout") == "true"),
        _output(
            socket, process.stderr, _STDOUT if terminal else _STDERR, terminal or call.query.get("stderr") == "true"
        ),
    )
    code = await process.wait()
    sender.cancel()
    await _finish(socket, code)


async def _input(socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> None:
    """What the client sends: bytes for stdin, or (v5) the end of it; a client that leaves ends the command."""
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            break
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        if not data or process.stdin is None:
            continue
        with contextlib.suppress(OSError):
            if data[0] == _STDIN:
                process.stdin.write(data[1:])
                await process.stdin.drain()
            elif data[0] == _CLOSE and data[1:2] == bytes([_STDIN]):
                process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.kill()


async def _output(
    socket: web.WebSocketResponse, stream: asyncio.StreamReader | None, channel: int, wanted: bool
) -> None:
    while stream is not None and (data := await stream.read(32768)):
        if wanted and not socket.closed:
            await socket.send_bytes(bytes([channel]) + data)


async def _finish(socket: web.WebSocketResponse, code: int, text: str = "") -> None:
    """Tell how the command ended, and close."""
    status: Object = success()
    if code:
        code = 128 - code if code < 0 else code
        causes = [{"reason": "ExitCode", "message": str(code)}]
        message = f"command terminated with non-zero exit code: {text or f'exit status {code}'}"
        status = {"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode"}
        status["details"] = {"causes": causes}
    else:
        status = {"metadata": {}, "status": "Success"}
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([_ERROR]) + json.dumps(status).encode())
        await socket.close()
