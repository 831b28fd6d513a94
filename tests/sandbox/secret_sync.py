# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a Kubernetes Secret equal to a path in Vault: the sandbox's stand-in for a secrets operator.

``python -m tests.sandbox.secret_sync`` reads KUBECONFIG, VAULT_ADDR, VAULT_TOKEN, SANDBOX_NAMESPACE,
SANDBOX_VAULT_MOUNT and SANDBOX_VAULT_PATH from the environment and runs until SIGTERM.
"""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import hvac
import requests
import urllib3
from hvac.exceptions import InvalidPath, VaultError
from kubernetes.client.exceptions import ApiException

from tests.sandbox.cluster import Cluster

SECRET = "app-config"
POLL_SECONDS = 0.5
ERRORS = (VaultError, ApiException, requests.RequestException, urllib3.exceptions.HTTPError)


def encode(data: dict[str, Any]) -> dict[str, str]:
    """Settings as a Secret's ``data``."""
    return {name: base64.b64encode(str(value).encode()).decode() for name, value in data.items()}


class Sync:
    """One path of a KV v2 mount and the Secret made of it."""

    def __init__(self, vault: hvac.Client, cluster: Cluster, mount: str, path: str) -> None:
        """``path`` is below ``mount``."""
        self.vault, self.cluster, self.mount, self.path = vault, cluster, mount, path

    def once(self) -> str:
        """Bring the Secret to what Vault holds; says what was done, '' for nothing."""
        try:
            read = self.vault.secrets.kv.v2.read_secret_version
            answer = read(self.path, mount_point=self.mount, raise_on_deleted_version=True)["data"]
        except InvalidPath:
            return ""  # nothing there (yet, or deleted): the Secret stays as it is
        data, version = encode(answer["data"]), answer["metadata"]["version"]
        found = self.cluster.get("Secret", SECRET)
        if found is not None and found.get("data", {}) == data:
            return ""
        wanted = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "labels": {"app.kubernetes.io/managed-by": "secret-sync"}},
            "type": "Opaque",
            "data": data,
        }
        self.cluster.replace(wanted)
        return f"secret/{SECRET} is at version {version} of {self.mount}/{self.path}"


def main() -> None:
    """Watch until SIGTERM; an error is logged once and tried again."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    environment = os.environ
    vault = hvac.Client(environment["VAULT_ADDR"], environment["VAULT_TOKEN"], timeout=10)
    cluster = Cluster(Path(environment["KUBECONFIG"]), environment["SANDBOX_NAMESPACE"])
    sync = Sync(vault, cluster, environment["SANDBOX_VAULT_MOUNT"], environment["SANDBOX_VAULT_PATH"])
    said = ""
    while not stop.wait(POLL_SECONDS):
        try:
            news = sync.once()
        except ERRORS as error:
            news = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        if news not in ("", said):
            sys.stderr.write(f"{news}\n")
            sys.stderr.flush()
        said = news or said


if __name__ == "__main__":
    main()
