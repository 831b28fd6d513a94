# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes of the sandbox as a process that others start and stop."""

from __future__ import annotations

import base64
import fcntl
import json
import random
import socket
import ssl
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from tests.sandbox.process import NotReady, Process

ROOT = Path(__file__).resolve().parents[3]
_LOCKS = Path(tempfile.gettempdir()) / "octalume-sandbox-networks"


def _claim_network() -> tuple[str, IO[str]]:
    """A /24 of 127.0.0.0/8 that no other sandbox of this machine uses, held by a lock as long as the file is open."""
    _LOCKS.mkdir(mode=0o777, exist_ok=True)
    for _ in range(200):
        network = f"127.{random.randint(16, 250)}.{random.randint(0, 255)}"
        lock = (_LOCKS / network).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind((f"{network}.2", 0))
        except OSError:
            lock.close()
            continue
        return f"{network}.0/24", lock
    raise NotReady("no free pod network in 127.0.0.0/8")


class KubernetesServer:
    """One emulated cluster: ``start()`` returns when it answers, ``stop()`` ends it with all its pods."""

    def __init__(
        self, directory: Path, images: Path | Mapping[str, Any], pod_network: str | None = None, *options: str
    ) -> None:
        """Keep everything in ``directory``; ``images``: IMAGES.json or its content; no network: one is chosen."""
        self.directory = directory
        self.kubeconfig = directory / "kubeconfig"
        self.pod_network = pod_network
        self.images = images if isinstance(images, Path) else directory / "images.json"
        self._content = None if isinstance(images, Path) else dict(images)
        self._options = options
        self._lock: IO[str] | None = None
        self.process: Process | None = None

    def start(self) -> KubernetesServer:
        """Start and wait until the API is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.kubeconfig.unlink(missing_ok=True)
        if self._content is not None:
            self.images.write_text(json.dumps(self._content))
        if self.pod_network is None:
            self.pod_network, self._lock = _claim_network()
        argv = [sys.executable, "-m", "tests.sandbox.kubernetes", "--directory", str(self.directory)]
        argv += ["--images", str(self.images), "--pod-network", self.pod_network, *self._options]
        self.process = Process(argv, self.directory / "kubernetes.log", directory=ROOT)
        self.process.wait_ready(self.ready, 30)
        return self

    def ready(self) -> bool:
        """Whether the kubeconfig is there and /readyz answers."""
        if not self.kubeconfig.exists():
            return False
        context = ssl.create_default_context(cadata=self.authority)
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2, context=context) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load(self.kubeconfig.read_text())
        return config

    @property
    def url(self) -> str:
        """``https://127.0.0.1:PORT``."""
        return str(self._config["clusters"][0]["cluster"]["server"])

    @property
    def authority(self) -> str:
        """The PEM of its certificate authority."""
        return base64.b64decode(self._config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()

    @property
    def token(self) -> str:
        """The administrator's token."""
        return str(self._config["users"][0]["user"]["token"])

    def stop(self) -> None:
        """End the server and its pods."""
        if self.process is not None:
            self.process.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
