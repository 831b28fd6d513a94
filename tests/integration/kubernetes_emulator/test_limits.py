# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas, autoscalers and dead nodes hold a rollout up as on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client

from .conftest import deployment

Until = Callable[..., Any]


def _scale(api: client.ApiClient, namespace: str, replicas: int) -> None:
    body = {"spec": {"replicas": replicas}}
    client.AppsV1Api(api).patch_namespaced_deployment_scale("api-server", namespace, body)


def test_a_full_quota_shows_while_progressing_tells_the_old_success(
    api: client.ApiClient, namespace: str, until: Until
) -> None:
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: apps.read_namespaced_deployment("api-server", namespace).status.available_replicas == 1)
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}
    client.CoreV1Api(api).create_namespaced_resource_quota(namespace, quota)
    _scale(api, namespace, 2)

    def failure() -> Any:
        conditions = apps.read_namespaced_deployment("api-server", namespace).status.conditions
        return next((found for found in conditions if found.type == "ReplicaFailure"), None)

    until(failure)
    assert failure().reason == "FailedCreate"
    assert "exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1" in failure().message
    conditions = apps.read_namespaced_deployment("api-server", namespace).status.conditions
    assert {c.type: c.reason for c in conditions}["Progressing"] == "NewReplicaSetAvailable"


def test_an_autoscaler_is_inert_at_zero_and_holds_its_bounds(
    api: client.ApiClient, namespace: str, until: Until
) -> None:
    apps = client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=0))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api-server"}
    spec = {"minReplicas": 2, "maxReplicas": 3, "scaleTargetRef": target}
    scaling = client.AutoscalingV2Api(api)
    scaling.create_namespaced_horizontal_pod_autoscaler(namespace, {"metadata": {"name": "hpa"}, "spec": spec})

    def wanted() -> int:
        return int(apps.read_namespaced_deployment("api-server", namespace).spec.replicas)

    def reasons() -> set[str]:
        status = scaling.read_namespaced_horizontal_pod_autoscaler("hpa", namespace).status
        return {found.reason for found in (status.conditions or [])} if status else set()

    until(lambda: "ScalingDisabled" in reasons())
    assert wanted() == 0
    _scale(api, namespace, 1)
    until(lambda: wanted() == 2)
    _scale(api, namespace, 9)
    until(lambda: wanted() == 3)


def test_a_pod_on_a_dead_node_stays_terminating_until_the_node_returns(
    api: client.ApiClient, namespace: str, until: Until
) -> None:
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    apps.create_namespaced_deployment(namespace, deployment(replicas=1))
    until(lambda: apps.read_namespaced_deployment("api-server", namespace).status.available_replicas == 1)
    pod = core.list_namespaced_pod(namespace).items[0]
    node = pod.spec.node_name
    core.patch_node(node, {"metadata": {"annotations": {"sandbox.octalume/dead": "true"}}})
    try:
        until(lambda: core.read_node(node).status.conditions[-1].status == "Unknown")
        _scale(api, namespace, 0)
        until(lambda: core.read_namespaced_pod(pod.metadata.name, namespace).metadata.deletion_timestamp)
        until(lambda: not apps.read_namespaced_deployment("api-server", namespace).status.replicas)
        assert core.list_namespaced_pod(namespace).items
    finally:
        core.patch_node(node, {"metadata": {"annotations": {"sandbox.octalume/dead": None}}})
    until(lambda: not core.list_namespaced_pod(namespace).items)
