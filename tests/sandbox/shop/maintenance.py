# SPDX-License-Identifier: GPL-3.0-or-later
"""The maintenance page: ``python -m shop.maintenance`` answers everything with 503 and says when to come back."""

from __future__ import annotations

import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEXT = b"<!doctype html><title>Maintenance</title><h1>Back in a moment</h1><p>The shop is under maintenance.</p>\n"
RETRY_SECONDS = 30
DRAIN_SECONDS = 1.0


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 8192

    def do_GET(self) -> None:
        """Answer any request."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(503)
        self.send_header("Retry-After", str(RETRY_SECONDS))
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(TEXT)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(TEXT)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    def log_message(self, *_words: Any) -> None:
        """Keep quiet."""


class Server(ThreadingHTTPServer):
    """Listens for the maintenance page."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        """Listen on ``address`` (host, port)."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)


def main() -> None:
    """Serve until SIGTERM."""
    server = Server((os.environ.get("LISTEN_ADDRESS", "0.0.0.0"), int(os.environ.get("LISTEN_PORT", "8080"))))
    signal.signal(signal.SIGTERM, lambda *_: threading.Timer(DRAIN_SECONDS, server.shutdown).start())
    server.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main()
