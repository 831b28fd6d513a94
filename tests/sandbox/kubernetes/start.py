# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the cluster together, serves its API, and takes everything down again."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from . import certificates
from .access import Access, User
from .autoscaler import AutoscalerController
from .cluster import Cluster, Settings
from .daemonsets import DaemonSetController
from .dead_nodes import DeadNodes
from .deployments import DeploymentController
from .disruption import DisruptionController
from .endpoints import EndpointsController
from .garbage import GarbageCollector, NamespaceController, TokenController
from .http import Api
from .jobs import JobController
from .kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, NAMESPACE, Kind
from .kubelet import Kubelet
from .quota import QuotaController
from .replicasets import ReplicaSetController
from .service_proxy import ServiceProxy
from .statefulsets import StatefulSetController

Object = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io/v1"
_HEALTH = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY = [
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
]
_SELF = [
    {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
     "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
    {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
]  # fmt: skip
_EVERYTHING = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
_READ = [{"verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"]}]
_ISSUER = [
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/",
    "/openid/v1/jwks",
    "/openid/v1/jwks/",
]
_ROLES: dict[str, tuple[list[Object], list[str]]] = {
    "cluster-admin": (_EVERYTHING, ["system:masters"]),
    "view": (_READ, []),
    "system:basic-user": (_SELF, ["system:authenticated"]),
    "system:discovery": ([{"verbs": ["get"], "nonResourceURLs": _DISCOVERY}], ["system:authenticated"]),
    "system:service-account-issuer-discovery": (
        [{"verbs": ["get"], "nonResourceURLs": _ISSUER}],
        ["system:serviceaccounts"],
    ),
    "system:public-info-viewer": (
        [{"verbs": ["get"], "nonResourceURLs": _HEALTH}],
        ["system:authenticated", "system:unauthenticated"],
    ),
}


def _bootstrap(cluster: Cluster) -> None:
    """What every cluster has from the start."""

    def make(kind: Kind, name: str, **fields: Any) -> None:
        item = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {"name": name}, **fields}
        cluster.registry.create(kind, item, manager="kube-apiserver")

    for name, (rules, groups) in _ROLES.items():
        make(CLUSTER_ROLE, name, rules=rules)
        if groups:
            subjects = [{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"} for group in groups]
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
            make(CLUSTER_ROLE_BINDING, name, subjects=subjects, roleRef=reference)
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        make(NAMESPACE, name)


@contextlib.asynccontextmanager
async def serve(settings: Settings, port: int, users: dict[str, str]) -> AsyncIterator[Cluster]:
    """The cluster while it serves; its kubeconfig is written last. ``users``: token -> name of users without rights."""
    tls, authority = certificates.make(settings.directory)
    cluster = Cluster(settings, certificate_authority=authority)
    token = secrets.token_urlsafe(32)
    known = {token: User("admin", ("system:masters", "system:authenticated"))}
    known |= {other: User(name, ("system:authenticated",)) for other, name in users.items()}
    access = Access(cluster.store, known, settings.directory / "audit.jsonl")
    cluster.services = ServiceProxy(cluster)
    EndpointsController(cluster)
    DeploymentController(cluster)
    ReplicaSetController(cluster)
    StatefulSetController(cluster)
    DaemonSetController(cluster)
    JobController(cluster)
    DisruptionController(cluster)
    QuotaController(cluster)
    AutoscalerController(cluster)
    DeadNodes(cluster)
    GarbageCollector(cluster)
    NamespaceController(cluster)
    TokenController(cluster, access)
    cluster.kubelet = Kubelet(cluster)
    _bootstrap(cluster)
    runner = web.AppRunner(
        Api(cluster, access).application(), access_log=None, shutdown_timeout=0.5, handler_cancellation=True
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, reuse_address=True)
    await site.start()
    cluster.address = f"127.0.0.1:{runner.addresses[0][1]}"
    certificates.write_kubeconfig(settings.directory / "kubeconfig", cluster.address, authority, token)
    try:
        yield cluster
    finally:
        await runner.cleanup()
        cluster.kubelet.stop()
