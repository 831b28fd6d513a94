# SPDX-License-Identifier: GPL-3.0-or-later
"""The few things the sandbox itself asks of a Kubernetes API: apply, get, delete, tokens, a rollout's end."""

from __future__ import annotations

import json
import string
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from kubernetes import config
from kubernetes.client.exceptions import ApiException

from tests.sandbox.process import NotReady, wait_until

Object = dict[str, Any]
TIMEOUT = 30  # seconds for one request
MANIFESTS = Path(__file__).parent / "shop" / "kubernetes"
_RESOURCES = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "Pod": ("/api/v1", "pods"),
    "Role": ("/apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
}
_CLUSTER_WIDE = ("Namespace", "Node")


def manifests(file: str, values: Mapping[str, str]) -> Iterator[Object]:
    """The objects in ``shop/kubernetes/<file>`` with ``${name}`` replaced."""
    text = string.Template((MANIFESTS / file).read_text()).substitute(values)
    yield from yaml.safe_load_all(text)


class Cluster:
    """One namespace of a cluster, reached by a kubeconfig."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        """Uses the kubeconfig's current context."""
        self.namespace = namespace
        self.api: Any = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self.url: str = self.api.configuration.host
        self.ca_file: str | None = self.api.configuration.ssl_ca_cert

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        """One request; raises ApiException on a status from 300 on."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        words = self.api.param_serialize(method, path, header_params=headers, body=body, auth_settings=["BearerToken"])
        answer = self.api.call_api(*words[:5], _request_timeout=TIMEOUT)
        text = answer.read()
        if not 200 <= answer.status < 300:
            raise ApiException(http_resp=answer)
        data: Object = json.loads(text)
        return data

    def path(self, kind: str, name: str = "", subresource: str = "") -> str:
        """The path of an object, of its subresource or of the list of its kind."""
        prefix, plural = _RESOURCES[kind]
        within = "" if kind in _CLUSTER_WIDE else f"/namespaces/{self.namespace}"
        return prefix + within + "".join(f"/{word}" for word in (plural, name, subresource) if word)

    def get(self, kind: str, name: str) -> Object | None:
        """An object, None if there is none."""
        try:
            return self.call("GET", self.path(kind, name))
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def items(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind with the labels ``selector``."""
        query = f"?labelSelector={quote(selector)}" if selector else ""
        items: list[Object] = self.call("GET", self.path(kind) + query)["items"]
        return items

    def apply(self, wanted: Object) -> Object:
        """Create the object or bring it to what ``wanted`` says (a merge patch)."""
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        try:
            return self.call("POST", self.path(kind), wanted)
        except ApiException as error:
            if error.status != 409:
                raise
        return self.call("PATCH", self.path(kind, name), wanted, "application/merge-patch+json")

    def replace(self, wanted: Object) -> Object:
        """Make the object exactly ``wanted``, whatever it was."""
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        try:
            return self.call("PUT", self.path(kind, name), wanted)
        except ApiException as error:
            if error.status != 404:
                raise
        return self.call("POST", self.path(kind), wanted)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object and what it owns; it may be gone already."""
        try:
            self.call("DELETE", self.path(kind, name), {"propagationPolicy": "Background"})
        except ApiException as error:
            if error.status != 404:
                raise

    def token(self, service_account: str, seconds: int = 86400) -> str:
        """A token for a ServiceAccount."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = self.path("ServiceAccount", service_account, "token")
        return str(self.call("POST", path, request)["status"]["token"])

    def wait_rollout(self, name: str, timeout: float = 180) -> None:
        """Wait until every wanted replica of a Deployment is of the newest template and available, and no other."""

        def complete() -> bool:
            found = self.get("Deployment", name) or {"spec": {}, "status": {}, "metadata": {}}
            status, wanted = found["status"], found["spec"].get("replicas")
            counts = {status.get(f, 0) for f in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")}
            return status.get("observedGeneration") == found["metadata"].get("generation") and counts == {wanted}

        try:
            wait_until(complete, timeout, f"rollout of deployment/{name} in {self.namespace}")
        except NotReady as error:
            raise NotReady(f"{error}: {self.why_not_ready(name)}") from None

    def why_not_ready(self, app: str) -> str:
        """What the pods of ``app`` say about themselves."""
        said = []
        for pod in self.items("Pod", f"app={app}"):
            for container in pod.get("status", {}).get("containerStatuses", []):
                state = container.get("state", {})
                reason = state.get("waiting", state.get("terminated", {})).get("reason", "running")
                said.append(f"{pod['metadata']['name']}: {reason}, ready={container.get('ready')}")
        return "; ".join(said) or "no pods"

    def node_port(self, service: str) -> int:
        """The port of a NodePort service."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            port = self.call("GET", self.path("Service", service))["spec"]["ports"][0].get("nodePort")
            if port:
                return int(port)
            time.sleep(0.1)
        raise NotReady(f"service/{service} in {self.namespace} got no nodePort")

    def node_address(self) -> str:
        """The internal address of a node that is ready."""
        for node in self.items("Node"):
            status = node.get("status", {})
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
            for address in status.get("addresses", []) if ready else []:
                if address["type"] == "InternalIP":
                    return str(address["address"])
        raise NotReady("no node of the cluster is ready and has an InternalIP; set SANDBOX_NODE_ADDRESS")
