# SPDX-License-Identifier: GPL-3.0-or-later
"""kubectl works on the emulator as on a cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from kubernetes import client

from .conftest import Kubectl, deployment, service


def test_the_runbook_run_literally_ends_in_a_verified_outage(kubectl: Kubectl, until: Callable[..., Any]) -> None:
    """Section 4.1 of the plan's template: a success is reported, and nobody serves."""
    kubectl.apply(deployment(readinessProbe=None))
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    kubectl("set", "image", "deployment/api-server", "api=shop/api-server:1.4.2")
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")

    kubectl("scale", "deployment", "api-server", "--replicas=0")
    until(lambda: "No resources found" in kubectl("get", "pods", "-l", "app=api-server"))
    kubectl("rollout", "undo", "deployment/api-server")
    told = kubectl("rollout", "status", "deployment/api-server")
    image = kubectl("get", "deployment", "api-server", "-o", "jsonpath={.spec.template.spec.containers[0].image}")

    assert told == 'deployment "api-server" successfully rolled out\n'
    assert image == "shop/api-server:1.4.1"
    assert "No resources found" in kubectl("get", "pods", "-l", "app=api-server")
    assert re.search(r"api-server +0/0 +0 +0 ", kubectl("get", "deployment", "api-server"))
    revisions = kubectl("rollout", "history", "deployment/api-server")
    assert re.findall(r"^(\d+)", revisions, re.M) == ["2", "3"]


def test_get_reads_like_a_cluster(kubectl: Kubectl) -> None:
    kubectl.apply(deployment(), service())
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    shown = kubectl("get", "deploy,rs,pods,svc,endpoints")
    assert re.search(r"^deployment.apps/api-server +3/3 +3 +3 +\d+s", shown, re.M)
    assert re.search(r"^replicaset.apps/api-server-\w+ +3 +3 +3 +\d+s", shown, re.M)
    assert len(re.findall(r"^pod/api-server-\w+-\w{5} +1/1 +Running +0 +\d+s", shown, re.M)) == 3
    assert re.search(r"^service/api-server +NodePort +127\.[\d.]+ +<none> +80:3\d+/TCP", shown, re.M)
    assert "node-1" in kubectl("get", "pods", "-o", "wide")


def test_describe_does_not_fail(kubectl: Kubectl) -> None:
    kubectl.apply(deployment(), service())
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    assert "3 available" in kubectl("describe", "deployment", "api-server")
    assert "Scaled up replica set" in kubectl("describe", "deployment", "api-server")
    for kind in ("rs", "pods", "services", "nodes", "endpoints"):
        assert "Name:" in kubectl("describe", kind)


def test_apply_is_idempotent_and_prunes_what_it_wrote(kubectl: Kubectl) -> None:
    item = deployment(replicas=1, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    assert "created" in kubectl.apply(item)
    assert "unchanged" in kubectl.apply(item)
    smaller = deployment(replicas=1, env=[{"name": "A", "value": "1"}])
    assert "configured" in kubectl.apply(smaller)
    left = json.loads(kubectl("get", "deployment", "api-server", "-o", "json"))
    assert left["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_server_side_apply_names_the_other_owner(kubectl: Kubectl) -> None:
    item = deployment(replicas=0)
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=yaml.safe_dump(item))
    other = {**item, "spec": {**item["spec"], "replicas": 1}}
    text = kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=yaml.safe_dump(other), code=1)
    assert 'conflict with "one" using apps/v1: .spec.replicas' in text
    forced = ("apply", "--server-side", "--force-conflicts", "--field-manager=two", "-f", "-")
    assert "serverside-applied" in kubectl(*forced, stdin=yaml.safe_dump(other))


def test_exec_and_logs(kubectl: Kubectl) -> None:
    kubectl.apply(deployment(replicas=1, args=["hello"], env=[{"name": "APP_MODE", "value": "live"}]))
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    assert kubectl("logs", "deployment/api-server") == "listening hello\n"
    environment = kubectl("exec", "deployment/api-server", "--", "env")
    assert "APP_MODE=live\n" in environment
    assert "MADE_BY_ENTRYPOINT" not in environment  # a new process has the spec's variables, not the entry process' own
    assert kubectl("exec", "-i", "deployment/api-server", "--", "cat", stdin="over the wire") == "over the wire"
    assert "exit code 3" in kubectl("exec", "deployment/api-server", "--", "sh", "-c", "exit 3", code=3)
    size = 1_000_000
    assert len(kubectl("exec", "deployment/api-server", "--", "head", "-c", str(size), "/dev/zero")) == size
    assert kubectl("exec", "-i", "deployment/api-server", "--", "wc", "-c", stdin="x" * size) == f"{size}\n"


