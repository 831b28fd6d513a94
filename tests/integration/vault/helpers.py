# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the Vault modules as Ansible would, and stands between them and Vault when something has to go wrong."""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, TracebackType
from typing import Any
from urllib.parse import urlsplit

import hvac
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call
from ansible_collections.octalume.rollback.plugins.modules import vault_kv2_rollback, vault_kv2_rollback_info

from tests.returned import seen


@dataclass
class Outcome:
    """A result together with what the module warned of and wanted hidden."""

    result: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)

    def __getitem__(self, key: str) -> Any:
        return self.result[key]


def run(module: ModuleType, params: dict[str, Any], check_mode: bool = False, diff: bool = False) -> Outcome:
    """Validate ``params`` by the module's own spec and run it; RollbackError comes through."""
    given = {name: value for name, value in params.items() if value is not None}
    validated = ArgumentSpecValidator(module.ARGUMENTS["argument_spec"]).validate(given)
    assert not validated.error_messages, validated.error_messages
    warnings: list[str] = []
    call = Call(params=validated.validated_parameters, check_mode=check_mode, diff=diff, warn=warnings.append)
    result = module.run(call)
    seen(module, result)
    return Outcome(result, warnings, call.secrets)


@dataclass
class Engine:
    """A KV version 2 engine of one test's own, and the modules aimed at it."""

    client: hvac.Client
    mount: str
    address: str
    token: str
    ca_cert: str | None = None
    keys: list[str] = field(default_factory=list)

    def connection(self) -> dict[str, Any]:
        """The modules' options to reach this engine."""
        return {"url": self.address, "token": self.token, "ca_cert": self.ca_cert}

    def put(self, path: str, *versions: dict[str, Any]) -> int:
        """Write ``versions`` one after the other; the last one's number."""
        for data in versions:
            answer = self.client.secrets.kv.v2.create_or_update_secret(path, data, mount_point=self.mount)
        number: int = answer["data"]["version"]
        return number

    def get(self, path: str, version: int | None = None) -> Any:
        """The data of a version; None if it cannot be read."""
        try:
            answer = self.client.secrets.kv.v2.read_secret_version(
                path, version, self.mount, raise_on_deleted_version=True
            )
        except hvac.exceptions.InvalidPath:
            return None
        return answer["data"]["data"]

    def metadata(self, path: str) -> dict[str, Any]:
        """The secret's metadata."""
        found: dict[str, Any] = self.client.secrets.kv.v2.read_secret_metadata(path, self.mount)["data"]
        return found

    def secret(self, path: str, version: int, current: int | None = None) -> dict[str, Any]:
        """An entry of the modules' ``secrets`` option."""
        return {"path": path, "engine_mount_point": self.mount, "version": version, "current": current}

    def rollback(self, *secrets: dict[str, Any], check: bool = False, diff: bool = False, **options: Any) -> Outcome:
        """Run vault_kv2_rollback."""
        params = {**self.connection(), **options, "secrets": list(secrets)}
        return run(vault_kv2_rollback, params, check_mode=check, diff=diff)

    def info(self, *secrets: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        """What vault_kv2_rollback_info tells."""
        params = {**self.connection(), **options, "secrets": list(secrets)}
        found: list[dict[str, Any]] = run(vault_kv2_rollback_info, params)["secrets"]
        return found

    def token_for(self, policy: str, **options: Any) -> str:
        """A token with the rights of ``policy`` (HCL; MOUNT stands for this engine)."""
        name = f"policy-{self.mount}"
        self.client.sys.create_or_update_policy(name, policy.replace("MOUNT", self.mount))
        token: str = self.client.auth.token.create(policies=[name], ttl="1h", **options)["auth"]["client_token"]
        return token


Fault = Callable[[], "tuple[int, bytes] | None"]
"""Called instead of (when it answers) or before (when it returns None) passing a request on."""


class Meddler:
    """A proxy in front of Vault that lets a test interfere with chosen requests, and remembers all of them."""

    def __init__(self, address: str, ca_cert: str | None = None) -> None:
        self.upstream = urlsplit(address)
        self.ca_cert = ca_cert
        self.seen: list[str] = []
        self.headers: dict[str, str] = {}
        self.indexed: list[tuple[str, str]] = []  # requests with the X-Vault-Index they carried
        self.faults: list[tuple[re.Pattern[str], int, Fault | str]] = []
        self.lock = threading.Lock()
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                meddler.serve(self)

            def log_message(self, *_arguments: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def on(self, pattern: str, fault: Fault | str, skip: int = 0) -> None:
        """For requests whose ``METHOD path`` matches ``pattern``, after ``skip`` of them: ``fault``.

        The text "lost" passes the request on and drops the answer; "dead" drops the request.
        """
        self.faults.append((re.compile(pattern), skip, fault))

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Pass one request on, or do what a fault says."""
        line = f"{handler.command} {handler.path.removeprefix('/v1/')}"
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self.lock:
            self.seen.append(line)
            self.headers.update(handler.headers.items())
            self.indexed.append((line, handler.headers.get("X-Vault-Index", "")))
            number = len(self.seen)
            due = [
                fault
                for pattern, skip, fault in self.faults
                if pattern.search(line) and sum(bool(pattern.search(old)) for old in self.seen) > skip
            ]
        answer = None
        for fault in due:
            if callable(fault):
                answer = fault() or answer
        if "dead" in due:
            handler.close_connection = True
            return
        status, text, headers = (*answer, "") if answer else self.forward(handler, body)
        headers += f"X-Vault-Index: state-{number}\r\n"  # as Vault Enterprise has it
        if "lost" in due:
            handler.close_connection = True
            return
        handler.wfile.write(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{headers}".encode())
        handler.wfile.write(f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
        handler.close_connection = True

    def forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes, str]:
        """Vault's own answer: status, body and the header that matters."""
        host, port = self.upstream.hostname or "", self.upstream.port
        connection = http.client.HTTPConnection(host, port, timeout=30)
        if self.upstream.scheme == "https":
            trust = ssl.create_default_context(cafile=self.ca_cert)
            connection = http.client.HTTPSConnection(host, port, timeout=30, context=trust)
        headers = {name: value for name, value in handler.headers.items() if name.startswith("X-")}
        connection.request(handler.command, handler.path, body or None, headers)
        response = connection.getresponse()
        after = response.getheader("Retry-After")
        return response.status, response.read(), f"Retry-After: {after}\r\n" if after else ""

    def writes(self) -> list[str]:
        """The requests that could change a secret."""
        return [line for line in self.seen if not line.startswith("GET") and "/self" not in line and "sys/" not in line]

    def __enter__(self) -> Meddler:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()
