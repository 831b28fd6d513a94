# SPDX-License-Identifier: GPL-3.0-or-later
"""A local HTTP server that answers as an API server, from a table: what no well-behaved server can be made to do."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes

Json = dict[str, Any]
Answer = tuple[int, Json | Iterable[Json]]
Handler = Callable[[str, str, dict[str, str], Any], Answer]


def status(code: int, reason: str, message: str = "") -> Answer:
    """An error as the API server words it."""
    return code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}


class TableServer:
    """Calls ``handler(method, path, query, body)`` for each request and sends what it returns; keeps all requests."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.headers: list[Message] = []
        outer = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: two would wait for each other

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.requests.append((self.command, parts.path, query, body))
                outer.headers.append(self.headers)
                code, answer = handler(self.command, parts.path, query, body)
                self.send_response(code)
                if isinstance(answer, dict):
                    payload = json.dumps(answer).encode()
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                    return
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for event in answer:
                    self._chunk(json.dumps(event).encode() + b"\n")
                self._chunk(b"")

            def _chunk(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            do_GET = do_POST = do_PATCH = do_DELETE = _serve

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def client(self) -> Any:
        """A ``kubernetes.client.ApiClient`` for this server."""
        return kubernetes.client.ApiClient(kubernetes.client.Configuration(host=self.url))

    def __enter__(self) -> TableServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Replay:
    """Answers lists and watches with what a real cluster told, ``speed`` times as fast."""

    KINDS = {"deployments": "Deployment", "replicasets": "ReplicaSet", "pods": "Pod"}  # noqa: RUF012

    def __init__(self, events: list[Json], begin: float, end: float, speed: float) -> None:
        """Replay the seconds from ``begin`` to ``end``; what happened before is in the lists."""
        self._events, self._begin, self._end, self._speed = events, begin, end, speed
        self._started = time.monotonic()

    def __call__(self, _method: str, path: str, query: dict[str, str], _body: Any) -> Answer:
        kind = self.KINDS.get(path.rpartition("/")[2], "")
        if query.get("watch"):
            return 200, self._watch(kind, float(query["resourceVersion"]))
        now = self._now()
        items = self._items(kind or "Deployment", now)
        if not kind and path.rpartition("/")[2] != "horizontalpodautoscalers":
            return 200, items[0]
        return 200, {"metadata": {"resourceVersion": str(now)}, "items": items if kind else []}

    def _now(self) -> float:
        return self._begin + (time.monotonic() - self._started) * self._speed

    def _items(self, kind: str, now: float) -> list[Json]:
        items: dict[str, Json] = {}
        for event in self._events:
            thing = event["object"]
            if event["t"] <= now and thing["kind"] == kind:
                items[thing["metadata"]["uid"]] = thing
                if event["type"] == "DELETED":
                    del items[thing["metadata"]["uid"]]
        return list(items.values())

    def _watch(self, kind: str, since: float) -> Iterator[Json]:
        for event in self._events:
            if event["object"]["kind"] == kind and since < event["t"] <= self._end:
                time.sleep(max(0.0, (event["t"] - self._now()) / self._speed))
                yield {"type": event["type"], "object": event["object"]}
        time.sleep(5)
