# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends recorded requests to the emulator, with the names that things have there."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from typing import Any
from urllib.parse import quote, unquote

import urllib3

from tests.sandbox.kubernetes.server import KubernetesServer

Object = dict[str, Any]
NOBODY = "nobody-token"


class Client:
    """A client of one emulator that remembers which of its things stand for which recorded ones."""

    def __init__(self, server: KubernetesServer) -> None:
        """Talk to ``server`` as any of the recorded users."""
        self.server = server
        self.pool = urllib3.PoolManager(ca_cert_data=server.authority, retries=False, maxsize=8)
        self.tokens: dict[str, str | None] = {"admin": server.token, "nobody": NOBODY, "unknown": "not-a-token"}
        self.names: dict[str, str] = {}

    def translate(self, value: Any, key: str = "") -> Any:
        """A recorded value as the emulator knows it."""
        if isinstance(value, dict):
            return {k: self.translate(inner, k) for k, inner in value.items()}
        if isinstance(value, list):
            return [self.translate(inner, key) for inner in value]
        if isinstance(value, str) and (key in ("name", "uid", "resourceVersion") or value in self.names):
            return self.names.get(value, value)
        return value

    def path(self, recorded: str) -> str:
        """A recorded path, with names and versions translated."""
        place, _, query = recorded.partition("?")
        place = "/".join(self.names.get(part, part) for part in place.split("/"))
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        shown = [f"{k}{eq}{quote(self.names.get(unquote(v), unquote(v)), safe='')}" for k, eq, v in pairs]
        return place + ("?" + "&".join(shown) if shown else "")

    def send(self, asked: Object, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
        """Send one recorded request; the answer is not read yet."""
        headers = {name: asked[name] for name in ("accept", "content-type", "user-agent") if name in asked}
        if token := self.tokens.get(asked["user"]):
            headers["authorization"] = f"Bearer {token}"
        if body is None and asked.get("body") is not None:
            recorded = asked["body"]
            raw = recorded.get("__text__") if isinstance(recorded, dict) else None
            body = raw.encode() if raw is not None else json.dumps(self.translate(recorded)).encode()
            headers.setdefault("content-type", "application/json")
        url = self.server.url + self.path(asked["path"])
        return self.pool.request(asked["method"], url, headers=headers, body=body, preload_content=False, timeout=60)

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """A request of the harness itself, as the administrator."""
        asked = {"method": method, "path": path, "user": "admin", "content-type": kind, "user-agent": "conformance"}
        answer = self.send(asked, None if body is None else json.dumps(body).encode())
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:500]!r}")
        return json.loads(data)


def read(answer: urllib3.BaseHTTPResponse) -> Any:
    """The body of an answer: data, or text as the recordings keep it."""
    data = answer.read()
    try:
        return json.loads(data)
    except ValueError:
        return {"__text__": data.decode(errors="replace")}


class Watcher(threading.Thread):
    """Reads a watch into ``events`` until it ends or is stopped."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        """Read an open watch from now on."""
        super().__init__(daemon=True)
        self.events: list[Object] = []
        self.answer = answer
        self.start()

    def run(self) -> None:
        """Read lines as they come."""
        buffer = b""
        try:
            for chunk in self.answer.stream(65536):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                self.events += [{"at": time.monotonic(), **json.loads(line)} for line in lines if line]
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):  # closed while reading
            pass

    def stop(self) -> None:
        """Leave the watch: its socket is shut down, for closing would wait for the reader."""
        connection = getattr(self.answer, "connection", None)
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(5)
