# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and ends the Vault of the sandbox."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType

from tests.sandbox.process import Process

ROOT = Path(__file__).resolve().parents[3]


class VaultServer:
    """A Vault in a process of its own; facts about it are known once started."""

    def __init__(
        self, directory: Path, *, tls: bool = False, clustered: bool = False, modern: bool = False, port: int = 0
    ) -> None:
        self.directory = directory
        flags = {"--tls": tls, "--clustered": clustered, "--modern": modern}
        self.flags = [flag for flag, wanted in flags.items() if wanted]
        self.port = port
        self.address = ""
        self.root_token = ""
        self.unseal_keys: list[str] = []
        self.ca_cert: Path | None = None
        self.process: Process | None = None

    def start(self) -> VaultServer:
        """Start it and wait until it answers."""
        facts = self.directory / "vault.json"
        facts.unlink(missing_ok=True)
        words: list[str | Path] = ["--directory", self.directory, "--port", str(self.port), *self.flags]
        argv: list[str | Path] = [sys.executable, "-m", "tests.sandbox.vault", *words]
        self.process = Process(argv, self.directory / "vault.log", directory=ROOT)
        self.process.wait_ready(facts.exists)
        known = json.loads(facts.read_text())
        self.address, self.root_token = known["address"], known["root_token"]
        self.unseal_keys = known["unseal_keys"]
        self.ca_cert = Path(known["ca_cert"]) if "ca_cert" in known else None
        return self

    def stop(self) -> None:
        """End it; its secrets go with it."""
        if self.process:
            self.process.stop()

    def __enter__(self) -> VaultServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
