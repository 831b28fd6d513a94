# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws from a manifest, and from how the rollback is set up, every right that it takes in a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import permissions
from .client import ApiError, Cluster, Json, path_of
from .model import COLLECTIONS, SCALED_OBJECTS, Workload
from .observe import autoscaler_of
from .owner import owner_of
from .permissions import Right

CONFIGURATIONS = {"ConfigMap": "/api/v1/configmaps", "Secret": "/api/v1/secrets"}
UNKNOWN_VERSION = (1, 35)


class Demand:
    """What the rollback of one release asks of the cluster; ``params`` are those of k8s_permissions_info."""

    def __init__(self, cluster: Cluster, params: Mapping[str, Any]) -> None:
        self._cluster = cluster
        self._params = params
        self._manifest: Mapping[str, Any] = params["manifest"]
        self._applications: list[Json] = list(self._manifest.get("applications") or ())

    def rights(self) -> set[Right]:
        """All of them."""
        places = {(item.get("kind") or "Deployment", item["namespace"]) for item in self._applications}
        found = permissions.for_workloads(places)
        for part in (self._configurations(), self._surroundings(), self._owners()):
            found = found.union(*part)
        return found

    def _configurations(self) -> Iterator[set[Right]]:
        consumers: set[str] = set()
        for item in self._manifest.get("configurations") or ():
            consumers |= set(item.get("consumers") or ())
            if item.get("secret") and self._applications:
                yield permissions.for_copied_secret(self._applications[0]["namespace"], item["secret"])
        for item in self._manifest.get("cluster_configurations") or ():
            consumers |= set(item.get("consumers") or ())
            place = (item["kind"], item["namespace"], item["name"])
            yield permissions.for_configuration(*place, there=self._there(*place))
        namespaces = {item["namespace"] for item in self._applications if item["name"] in consumers}
        if namespaces:
            yield permissions.for_environments(namespaces, self._version())

    def _surroundings(self) -> Iterator[set[Right]]:
        """Journal, lock and maintenance mode."""
        if self._params.get("record_namespace"):
            yield permissions.for_record(self._params["record_namespace"])
        if self._params.get("lease"):
            yield permissions.for_lock(self._params["lease"]["namespace"], self._params["lease"]["name"])
        maintenance = self._params.get("maintenance") or {}
        for option, resource in (("service", "services"), ("config_map", "configmaps")):
            if maintenance.get(option):
                place = maintenance[option]
                yield permissions.for_maintenance(place["namespace"], resource, place["name"])

    def _owners(self) -> Iterator[set[Right]]:
        """What would be suspended; what may not be looked at is asked for already."""
        for item in self._applications if self._params.get("owner_policy") == "suspend" else ():
            workload = Workload(item.get("kind") or "Deployment", item["name"], item["namespace"], ())
            live = self._get(path_of(COLLECTIONS[workload.kind], workload.namespace, workload.name))
            if live is None:
                continue
            owner = owner_of(live, self._params["argocd_namespace"])
            if owner and owner.path:
                yield permissions.for_object(owner.path)
            scaler = autoscaler_of(self._cluster, workload)[0]
            if scaler and scaler.scaled_object:
                path = path_of(SCALED_OBJECTS, workload.namespace, scaler.scaled_object)
                yield permissions.for_object(path) | permissions.for_list(path)

    def _there(self, kind: str, namespace: str, name: str) -> bool:
        """Whether an object is there; yes, if that may not be looked at."""
        try:
            self._cluster.get(path_of(CONFIGURATIONS[kind], namespace, name))
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            return error.status == 403
        return True

    def _get(self, path: str) -> Json | None:
        try:
            return self._cluster.get(path)
        except ApiError as error:
            if error.status in (403, 404):
                return None
            raise

    def _version(self) -> tuple[int, int]:
        """Major and minor; every login may ask."""
        answer = self._get("/version") or {}
        numbers = [re.match(r"\d+", str(answer.get(part, ""))) for part in ("major", "minor")]
        return (int(numbers[0][0]), int(numbers[1][0])) if numbers[0] and numbers[1] else UNKNOWN_VERSION
