# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells Prometheus which pods to scrape, as a file of targets: Debian builds it without Kubernetes discovery.

``python -m tests.sandbox.discovery FILE`` reads KUBECONFIG and SANDBOX_NAMESPACE and runs until SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from kubernetes.client.exceptions import ApiException

from tests.sandbox.cluster import Cluster

POLL_SECONDS = 0.5
APP = "api-server"
PORT = 8080


def targets(api_url: str, namespace: str, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A target per running pod: its metrics through the API server's pod proxy, the way that works on any cluster."""
    api = urlsplit(api_url)
    found = []
    for pod in pods:
        name = pod["metadata"]["name"]
        if pod.get("status", {}).get("phase") != "Running":
            continue
        path = f"{api.path.rstrip('/')}/api/v1/namespaces/{namespace}/pods/{name}:{PORT}/proxy/metrics"
        labels = {"instance": name, "pod": name, "namespace": namespace, "app": APP}
        found.append({"targets": [api.netloc], "labels": {**labels, "__metrics_path__": path}})
    return sorted(found, key=lambda target: target["labels"]["pod"])


def main() -> None:
    """Write the targets whenever they change, until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    file = Path(sys.argv[1])
    cluster = Cluster(Path(os.environ["KUBECONFIG"]), os.environ["SANDBOX_NAMESPACE"])
    written = None
    while not stop.wait(POLL_SECONDS):
        try:
            pods = cluster.items("Pod", f"app={APP}")
        except (ApiException, urllib3.exceptions.HTTPError) as error:
            sys.stderr.write(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}\n")
            continue
        wanted = targets(cluster.url, cluster.namespace, pods)
        if wanted != written:
            unfinished = file.with_suffix(".part")
            unfinished.write_text(json.dumps(wanted, indent=1))
            unfinished.replace(file)
            written = wanted


if __name__ == "__main__":
    main()
