# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is stopped in the middle of a step, loses its lock meanwhile, and wakes up: it writes nothing any more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.modules import rollback_lock

from tests.chaos.arena import ROOT
from tests.chaos.matrix import ask
from tests.chaos.wire import HELD, Proxy
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until

pytestmark = pytest.mark.sandbox
TOOL = """#!/bin/sh
case $1 in
status)
    while [ ! -e go ]; do touch asked; sleep 0.05; done
    echo "version: 42"; echo "applied: 41 a"; echo "applied: 42 b" ;;
down) echo "$@" >> went_down ;;
esac
"""


@dataclass
class Scene:
    """A lock of the sandbox, and a step that holds it."""

    sandbox: Sandbox

    def lock(self, holder: str, **params: Any) -> Any:
        """Take the lock."""
        login = {"kubeconfig": self.sandbox.endpoints["kubernetes"]["kubeconfig"]}
        place = {"name": "rollback-paused", "namespace": self.sandbox.endpoints["namespace"]}
        taken = ask(rollback_lock, {**login, **place, "duration": 60, "holder": holder, **params})
        return {**taken.get("fence", {}), "connection": login}

    def wakes_up_too_late(
        self, module: str, params: dict[str, Any], busy: Callable[[], bool], free: Callable[[], Any]
    ) -> str:
        """Stop the step while it is ``busy``, take its lock, let the world go on and wake it up; what it says."""
        lock = self.lock("dana@far-away/1-x-1", take_over=True)
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.holder"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'collections'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps({"module": module, "params": {**params, "lock": lock}}))
        child.stdin.close()
        assert child.stdout.readline() == "begins\n"
        wait_until(busy, 30, f"{module} at work")
        os.kill(child.pid, signal.SIGSTOP)
        self.lock("kim@elsewhere/2-y-1", take_over=True)
        free()
        time.sleep(0.3)
        os.kill(child.pid, signal.SIGCONT)
        said = json.loads(child.stdout.read())
        child.wait(30)
        assert said.get("failed"), said
        return str(said["msg"])


@pytest.fixture
def scene(sandbox: Sandbox) -> Iterator[Scene]:
    """A scene whose lock is gone afterwards."""
    yield Scene(sandbox)
    sandbox.cluster.delete("Lease", "rollback-paused")


def held(url: str, certificate: Path | None = None) -> Proxy:
    """A proxy that holds all answers back."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "", parts.port or 0, certificate)
    proxy.fail(HELD)
    return proxy


def test_in_kubernetes(scene: Scene, tmp_path: Path) -> None:
    endpoints, cluster = scene.sandbox.endpoints, scene.sandbox.cluster
    if endpoints["external"]["kubernetes"]:
        pytest.skip("the proxy needs the key of the API server")
    shutil.copy(scene.sandbox.directory / "kubernetes/server.pem", tmp_path)
    proxy = held(endpoints["kubernetes"]["url"], tmp_path / "server.pem")
    config = yaml.safe_load(Path(endpoints["kubernetes"]["kubeconfig"]).read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    switch = {"metadata": {"name": "paused"}, "data": {"maintenance": "false"}, "apiVersion": "v1", "kind": "ConfigMap"}
    cluster.delete("ConfigMap", "paused")
    cluster.apply(switch)
    params = {
        "kubeconfig": config,
        "config_map": {"name": "paused", "namespace": endpoints["namespace"], "key": "maintenance"},
    }
    said = scene.wakes_up_too_late("k8s_maintenance", params, lambda: proxy.faults > 0, proxy.gate.set)
    assert "kim@elsewhere/2 took the lock rollback-paused over" in said
    assert cluster.get("ConfigMap", "paused")["data"] == {"maintenance": "false"}


def test_in_vault(scene: Scene) -> None:
    vault = scene.sandbox.endpoints["vault"]
    store = hvac.Client(vault["address"], vault["token"], timeout=30).secrets.kv.v2
    store.delete_metadata_and_all_versions("chaos/paused", mount_point=vault["mount"])
    for value in ("previous", "release"):
        store.create_or_update_secret("chaos/paused", {"value": value}, mount_point=vault["mount"])
    proxy = held(vault["address"])
    secret = {"path": "chaos/paused", "engine_mount_point": vault["mount"], "version": 1, "current": 2}
    params = {"url": f"http://127.0.0.1:{proxy.port}", "token": vault["token"], "secrets": [secret], "timeout": 60}
    said = scene.wakes_up_too_late("vault_kv2_rollback", params, lambda: proxy.faults > 0, proxy.gate.set)
    assert "kim@elsewhere/2 took the lock rollback-paused over" in said
    live = store.read_secret_version("chaos/paused", mount_point=vault["mount"], raise_on_deleted_version=True)
    assert live["data"]["metadata"]["version"] == 2


def test_in_the_database(scene: Scene, tmp_path: Path) -> None:
    tool = tmp_path / "migrate.sh"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    params = {"tool": "command", "command": [str(tool)], "chdir": str(tmp_path), "target": "41"}
    said = scene.wakes_up_too_late("migration_downgrade", params, (tmp_path / "asked").exists, (tmp_path / "go").touch)
    assert "kim@elsewhere/2 took the lock rollback-paused over" in said
    assert not (tmp_path / "went_down").exists()
