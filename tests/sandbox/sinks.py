# SPDX-License-Identifier: GPL-3.0-or-later
"""Sinks for notices: an SMTP server and a webhook receiver that keep what they got as files in their directory."""

from __future__ import annotations

import argparse
import asyncio
import email
import email.message
import email.policy
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.sandbox.process import LOOPBACK, Process, answers, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
LOGIN_VARIABLE = "SANDBOX_SMTP_LOGIN"  # "user:password" the SMTP sink asks for; not on the command line


def keep(directory: Path, suffix: str, content: bytes) -> None:
    """Write ``content`` as a new file that a reader sees whole or not at all; names sort by time of arrival."""
    name = f"{time.time_ns()}-{threading.get_ident()}"
    unfinished = directory / f".{name}"
    unfinished.write_bytes(content)
    unfinished.rename(directory / f"{name}{suffix}")


class _Sink:
    """A sink's process, its port and its directory."""

    kind = ""
    scheme = ""
    suffix = ""

    def __init__(self, directory: Path, *, port: int | None = None, options: Sequence[str] = ()) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.url = f"{self.scheme}://{LOOPBACK}:{self.port}"
        self.options = list(options)
        self.environment: dict[str, str] = {}
        self.process: Process | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start the sink and wait until it accepts connections."""
        module = [sys.executable, "-m", "tests.sandbox.sinks"]
        argv = [*module, self.kind, str(self.directory), str(self.port), *self.options]
        self.process = Process(argv, self.directory / f"{self.kind}.log", environment=self.environment, directory=ROOT)
        self.process.wait_ready(lambda: answers(self.port))

    def stop(self) -> None:
        """End the sink; what it got stays in the directory."""
        if self.process:
            self.process.stop()
            self.process = None

    def files(self) -> list[Path]:
        """The files of what was received, in order of arrival."""
        return sorted(self.directory.glob(f"[0-9]*{self.suffix}"))

    def clear(self) -> None:
        """Forget everything received so far."""
        for path in self.files():
            path.unlink()

    def wait_for(self, count: int, timeout: float = 10) -> None:
        """Wait until ``count`` messages are there."""
        wait_until(lambda: len(self.files()) >= count, timeout, f"{count} messages in {self.directory}")


class SmtpSink(_Sink):
    """An SMTP server; each message is a ``.eml`` file whose envelope is in ``X-Envelope-From`` and ``-To``."""

    kind = "smtp"
    scheme = "smtp"
    suffix = ".eml"

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        login: str | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        """``login`` ("user:password") is asked for where given; ``certificate`` (certificate, key) offers STARTTLS."""
        super().__init__(directory, port=port, options=[str(path) for path in certificate or ()])
        if login:
            self.environment[LOGIN_VARIABLE] = login

    def messages(self) -> list[email.message.EmailMessage]:
        """The messages received so far."""
        policy = email.policy.default
        return [email.message_from_bytes(path.read_bytes(), policy=policy) for path in self.files()]


class WebhookSink(_Sink):
    """An HTTP receiver; each request is a ``.json`` file: ``{time, method, path, headers, body}``.

    ``path`` may ask for an answer other than 200: ``/status/503``; ``/hang`` never answers.
    """

    kind = "webhook"
    scheme = "http"
    suffix = ".json"

    def messages(self) -> list[dict[str, Any]]:
        """The requests received so far; ``body`` is decoded where it is JSON, else text."""
        return [json.loads(path.read_text()) for path in self.files()]


class _Keeper:
    """aiosmtpd's handler: keep every message."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep one message with its envelope."""
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        keep(self.directory, ".eml", head.encode() + cast("bytes", envelope.content))
        return "250 OK"


def serve_smtp(directory: Path, port: int, certificate: Sequence[str]) -> None:
    """Receive mail until the process is ended."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    login = os.environ.get(LOGIN_VARIABLE)

    def authenticate(*arguments: Any) -> AuthResult:
        given = arguments[-1]
        right = isinstance(given, LoginPassword) and f"{given.login.decode()}:{given.password.decode()}" == login
        return AuthResult(success=right, handled=False)  # so that aiosmtpd writes the answer

    Controller(
        _Keeper(directory),
        hostname=LOOPBACK,
        port=port,
        tls_context=context,
        require_starttls=bool(context),
        auth_required=bool(login),
        auth_require_tls=bool(context),
        authenticator=authenticate if login else None,
    ).start()
    asyncio.new_event_loop().run_forever()


class _Receiver(BaseHTTPRequestHandler):
    """Keep every request."""

    directory: Path
    protocol_version = "HTTP/1.1"

    def _receive(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw
        entry = {
            "time": time.time(),
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": body,
        }
        keep(self.directory, ".json", json.dumps(entry, indent=1).encode())
        if self.path.startswith("/hang"):
            threading.Event().wait(60)
        status = int(self.path.split("/")[2]) if self.path.startswith("/status/") else 200
        answer = b"ok"
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_GET = do_PATCH = do_DELETE = _receive

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 -- the base class's names
        """One line per request into the log, without its query string."""
        sys.stderr.write(f"{self.command} {self.path.split('?')[0]} {args[1:2]}\n")


def serve_webhook(directory: Path, port: int) -> None:
    """Receive HTTP requests until the process is ended."""
    handler = type("Receiver", (_Receiver,), {"directory": directory})
    ThreadingHTTPServer((LOOPBACK, port), handler).serve_forever()


def main() -> None:
    """Be a sink: ``python -m tests.sandbox.sinks smtp|webhook DIRECTORY PORT [CERTIFICATE KEY]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["smtp", "webhook"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("certificate", nargs="*")
    given = parser.parse_args()
    if given.kind == "smtp":
        serve_smtp(given.directory, given.port, given.certificate)
    else:
        serve_webhook(given.directory, given.port)


if __name__ == "__main__":
    main()
