# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: one question to a container, and the counting of answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from . import container

Object = dict[str, Any]


def port_of(value: Any, spec: Object) -> int:
    """A probe's port: a number or the name of a container port."""
    if isinstance(value, int) or str(value).isdigit():
        return int(value)
    return next((int(port["containerPort"]) for port in spec.get("ports", []) if port.get("name") == value), 0)


async def _http(action: Object, address: str, port: int, timeout: float) -> str | None:
    scheme = action.get("scheme", "HTTP").lower()
    path = action.get("path", "/")
    host = action.get("host") or address
    url = f"{scheme}://{host}:{port}{path if path.startswith('/') else '/' + path}"
    headers = {"User-Agent": "kube-probe/1.36", "Accept": "*/*"}
    headers |= {header["name"]: header["value"] for header in action.get("httpHeaders", [])}
    try:
        limit = aiohttp.ClientTimeout(total=timeout)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer,
        ):
            await answer.read()
            return None if 200 <= answer.status < 400 else f"HTTP probe failed with statuscode: {answer.status}"
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except aiohttp.ClientConnectorError:
        return f'Get "{url}": dial tcp {host}:{port}: connect: connection refused'
    except (aiohttp.ClientError, OSError):
        return f'Get "{url}": EOF'


async def _tcp(address: str, port: int, timeout: float) -> str | None:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), timeout)
    except TimeoutError:
        return f"dial tcp {address}:{port}: i/o timeout"
    except OSError:
        return f"dial tcp {address}:{port}: connect: connection refused"
    writer.close()
    return None


async def execute(argv: list[str], environment: Mapping[str, str], directory: str | None, timeout: float) -> str | None:
    """Run a command in the container; None when it ends with 0, else what it said."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await container.spawn(
            argv,
            environment,
            directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        return f"exec: {argv[0]!r}: {error.strerror}"
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return f"command timed out: {' '.join(argv)!r} timed out after {timeout:g}s"
    return None if process.returncode == 0 else output.decode(errors="replace").strip() or f"exit {process.returncode}"


async def ask(
    probe: Object, spec: Object, address: str, environment: Mapping[str, str], directory: str | None
) -> str | None:
    """One probe; None for a success, else the failure in the kubelet's words."""
    timeout = float(probe.get("timeoutSeconds", 1))
    if "httpGet" in probe:
        return await _http(probe["httpGet"], address, port_of(probe["httpGet"]["port"], spec), timeout)
    if "tcpSocket" in probe:
        return await _tcp(probe["tcpSocket"].get("host") or address, port_of(probe["tcpSocket"]["port"], spec), timeout)
    if "exec" in probe:
        return await execute(probe["exec"]["command"], environment, directory, timeout)
    return "unsupported probe"


async def repeat(
    probe: Object, question: Callable[[], Awaitable[str | None]], tell: Callable[[bool, str], None], *, healthy: bool
) -> None:
    """Ask again and again; ``tell(ok, text)`` hears each change of mind (by the thresholds) and each failure."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    streak = 0
    last: bool | None = None
    while True:
        failure = await question()
        ok = failure is None
        streak = streak + 1 if ok is last else 1
        last = ok
        threshold = probe["successThreshold"] if ok else probe["failureThreshold"]
        if streak >= threshold and ok is not healthy:
            healthy = ok
            tell(ok, failure or "")
        elif streak >= threshold and not ok and streak % threshold == 0:
            tell(False, failure or "")
        await asyncio.sleep(probe["periodSeconds"])
