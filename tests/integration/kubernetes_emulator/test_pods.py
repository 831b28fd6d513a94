# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods are real processes that start, fail, are probed and leave as on a node."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from tests.sandbox.kubernetes.server import KubernetesServer

from .conftest import IMAGES, deployment, service

Until = Callable[..., Any]


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    """The core API."""
    return client.CoreV1Api(api)


def _run(api: client.ApiClient, namespace: str, **container: Any) -> None:
    client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=1, **container))


def _state(core: client.CoreV1Api, namespace: str) -> tuple[Any, Any]:
    pods = core.list_namespaced_pod(namespace).items
    statuses = pods[0].status.container_statuses if pods else None
    return (pods[0], statuses[0]) if statuses else (None, None)


def _waiting(core: client.CoreV1Api, namespace: str) -> str | None:
    _unused, status = _state(core, namespace)
    return status.state.waiting.reason if status and status.state.waiting else None


def test_an_unknown_image_backs_off_until_it_is_there(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until, server: KubernetesServer
) -> None:
    _run(api, namespace, image="shop/api-server:1.4.9")
    until(lambda: _waiting(core, namespace) == "ErrImagePull")
    until(lambda: _waiting(core, namespace) == "ImagePullBackOff")
    server.images.write_text(json.dumps({**IMAGES, "shop/api-server:1.4.9": IMAGES["shop/api-server:1.4.2"]}))
    _unused, status = until(lambda: (found := _state(core, namespace))[1] and found[1].ready and found)
    assert status.image == "docker.io/shop/api-server:1.4.9"
    assert status.image_id.startswith("sha256:")


def test_a_crash_loop_keeps_the_last_run_and_its_log(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    _run(api, namespace, image="tool:1", command=["sh", "-c", "echo no database; exit 7"])
    until(lambda: _waiting(core, namespace) == "CrashLoopBackOff")
    pod, status = _state(core, namespace)
    assert status.last_state.terminated.exit_code == 7
    assert status.last_state.terminated.reason == "Error"
    assert "restarting failed container=api pod=" in status.state.waiting.message
    log = core.read_namespaced_pod_log(pod.metadata.name, namespace, previous=status.restart_count > 0)
    assert log == "no database\n"


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"name": "A", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "a"}}}, 'secret "absent" not found'),
        (
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "kube-root-ca.crt", "key": "b"}}},
            "couldn't find key b in ConfigMap {}/kube-root-ca.crt",
        ),
    ],
)
def test_a_missing_setting_is_named(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until, env: dict[str, Any], text: str
) -> None:
    _run(api, namespace, env=[env])
    until(lambda: _waiting(core, namespace) == "CreateContainerConfigError")
    assert _state(core, namespace)[1].state.waiting.message == text.format(namespace)


def test_variables_come_from_the_spec_secrets_and_config_maps(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    core.create_namespaced_secret(namespace, {"metadata": {"name": "s"}, "stringData": {"PASSWORD": "hunter2"}})
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "c"}, "data": {"MODE": "live"}})
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SUM", "value": "$(IP)/$(ME)/$$(x)/$(UNKNOWN)"},
    ]
    sources = [{"secretRef": {"name": "s"}, "prefix": "APP_"}, {"configMapRef": {"name": "c"}}]
    script = 'echo "$SUM $APP_PASSWORD $MODE"; exec sleep 60'
    _run(api, namespace, image="tool:1", command=["sh", "-c", script], env=env, envFrom=sources, readinessProbe=None)
    pod, _unused = until(lambda: (found := _state(core, namespace))[1] and found[1].ready and found)
    log = until(lambda: core.read_namespaced_pod_log(pod.metadata.name, namespace))
    assert log == f"{pod.status.pod_ip}/{pod.metadata.name}/$(x)/$(UNKNOWN) hunter2 live\n"


def test_liveness_restarts_and_readiness_takes_out_of_service(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2}
    _run(api, namespace, env=[{"name": "BAD_FILE", "value": str(bad)}], livenessProbe=probe)
    core.create_namespaced_service(namespace, service())
    until(lambda: (_state(core, namespace)[1] or 0) and _state(core, namespace)[1].ready)
    port = core.read_namespaced_service("api-server", namespace).spec.ports[0].node_port
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=5).read().startswith(b"1.4.1 ")
    bad.touch()
    until(lambda: _state(core, namespace)[1].restart_count == 1)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
    bad.unlink()
    until(lambda: _state(core, namespace)[1].ready)
    events = {event.reason for event in core.list_namespaced_event(namespace).items}
    assert {"Unhealthy", "Killing", "Started"} <= events


def test_a_pod_that_ignores_sigterm_is_killed_when_its_grace_is_over(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    script = "trap '' TERM; echo up; while true; do sleep 0.2; done"
    _run(api, namespace, image="tool:1", command=["sh", "-c", script], readinessProbe=None)
    pod, _unused = until(lambda: (found := _state(core, namespace))[1] and found[1].ready and found)
    until(lambda: "up" in core.read_namespaced_pod_log(pod.metadata.name, namespace))
    start = time.monotonic()
    core.delete_namespaced_pod(pod.metadata.name, namespace, grace_period_seconds=1)
    until(lambda: pod.metadata.name not in [p.metadata.name for p in core.list_namespaced_pod(namespace).items])
    assert 1 <= time.monotonic() - start < 5


def test_no_request_fails_while_a_rollout_is_under_way(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    """The Service sends nobody to a pod that is not ready, or that leaves."""
    hook = {"preStop": {"sleep": {"seconds": 1}}}
    client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=2, lifecycle=hook))
    core.create_namespaced_service(namespace, service())
    port = core.read_namespaced_service("api-server", namespace).spec.ports[0].node_port

    def ask() -> str:
        return str(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().split()[0], "ascii")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(ask())
        return False

    until(answers)
    change = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "shop/api-server:1.4.2"}]}}}}
    client.AppsV1Api(api).patch_namespaced_deployment("api-server", namespace, change)
    seen: list[str] = []
    until(lambda: seen.append(ask()) or seen[-20:] == ["1.4.2"] * 20)
    assert set(seen) == {"1.4.1", "1.4.2"}


def test_another_server_does_not_collide_and_takes_its_pods_along(
    server: KubernetesServer, tmp_path: Path, until: Until
) -> None:
    """Even when it is killed."""
    other = KubernetesServer(tmp_path / "k", IMAGES).start()
    try:
        assert other.pod_network != server.pod_network
        assert other.url != server.url
        core = client.CoreV1Api(config.new_client_from_config(str(other.kubeconfig)))
        spec = {"containers": [{"name": "c", "image": "tool:1", "command": ["sh", "-c", "echo $$$$; exec sleep 200"]}]}
        core.create_namespaced_pod("default", {"metadata": {"name": "p"}, "spec": spec})

        def log() -> str:
            with contextlib.suppress(client.ApiException):
                return str(core.read_namespaced_pod_log("p", "default"))
            return ""

        process = Path(f"/proc/{int(until(log))}")
        assert process.exists()
        assert other.process is not None
        os.kill(other.process.pid, signal.SIGKILL)
        until(lambda: not process.exists())
    finally:
        other.stop()
