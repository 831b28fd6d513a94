# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for the shop: threads, metrics, and an end that loses no request."""

from __future__ import annotations

import json
import queue
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg2
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from .app import HttpError, Request, Shop

BODY_LIMIT = 64 * 1024  # bytes
STOP_SECONDS = 25.0  # how long an ending process waits for requests under way
REQUESTS = Counter("http_requests_total", "Requests answered.", ["code", "handler", "method", "version"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request.",
    ["handler", "method", "version"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10),
)
CPU_LIMIT = Gauge("process_cpu_limit_cores", "CPU cores this process may use.")
MEMORY_LIMIT = Gauge("process_memory_limit_bytes", "Memory this process may use.")


class Server(ThreadingHTTPServer):
    """Listens for the shop and knows how many requests are under way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], shop: Shop) -> None:
        """Listen on ``address`` (host, port)."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.shop = shop
        self.under_way = 0
        self.changed = threading.Condition()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without the name lookup of the base class."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def stop_on_signal(self) -> None:
        """On SIGTERM or SIGINT: unready at once, closed after the drain time."""

        def stop(_number: int, _frame: object) -> None:
            if not self.shop.draining:
                self.shop.draining = True
                threading.Thread(target=self._drain).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def _drain(self) -> None:
        """Take new connections until everybody knows, then end the accept loop."""
        time.sleep(self.shop.settings.drain_seconds)
        self.shutdown()

    def finish(self) -> None:
        """Wait until the requests under way are answered."""
        self.server_close()
        with self.changed:
            self.changed.wait_for(lambda: self.under_way == 0, timeout=STOP_SECONDS)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    timeout = 30

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    do_POST = do_PUT = do_DELETE = do_GET

    def version_string(self) -> str:
        """The Server header."""
        return f"shop/{self.server.shop.release.version}"

    def log_message(self, *_words: Any) -> None:
        """Keep quiet: errors are logged where they happen."""

    def _answer(self) -> None:
        server = self.server
        with server.changed:
            server.under_way += 1
        try:
            self._respond()
            self.wfile.flush()
        finally:
            with server.changed:
                server.under_way -= 1
                server.changed.notify_all()

    def _respond(self) -> None:
        shop = self.server.shop
        path = self.path.partition("?")[0]
        if path == "/metrics" and self.command == "GET":
            self._send(200, CONTENT_TYPE_LATEST, generate_latest())
            return
        started = time.monotonic()
        status, body = self._outcome(path)
        if (self.command, path) not in shop.probes:
            labels = (path if (self.command, path) in shop.pages else "other", self.command, shop.release.version)
            REQUESTS.labels(str(status), *labels).inc()
            DURATION.labels(*labels).observe(time.monotonic() - started)
        self._send(status, "application/json", json.dumps(body).encode() + b"\n")

    def _outcome(self, path: str) -> tuple[int, dict[str, Any]]:
        """Ask the shop; an error becomes its status, and the log says why."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            self.close_connection = True
            return 413, {"error": f"bodies have a length of at most {BODY_LIMIT} bytes"}
        body = self.rfile.read(int(length))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        try:
            return self.server.shop.answer(Request(self.command, path, token, body))
        except HttpError as error:
            return error.status, {"error": str(error)}
        except queue.Empty:
            log(f"503 {self.command} {path}: no free database connection")
            return 503, {"error": "busy"}
        except (psycopg2.Error, RuntimeError) as error:
            first_line = str(error).partition("\n")[0]
            log(f"500 {self.command} {path}: {type(error).__name__}: {first_line}")
            return 500, {"error": "internal error"}

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.server.shop.draining:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def log(text: str) -> None:
    """One line for the pod's log, with the time in UTC."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()
