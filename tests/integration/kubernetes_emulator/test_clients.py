# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python client and kubernetes.core's modules work on the emulator unmodified."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, dynamic, watch
from kubernetes.stream import stream

from tests.sandbox.kubernetes.server import KubernetesServer

from .conftest import deployment, service

Until = Callable[..., Any]


def _ready(api: client.ApiClient, namespace: str, name: str = "api-server") -> bool:
    status = client.AppsV1Api(api).read_namespaced_deployment(name, namespace).status
    return bool(status.available_replicas and status.available_replicas == status.replicas)


def test_typed_client_watches_from_the_list_on(api: client.ApiClient, namespace: str) -> None:
    apps = client.AppsV1Api(api)
    version = apps.list_namespaced_deployment(namespace).metadata.resource_version
    apps.create_namespaced_deployment(namespace, deployment(replicas=1))
    seen = []
    follower = watch.Watch()
    for event in follower.stream(
        apps.list_namespaced_deployment, namespace, resource_version=version, timeout_seconds=20
    ):
        seen.append((event["type"], event["object"].status.available_replicas or 0))
        if seen[-1][1] == 1:
            follower.stop()
    assert seen[0] == ("ADDED", 0)
    assert seen[-1] == ("MODIFIED", 1)


def test_exec_by_the_python_client(api: client.ApiClient, namespace: str, until: Until) -> None:
    client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: _ready(api, namespace))
    core = client.CoreV1Api(api)
    name = core.list_namespaced_pod(namespace).items[0].metadata.name
    socket = stream(
        core.connect_get_namespaced_pod_exec, name, namespace, command=["sh", "-c", "echo out; echo err >&2; exit 4"],
        stderr=True, stdout=True, stdin=False, tty=False, _preload_content=False,
    )  # fmt: skip
    socket.run_forever(timeout=10)
    assert (socket.read_stdout(), socket.read_stderr(), socket.returncode) == ("out\n", "err\n", 4)
    socket.close()


def test_dynamic_client_and_owner_references(api: client.ApiClient, namespace: str, until: Until) -> None:
    found = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    owner = found.create(body={"metadata": {"name": "owner"}}, namespace=namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
    found.create(body={"metadata": {"name": "owned", "ownerReferences": [reference]}}, namespace=namespace)
    found.delete(name="owner", namespace=namespace)
    until(lambda: "owned" not in [item.metadata.name for item in found.get(namespace=namespace).items])


def test_a_foreground_deletion_waits_for_what_it_owns(api: client.ApiClient, namespace: str, until: Until) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: _ready(api, namespace))
    apps.delete_namespaced_deployment("api-server", namespace, propagation_policy="Foreground")
    until(lambda: not apps.list_namespaced_deployment(namespace).items)
    assert not core.list_namespaced_pod(namespace).items


def test_a_namespace_goes_with_its_services_and_pods(api: client.ApiClient, namespace: str, until: Until) -> None:
    core = client.CoreV1Api(api)
    name = f"{namespace}-goes"
    core.create_namespace({"metadata": {"name": name}})
    client.AppsV1Api(api).create_namespaced_deployment(name, deployment(replicas=2))
    core.create_namespaced_service(name, service())
    until(lambda: _ready(api, name))
    until(lambda: core.read_namespaced_endpoints("api-server", name).subsets)
    core.delete_namespace(name)
    until(lambda: name not in [found.metadata.name for found in core.list_namespace().items])


def test_proxy_reaches_the_pod(api: client.ApiClient, namespace: str, until: Until) -> None:
    client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: _ready(api, namespace))
    core = client.CoreV1Api(api)
    name = core.list_namespaced_pod(namespace).items[0].metadata.name
    told = core.connect_get_namespaced_pod_proxy_with_path(f"{name}:8080", namespace, "version")
    assert told == f"1.4.1 {name} /version"


def test_kubernetes_core_modules(
    server: KubernetesServer, api: client.ApiClient, namespace: str, until: Until, tmp_path: Path
) -> None:
    """k8s, k8s_info, k8s_scale, k8s_rollback and k8s_exec, in one play."""
    client.AppsV1Api(api).create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: _ready(api, namespace))
    auth = {"kubeconfig": str(server.kubeconfig), "namespace": namespace}
    newer = deployment(replicas=1)
    newer["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/api-server:1.4.2"
    named = {**auth, "api_version": "apps/v1", "kind": "Deployment", "name": "api-server"}
    waits = {"wait_sleep": 1, "wait_timeout": 30}
    pods = {**auth, "kind": "Pod", "label_selectors": ["app=api-server"], "field_selectors": ["status.phase=Running"]}
    pod = "{{ pods.resources[0].metadata.name }}"
    tasks = [
        {"kubernetes.core.k8s": {**auth, "definition": newer, "wait": True, **waits}},
        {"kubernetes.core.k8s_scale": {**named, "replicas": 2, **waits}},
        {"kubernetes.core.k8s_info": pods, "register": "pods", "failed_when": "pods.resources | length != 2"},
        {"kubernetes.core.k8s_exec": {**auth, "pod": pod, "command": "printenv VERSION"},
         "register": "ran", "failed_when": "ran.stdout != '1.4.2\\n'"},
        {"kubernetes.core.k8s_rollback": named},
    ]  # fmt: skip
    play = tmp_path / "play.yml"
    play.write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "connection": "local", "tasks": tasks}])
    )
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(play),
         "-e", f"ansible_python_interpreter={sys.executable}"],
        capture_output=True, text=True, timeout=120, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    live = client.AppsV1Api(api).read_namespaced_deployment("api-server", namespace)
    assert (live.spec.template.spec.containers[0].image, live.spec.replicas) == ("shop/api-server:1.4.1", 2)
