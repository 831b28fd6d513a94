# SPDX-License-Identifier: GPL-3.0-or-later
"""A real local HTTP server that answers from a table, well or badly, and a way to call modules as Ansible does."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call

from tests.returned import seen


@dataclass(frozen=True)
class Reply:
    """One answer. ``behave``: answer, hang (never answer), cut (end the connection), drip (a byte every 0.1 s)."""

    status: int = 200
    body: str | bytes = "{}"
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    behave: str = "answer"


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


Table = Mapping[str, Reply | Sequence[Reply] | Callable[[Asked], Reply]]


class WireServer:
    """Serves ``table``: path (without query) -> a reply, replies one after the other, or a function of the request."""

    def __init__(self, table: Table, certificate: tuple[Path, Path] | None = None, clients: Path | None = None) -> None:
        """Over TLS with ``certificate`` and its key; only for those whom the authority ``clients`` has certified."""
        self.table = table
        self.asked: list[Asked] = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"wire": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> WireServer:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()

    def reply(self, asked: Asked) -> Reply:
        """The reply for ``asked``; the last one of several is repeated."""
        with self.lock:
            path = asked.path.split("?")[0]
            before = sum(other.path.split("?")[0] == path for other in self.asked)
            self.asked.append(asked)
        found = self.table.get(path, Reply(404, "not found"))
        if isinstance(found, Reply):
            return found
        if callable(found):
            return found(asked)
        return found[min(before, len(found) - 1)]

    def count(self, path: str) -> int:
        """How often ``path`` was asked."""
        return sum(asked.path.split("?")[0] == path for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    wire: WireServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        reply = self.wire.reply(Asked(self.command, self.path, dict(self.headers), body))
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        if reply.behave == "hang":
            self.wire.ending.wait(30)
        if reply.behave in ("hang", "cut"):
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if reply.behave == "drip":
            for byte in content:
                if self.wire.ending.wait(0.1):
                    return
                self.wfile.write(bytes([byte]))
            return
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's names
        """Say nothing."""


@dataclass
class Called:
    """A module's result, its warnings, and what it wanted hidden."""

    result: dict[str, Any]
    warnings: list[str]
    secrets: set[str]

    def __getitem__(self, key: str) -> Any:
        return self.result[key]


def call(
    module: ModuleType,
    *,
    check_mode: bool = False,
    diff: bool = False,
    progress: Callable[[str], None] = lambda _text: None,
    **args: Any,
) -> Called:
    """Validate ``args`` by the module's own spec and run it; RollbackError comes through."""
    validated = ArgumentSpecValidator(module.ARGUMENTS["argument_spec"]).validate(args)
    assert not validated.error_messages, validated.error_messages
    warnings: list[str] = []
    given = validated.validated_parameters
    request = Call(given, check_mode=check_mode, diff=diff, warn=warnings.append, progress=progress)
    result = module.run(request)
    seen(module, result)
    return Called(result, warnings, request.secrets | validated._no_log_values)
