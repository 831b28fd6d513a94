# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that each recording began with, made on a fresh emulator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from .client import Client

Object = dict[str, Any]
SPACE = "/api/v1/namespaces/production"
DEPLOYMENTS = "/apis/apps/v1/namespaces/production/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/api-server"
PODS = f"{SPACE}/pods?labelSelector=app%3Dapi-server"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def _applied(item: Object) -> Object:
    """The object as ``kubectl apply`` creates it."""
    bare = {**item, "metadata": {"annotations": {}, **item["metadata"], "namespace": "production"}}
    noted = json.dumps(bare, sort_keys=True, separators=(",", ":")) + "\n"
    return {**item, "metadata": {**item["metadata"], "annotations": {_LAST_APPLIED: noted}}}


def _deployment() -> Object:
    container: Object = {"name": "api", "image": "shop/api-server:1.4.1", "ports": [{"containerPort": 8080}]}
    container["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1}
    pod = {"dnsPolicy": "Default", "terminationGracePeriodSeconds": 10, "containers": [container]}
    template = {"metadata": {"labels": {"app": "api-server"}}, "spec": pod}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "api-server"}}, "template": template}
    metadata = {"name": "api-server", "labels": {"app": "api-server"}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def settled(client: Client, timeout: float = 30) -> None:
    """Wait until the Deployment's controller has nothing more to do and no pod is leaving."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = client.call("GET", DEPLOYMENT)
        status, wanted = found["status"], found["spec"].get("replicas", 0)
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        pods = client.call("GET", PODS)["items"]
        seen = status.get("observedGeneration") == found["metadata"]["generation"]
        if seen and counts == [wanted] * 3 and len(pods) == wanted:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the deployment did not settle within {timeout:g} s: {found['status']}")


def patch(client: Client, change: Object) -> None:
    """Change the Deployment."""
    client.call("PATCH", DEPLOYMENT, change, "application/strategic-merge-patch+json")


def image(client: Client, version: str, **container: Any) -> None:
    """Roll to a version."""
    spec = {"containers": [{"name": "api", "image": f"shop/api-server:{version}", **container}]}
    patch(client, {"spec": {"template": {"spec": spec}}})
    settled(client)


def fresh(client: Client) -> None:
    """The Deployment at 1.4.1, its Service, and what belongs to them."""
    client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "production"}})
    spec = {"selector": {"app": "api-server"}, "ports": [{"port": 80, "targetPort": 8080}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api-server"}, "spec": spec}
    client.call("POST", f"{SPACE}/services", _applied(service))
    client.call("POST", DEPLOYMENTS, _applied(_deployment()))
    settled(client)


def _with_history(client: Client) -> None:
    """Three releases, each with its cause noted afterwards."""
    fresh(client)
    cause = {"metadata": {"annotations": {"kubernetes.io/change-cause": "release 1.4.1"}}}
    patch(client, cause)
    settled(client)
    for version in ("1.4.2", "1.4.3"):
        image(client, version)
        patch(client, {"metadata": {"annotations": {"kubernetes.io/change-cause": f"release {version}"}}})
        settled(client)


def _with_account(client: Client) -> None:
    """A ServiceAccount that may read pods, Deployments and ReplicaSets."""
    fresh(client)
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/production"
    client.call("POST", f"{SPACE}/serviceaccounts", {"metadata": {"name": "rb-limited"}})
    verbs = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": verbs},
    ]
    client.call("POST", f"{rbac}/roles", {"metadata": {"name": "rb-limited"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "rb-limited", "namespace": "production"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "rb-limited"}
    binding = {"metadata": {"name": "rb-limited"}, "subjects": [subject], "roleRef": reference}
    client.call("POST", f"{rbac}/rolebindings", binding)


def _slow_to_leave(client: Client) -> None:
    """Pods that take four seconds to leave."""
    fresh(client)
    image(client, "1.4.1", env=[{"name": "TERM_DELAY_S", "value": "4"}])


def _short_deadline(client: Client) -> None:
    """A progress deadline of twelve seconds."""
    fresh(client)
    patch(client, {"spec": {"progressDeadlineSeconds": 12}})
    settled(client)


def _empty(client: Client) -> None:
    client.call("POST", "/api/v1/namespaces", {"metadata": {"name": "production"}})


def _eventful(client: Client) -> None:
    """What makes events: a rollout, a crash loop, an image that is not there, a probe that fails."""
    fresh(client)
    image(client, "1.4.2")
    for command, awaited in ((["false"], "BackOff"), (["sleep", "60"], "Unhealthy")):
        container = {"name": "api", "image": "shop/api-server:1.4.2", "command": command}
        patch(client, {"spec": {"template": {"spec": {"containers": [container]}}}})
        end = time.monotonic() + 15
        events = f"{SPACE}/events?fieldSelector=reason%3D{awaited}"
        while not client.call("GET", events)["items"] and time.monotonic() < end:
            time.sleep(0.1)


PREPARE: dict[str, Callable[[Client], None]] = {
    "01": _empty, "02": _with_history, "03": fresh, "04": fresh, "05": _empty, "06": _with_account, "07": _eventful,
    "08": fresh, "09": _slow_to_leave, "10": _short_deadline, "11": fresh, "12": fresh,
}  # fmt: skip