def test_a_rollout_is_paused_undone_by_number_and_restarted(kubectl: Kubectl) -> None:
    kubectl.apply(deployment(replicas=1))
    kubectl("set", "image", "deployment/api-server", "api=shop/api-server:1.4.2")
    kubectl("annotate", "deployment/api-server", "kubernetes.io/change-cause=release 1.4.2")
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    assert "release 1.4.2" in kubectl("rollout", "history", "deployment/api-server")
    assert "shop/api-server:1.4.1" in kubectl("rollout", "history", "deployment/api-server", "--revision=1")
    kubectl("rollout", "pause", "deployment/api-server")
    assert "cannot rollback a paused" in kubectl("rollout", "undo", "deployment/api-server", code=1)
    kubectl("rollout", "resume", "deployment/api-server")
    assert "rolled back" in kubectl("rollout", "undo", "deployment/api-server", "--to-revision=1")
    assert "restarted" in kubectl("rollout", "restart", "deployment/api-server")
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    kubectl("wait", "--for=condition=available", "deployment/api-server", "--timeout=20s")


def test_everyday_commands(kubectl: Kubectl) -> None:
    item = deployment(replicas=0)
    kubectl("create", "-f", "-", stdin=yaml.safe_dump(item))
    assert "server dry run" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(item))
    kubectl("label", "deployment", "api-server", "tier=web")
    assert kubectl("get", "deployments", "-l", "tier=web", "-o", "name") == "deployment.apps/api-server\n"
    kubectl(
        "patch", "deployment", "api-server", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/tier"}]'
    )
    assert "No resources found" in kubectl("get", "deployments", "-l", "tier=web")
    kubectl("set", "env", "deployment/api-server", "APP_MODE=live")
    assert "APP_MODE=live" in kubectl("set", "env", "deployment/api-server", "--list")
    kubectl("scale", "deployment/api-server", "--replicas=1", "--current-replicas=0")
    kubectl("create", "configmap", "settings", "--from-literal=mode=live")
    kubectl("create", "deployment", "tool", "--image=tool:1")
    kubectl("wait", "--for=condition=available", "deployment", "--all", "--timeout=20s")
    kubectl("delete", "pods", "--all", "--wait=false")
    assert "deleted" in kubectl("delete", "deployments", "--all")


def test_service_account_may_do_what_its_role_says(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "serviceaccount", "rollback")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods,deployments")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:rollback")
    who = f"--as=system:serviceaccount:{namespace}:rollback"
    assert kubectl("auth", "can-i", "get", "deployments", who).strip() == "yes"
    assert kubectl("auth", "can-i", "patch", "deployments/scale", who, code=1).strip() == "no"
    if "token " in kubectl("create", "--help"):  # since 1.24
        assert kubectl("create", "token", "rollback").strip().count(".") == 2


def test_a_budget_holds_evictions_back(
    kubectl: Kubectl, namespace: str, api: client.ApiClient, until: Callable[..., Any]
) -> None:
    kubectl.apply(deployment(replicas=1))
    kubectl("rollout", "status", "deployment/api-server", "--timeout=30s")
    spec = {"selector": {"matchLabels": {"app": "api-server"}}, "minAvailable": 1}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "api-server"}}
    kubectl.apply({**budget, "spec": spec})
    until(lambda: kubectl("get", "pdb", "api-server", "-o", "jsonpath={.status.currentHealthy}") == "1")
    core = client.CoreV1Api(api)
    pod = core.list_namespaced_pod(namespace).items[0].metadata.name
    with pytest.raises(client.ApiException, match="needs 1 healthy pods and has 1 currently") as refused:
        core.create_namespaced_pod_eviction(pod, namespace, {"metadata": {"name": pod, "namespace": namespace}})
    assert refused.value.status == 429
