# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rights a rollback takes, and which of them a login lacks: asked before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from .client import Cluster, Json
from .model import COLLECTIONS, HISTORIES

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LOOK, FOLLOW, CHANGE = "look at the release", "follow a rollout", "change the release"
EXPLAIN, UNBLOCK, BOUNDS = (
    "explain a failure",
    "remove a pod that holds others up",
    "keep within an autoscaler's bounds",
)
WARN = "warn of Jobs that run the release"
INSIDE, COPY, CONTENT = "compare pods with the configuration", "compare a copied Secret", "restore configuration"
RECORD, LOCK, MAINTENANCE, SUSPEND = "the run record", "the lock", "maintenance mode", "suspend what would undo it"


@dataclass(frozen=True, order=True)
class Right:
    """Something one may do in a namespace; ``name``: with one object only."""

    namespace: str
    group: str
    resource: str
    subresource: str
    name: str
    verb: str
    purpose: str = field(compare=False, default="")

    def __str__(self) -> str:
        """As ``kubectl auth can-i`` takes it: ``patch deployments.apps -n production``."""
        return f"{self.verb} {self.thing} -n {self.namespace}"

    @property
    def thing(self) -> str:
        """``leases.coordination.k8s.io/rollback-shop``, ``pods --subresource=log``."""
        thing = self.resource + (f".{self.group}" if self.group else "") + (f"/{self.name}" if self.name else "")
        return thing + (f" --subresource={self.subresource}" if self.subresource else "")

    @property
    def question(self) -> Json:
        """The review that asks for it."""
        attributes = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "name": self.name,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
        }


def rights(
    purpose: str, namespace: str, group: str, resource: str, verbs: str, *, name: str = "", subresource: str = ""
) -> set[Right]:
    """One right for each of the ``verbs``, which are words in a text."""
    return {Right(namespace, group, resource, subresource, name, verb, purpose) for verb in verbs.split()}


def for_workloads(workloads: Iterable[tuple[str, str]]) -> set[Right]:
    """To roll back ``(kind, namespace)`` pairs: quiesce, undo, watch, explain a failure."""
    found: set[Right] = set()
    for kind, namespace in workloads:
        resource, history = (paths[kind].rpartition("/")[2] for paths in (COLLECTIONS, HISTORIES))
        found |= rights(LOOK, namespace, "apps", resource, "get")
        found |= rights(FOLLOW, namespace, "apps", resource, "list watch")
        found |= rights(CHANGE, namespace, "apps", resource, "patch")
        for group, owned in (("apps", history), ("", "pods")):
            found |= rights(LOOK, namespace, group, owned, "list") | rights(FOLLOW, namespace, group, owned, "watch")
        if kind != "Deployment":
            found |= rights(EXPLAIN, namespace, "", "events", "list watch")
        if kind == "StatefulSet":
            found |= rights(UNBLOCK, namespace, "", "pods", "delete")
        found |= rights(EXPLAIN, namespace, "", "pods", "get", subresource="log")
        found |= rights(WARN, namespace, "batch", "jobs", "list") | rights(WARN, namespace, "batch", "cronjobs", "list")
        found |= rights(BOUNDS, namespace, "autoscaling", "horizontalpodautoscalers", "list")
    return found


def for_environments(namespaces: Iterable[str], version: tuple[int, int]) -> set[Right]:
    """To look into running pods. A WebSocket is a get to the server, and from Kubernetes 1.35 on a create besides."""
    verbs = "get create" if version >= (1, 35) else "get"
    return {right for one in namespaces for right in rights(INSIDE, one, "", "pods", verbs, subresource="exec")}


def for_configuration(kind: str, namespace: str, name: str, *, there: bool) -> set[Right]:
    """To bring a ConfigMap or Secret back; one that is gone is made again, and taken back if another then fails."""
    resource = kind.lower() + "s"
    if there:
        return rights(CONTENT, namespace, "", resource, "get patch", name=name)
    wanted = rights(CONTENT, namespace, "", resource, "get delete", name=name)
    return wanted | rights(CONTENT, namespace, "", resource, "create")


def for_copied_secret(namespace: str, name: str) -> set[Right]:
    """To see whether the cluster's copy of a Vault path followed."""
    return rights(COPY, namespace, "", "secrets", "get", name=name)


def for_record(namespace: str) -> set[Right]:
    """To keep the run record; its name holds the time, so the right cannot be one for a name."""
    return rights(RECORD, namespace, "", "configmaps", "list create patch")


def for_lock(namespace: str, name: str) -> set[Right]:
    """To take and release the lock; a create cannot be granted by name."""
    group, resource = "coordination.k8s.io", "leases"
    named = rights(LOCK, namespace, group, resource, "get patch", name=name)
    return named | rights(LOCK, namespace, group, resource, "create")


def for_maintenance(namespace: str, resource: str, name: str) -> set[Right]:
    """To switch maintenance mode by a Service, whose pods have to be ready, or by a ConfigMap."""
    found = rights(MAINTENANCE, namespace, "", resource, "get patch", name=name)
    return found | (rights(MAINTENANCE, namespace, "", "pods", "list watch") if resource == "services" else set())


def for_object(path: str) -> set[Right]:
    """To suspend what ``path`` names: ``/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME``."""
    _empty, _apis, group, _version, _namespaces, namespace, resource, name = path.split("/")
    return rights(SUSPEND, namespace, group, resource, "get patch", name=name)


def for_list(path: str) -> set[Right]:
    """To find what is of the same kind as the object that ``path`` names."""
    (right, *_unused) = for_object(path)
    return rights(SUSPEND, right.namespace, right.group, right.resource, "list")


def missing(cluster: Cluster, wanted: Iterable[Right]) -> list[Right]:
    """Those of ``wanted`` that this login does not have."""
    asked = sorted(wanted)
    with ThreadPoolExecutor(max_workers=8) as pool:
        allowed = list(pool.map(lambda right: _allowed(cluster, right), asked))
    return [right for right, granted in zip(asked, allowed, strict=True) if not granted]


def sentences(lacking: Iterable[Right]) -> Iterator[str]:
    """``lacking`` with one sentence for each resource, as a person grants it."""
    groups: dict[Right, list[Right]] = {}
    for right in sorted(lacking):
        groups.setdefault(replace(right, verb="", purpose=""), []).append(right)
    for where, rights_there in groups.items():
        verbs = ", ".join(right.verb for right in rights_there)
        purposes = ", ".join(dict.fromkeys(right.purpose for right in rights_there))
        thing = where.thing.replace(" --subresource=", "/")
        yield f"{verbs} {thing} in {where.namespace} ({purposes})"


def _allowed(cluster: Cluster, right: Right) -> bool:
    answer = cluster.create(REVIEWS, right.question)
    return bool((answer.get("status") or {}).get("allowed"))
