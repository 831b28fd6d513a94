# SPDX-License-Identifier: GPL-3.0-or-later
"""An S3 endpoint of the sandbox: moto's server with one bucket."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

from tests.sandbox.process import LOOPBACK, Process, answers, free_port


class S3Server:
    """moto on loopback; it accepts any credentials and forgets everything when it ends."""

    bucket = "backups"
    access_key = "sandbox"
    secret_key = "sandbox-secret"

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        """Logs go to ``directory``."""
        self.directory = directory
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.process: Process | None = None

    def start(self) -> S3Server:
        """Start the server, wait until it answers and make the bucket."""
        argv = [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port)]
        self.process = Process(argv, self.directory / "s3.log", environment={"MOTO_PORT": str(self.port)})
        self.process.wait_ready(lambda: answers(self.port))
        request = urllib.request.Request(f"{self.url}/{self.bucket}", method="PUT")  # noqa: S310 -- a loopback URL
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass
        return self

    def stop(self) -> None:
        """End the server."""
        if self.process:
            self.process.stop()
            self.process = None

    def __enter__(self) -> S3Server:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()
