# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the API server which rights a rollback would miss, before it touches anything."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .client import Cluster, Json
from .model import COLLECTIONS, HISTORIES

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
READ = ("get", "list", "watch")


@dataclass(frozen=True, order=True)
class Right:
    """Something one may do in a namespace."""

    namespace: str
    verb: str
    group: str
    resource: str
    subresource: str = ""

    def __str__(self) -> str:
        """As ``kubectl auth can-i`` wants it: ``patch deployments.apps -n production``."""
        name = self.resource + (f".{self.group}" if self.group else "")
        return f"{self.verb} {name}{'/' + self.subresource if self.subresource else ''} -n {self.namespace}"

    @property
    def question(self) -> Json:
        """The review that asks for it."""
        attributes = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
        }


def needed(workloads: Iterable[tuple[str, str]]) -> list[Right]:
    """The rights to roll back ``(kind, namespace)`` pairs: quiesce, undo, watch, explain a failure, check the pods."""
    rights: set[Right] = set()
    for kind, namespace in workloads:
        resource, history = (paths[kind].rpartition("/")[2] for paths in (COLLECTIONS, HISTORIES))
        rights |= {Right(namespace, verb, "apps", resource) for verb in (*READ, "patch")}
        rights |= {Right(namespace, verb, "apps", history) for verb in ("list", "watch")}
        rights |= {Right(namespace, verb, "", "pods") for verb in ("list", "watch")}
        if kind != "Deployment":
            rights |= {Right(namespace, verb, "", "events") for verb in ("list", "watch")}
        if kind == "StatefulSet":
            rights.add(Right(namespace, "delete", "", "pods"))
        rights |= {
            Right(namespace, "get", "", "pods", "log"),
            Right(namespace, "create", "", "pods", "exec"),
            Right(namespace, "list", "autoscaling", "horizontalpodautoscalers"),
        }
    return sorted(rights)


def missing(cluster: Cluster, rights: Iterable[Right]) -> list[Right]:
    """Those of ``rights`` that this login does not have."""
    wanted = list(rights)
    with ThreadPoolExecutor(max_workers=8) as pool:
        allowed = list(pool.map(lambda right: _allowed(cluster, right), wanted))
    return [right for right, granted in zip(wanted, allowed, strict=True) if not granted]


def _allowed(cluster: Cluster, right: Right) -> bool:
    answer = cluster.create(REVIEWS, right.question)
    return bool((answer.get("status") or {}).get("allowed"))
