# SPDX-License-Identifier: GPL-3.0-or-later
"""A container for tests: serves /readyz and its version on POD_IP:8080 and misbehaves as ``BEHAVIOUR`` says."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType

BEHAVIOUR = os.environ.get("BEHAVIOUR", "good")
GRACE = float(os.environ.get("LEAVES_AFTER", "0.2"))


class Service(BaseHTTPRequestHandler):
    """Answers every path with the version."""

    def do_GET(self) -> None:
        """Answer at once; a request in flight is finished before the process leaves."""
        payload = os.environ["VERSION"].encode()
        self.send_response(200 if BEHAVIOUR != "unready" else 503)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def leave(_signal: int, _frame: FrameType | None) -> None:
    """Go on serving for a moment, as a well-behaved service does while endpoints are updated."""
    threading.Timer(GRACE, os._exit, [0]).start()


if BEHAVIOUR == "crash twice":  # a file of the pod's own address: its database comes up a little later
    tries = Path(tempfile.gettempdir()) / f"cold-{os.environ['POD_IP']}-{os.getppid()}"
    with tries.open("a") as file:
        file.write("x")
    if tries.stat().st_size <= 2:
        BEHAVIOUR = "crash"
    else:
        tries.unlink()
if BEHAVIOUR == "crash":
    print("cannot reach the database: schema 42 expected, 41 found")
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
server = ThreadingHTTPServer((os.environ["POD_IP"], 8080), Service)
if BEHAVIOUR == "crash later":
    threading.Timer(2.0, os._exit, [3]).start()
print(f"{os.environ['VERSION']} serves", flush=True)
server.serve_forever(0.05)
