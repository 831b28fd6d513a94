# SPDX-License-Identifier: GPL-3.0-or-later
"""One emulated cluster for the tests of this directory, and a namespace of its own for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.sandbox.kubernetes.server import KubernetesServer

ROOT = Path(__file__).resolve().parents[3]
APP = Path(__file__).with_name("app.py")
IMAGES = {
    f"shop/api-server:{version}": {
        "argv": ["python", "-S", "-E", "-u", str(APP)],
        "env": {"VERSION": version, "POD_IP": "$(POD_IP)"},
    }
    for version in ("1.4.1", "1.4.2")
}
IMAGES["tool:1"] = {"argv": ["sh", "-c", "echo ready; exec sleep 300"], "env": {}}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """A running emulator."""
    started = KubernetesServer(tmp_path_factory.mktemp("kubernetes"), IMAGES, None, "--haste", "40").start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def api(server: KubernetesServer) -> client.ApiClient:
    """The Python client, as the administrator."""
    return config.new_client_from_config(str(server.kubeconfig))


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    """A fresh namespace."""
    name = f"test-{uuid.uuid4().hex[:6]}"
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


class Kubectl:
    """Runs a kubectl in a namespace."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str) -> None:
        self.program, self.kubeconfig, self.namespace = program, kubeconfig, namespace

    def __call__(self, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
        """Standard output and error; the exit status must be ``code``."""
        done = subprocess.run(
            [self.program, "-n", self.namespace, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)}, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"kubectl {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def apply(self, *items: dict[str, Any]) -> str:
        """Apply objects."""
        return self("apply", "-f", "-", stdin=yaml.safe_dump_all(items))


def _from_path() -> Path:
    found = shutil.which("kubectl")
    if not found:
        pytest.skip("no kubectl on PATH: apt-get install kubernetes-client")
    return Path(found)


def _from_debian() -> Path:
    """The kubectl of the package kubernetes-client (1.20 in Debian 12), unpacked in the checkout and not installed."""
    home = ROOT / ".cache" / "kubectl-debian"
    program = home / "usr" / "bin" / "kubectl"
    if program.exists():
        return program
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        pytest.skip("no apt-get and dpkg here: Debian's kubectl is not tried")
    home.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as directory:
        got = subprocess.run(
            ["apt-get", "download", "kubernetes-client"], cwd=directory, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        packages = list(Path(directory).glob("*.deb"))
        if got.returncode or not packages:
            pytest.skip(
                f"Debian's kubectl is not tried: apt-get download kubernetes-client: {got.stderr.strip()[-300:]}"
            )
        unpacked = Path(directory) / "unpacked"
        subprocess.run(["dpkg", "-x", packages[0], unpacked], check=True, timeout=120)
        shutil.rmtree(home, ignore_errors=True)
        unpacked.rename(home)
    return program


@pytest.fixture(scope="session", params=[_from_path, _from_debian], ids=["kubectl", "debian"])
def program(request: pytest.FixtureRequest) -> Path:
    """Each kubectl that there is: the one on PATH, and the oldest that is still in the field."""
    found: Path = request.param()
    return found


@pytest.fixture
def kubectl(program: Path, server: KubernetesServer, namespace: str) -> Kubectl:
    """kubectl in the test's namespace."""
    return Kubectl(program, server.kubeconfig, namespace)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a question has a true answer, and returns it."""

    def wait(question: Callable[[], Any], timeout: float = 20) -> Any:
        end = time.monotonic() + timeout
        while not (answer := question()):
            assert time.monotonic() < end, f"not within {timeout:g} s"
            time.sleep(0.05)
        return answer

    return wait


def deployment(name: str = "api-server", replicas: int = 3, **container: Any) -> dict[str, Any]:
    """The demo service as a Deployment; ``container`` changes its container."""
    spec = {
        "name": "api", "image": "shop/api-server:1.4.1", "ports": [{"containerPort": 8080, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1}, **container,
    }  # fmt: skip
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 5, "containers": [spec]}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip


def service(name: str = "api-server") -> dict[str, Any]:
    """Its Service with a node port."""
    spec = {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
