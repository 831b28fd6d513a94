# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium, driven over its DevTools protocol: what a page looks like, and what it complains about."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from tests.sandbox.process import wait_until

Answer = TypeVar("Answer")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
INSTALL = "chromium is missing: apt-get install chromium"


@dataclass(frozen=True)
class Seen:
    """What came of showing a page."""

    found: Any
    complaints: list[str]
    requests: list[str]


class Browser:
    """One Chromium; every page is shown in a tab of its own."""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium")
        assert program, INSTALL
        self.profile = profile
        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        ready = profile / "DevToolsActivePort"
        wait_until(lambda: ready.exists() and ready.read_text().count("\n") == 1, 30, "chromium's port")
        self.port = int(ready.read_text().split()[0])

    def close(self) -> None:
        """End it and everything it started."""
        self._do(self._end())
        self.process.wait(20)
        self.loop.call_soon_threadsafe(self.loop.stop)

    def show(self, page: Path, width: int, script: str, *, dark: bool = False, picture: Path | None = None) -> Seen:
        """Open ``page`` at ``width`` pixels, run ``script`` in it, and keep a picture."""
        return self._do(self._show(page, width, script, dark=dark, picture=picture))

    def _do(self, task: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(task, self.loop).result(60)

    async def _end(self) -> None:
        async with aiohttp.ClientSession() as session:
            version = await (await session.get(f"http://127.0.0.1:{self.port}/json/version")).json()
            async with session.ws_connect(version["webSocketDebuggerUrl"]) as socket:
                await socket.send_json({"id": 1, "method": "Browser.close"})

    async def _show(self, page: Path, width: int, script: str, *, dark: bool, picture: Path | None) -> Seen:
        async with aiohttp.ClientSession() as session:
            tab = await (await session.put(f"http://127.0.0.1:{self.port}/json/new")).json()
            async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                talk = Talk(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await talk.ask(f"{domain}.enable")
                theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
                await talk.ask("Emulation.setEmulatedMedia", features=[theme])
                await talk.ask(
                    "Emulation.setDeviceMetricsOverride",
                    width=width,
                    height=900,
                    deviceScaleFactor=1,
                    mobile=width < 600,
                )
                await talk.ask("Page.navigate", url=page.as_uri())
                await talk.until("Page.loadEventFired")
                answer = await talk.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
                assert "exceptionDetails" not in answer, answer
                if picture:
                    shot = await talk.ask("Page.captureScreenshot", captureBeyondViewport=True)
                    picture.write_bytes(base64.b64decode(shot["data"]))
                await session.get(f"http://127.0.0.1:{self.port}/json/close/{tab['id']}")
                return Seen(answer["result"].get("value"), talk.complaints, talk.requests)


class Talk:
    """Questions and answers over one socket, with everything that was said between them."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.count = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.happened: set[str] = set()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one command."""
        self.count += 1
        await self.socket.send_json({"id": self.count, "method": method, "params": params})
        while True:
            said = await self._hear()
            if said.get("id") == self.count:
                assert "error" not in said, said
                return dict(said["result"])

    async def until(self, event: str) -> None:
        """Wait until something has happened."""
        while event not in self.happened:
            await self._hear()

    async def _hear(self) -> dict[str, Any]:
        said: dict[str, Any] = await self.socket.receive_json(timeout=30)
        event, params = said.get("method", ""), said.get("params", {})
        self.happened.add(event)
        if event in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed"):
            self.complaints.append(f"{event}: {params}")
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return said
