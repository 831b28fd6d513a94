# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write does to an object: names, defaults, validation, generations, graceful deletion, finalizers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from . import defaults, managed_fields, validation
from .errors import ApiError, Cause, conflict, forbidden, invalid, not_found
from .kinds import NAMESPACE, Kind
from .meta import copy, in_seconds, now, random_suffix
from .store import Store

Object = dict[str, Any]
Admission = Callable[[Kind, Object, bool], None]  # kind, object, dry run
_GENERATED = {
    "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "pods", "poddisruptionbudgets",
    "endpointslices",
}  # fmt: skip
_CONDITIONAL_ONLY = ("leases", "roles", "rolebindings", "clusterroles", "clusterrolebindings", "poddisruptionbudgets")
_KEPT = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "namespace",
    "name",
)
_WITH_STATUS = _GENERATED | {"services", "nodes", "namespaces", "horizontalpodautoscalers", "resourcequotas"}


class Registry:
    """Writes into the store by the API's rules; the controllers write through it as well."""

    def __init__(self, store: Store) -> None:
        """Write into ``store``; ``admissions`` may refuse or complete what is created."""
        self.store = store
        self.admissions: list[Admission] = []

    def create(self, kind: Kind, item: Object, *, manager: str = "", dry_run: bool = False) -> Object:
        """Keep a new object; returns it as stored."""
        new = copy(item)
        metadata = new.setdefault("metadata", {})
        if metadata.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + random_suffix()
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "selfLink"):
            metadata.pop(field, None)
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=now())
        if kind.plural in _GENERATED:
            metadata["generation"] = 1
        if kind.plural in _WITH_STATUS and kind.plural != "nodes":
            new.pop("status", None)
        self._check_namespace(kind, metadata)
        defaults.apply(kind, new)
        validation.validate(kind, new)
        if kind.plural == "pods":
            defaults.new_pod(new)
        elif kind.plural in ("deployments", "daemonsets", "statefulsets", "replicasets", "jobs"):
            new["status"] = _first_status(kind)
        elif kind.plural == "poddisruptionbudgets":
            new["status"] = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
        for admit in self.admissions:
            admit(kind, new, dry_run)
        managed_fields.record(kind, {"metadata": {}}, new, manager, "Update")
        if self.store.find(kind, metadata.get("namespace", ""), metadata["name"]) or dry_run:
            return self._dry_create(kind, new)
        return self.store.create(kind, new)

    def _dry_create(self, kind: Kind, new: Object) -> Object:
        if self.store.find(kind, new["metadata"].get("namespace", ""), new["metadata"]["name"]):
            return self.store.create(kind, new)  # raises
        return new

    def _check_namespace(self, kind: Kind, metadata: Object) -> None:
        if not kind.namespaced:
            metadata.pop("namespace", None)
            return
        namespace = self.store.find(NAMESPACE, "", metadata["namespace"])
        if namespace is None:
            raise not_found(NAMESPACE, metadata["namespace"])
        if "deletionTimestamp" in namespace["metadata"] and kind.plural != "events":
            why = f"unable to create new content in namespace {metadata['namespace']} because it is being terminated"
            raise forbidden(kind, metadata.get("name", ""), why)

    def update(
        self, kind: Kind, item: Object, *, subresource: str = "", manager: str = "", dry_run: bool = False,
        conditional: bool = False, operation: str = "Update",
    ) -> Object:  # fmt: skip
        """Replace an object (or its status); ``conditional``: the kind insists on a resourceVersion."""
        metadata = item["metadata"]
        old = self.store.get(kind, metadata.get("namespace", ""), metadata["name"])
        expected = metadata.get("resourceVersion")
        if conditional and not expected and kind.plural in _CONDITIONAL_ONLY:
            cause = Cause.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(kind, metadata["name"], [cause], plural=True)
        if expected and expected != old["metadata"]["resourceVersion"]:
            raise conflict(kind, metadata["name"])
        if (uid := metadata.get("uid")) and uid != old["metadata"]["uid"]:
            raise invalid(kind, metadata["name"], [Cause.invalid("metadata.uid", uid, "field is immutable", times=2)])
        new = self._prepared(kind, copy(item), old, subresource)
        managed_fields.record(kind, old, new, manager, operation, subresource)
        if dry_run:
            return new
        stored = self.store.update(kind, new)
        if "deletionTimestamp" in stored["metadata"] and self._may_go(kind, stored):
            return self.store.remove(kind, stored)
        return stored

    @staticmethod
    def _prepared(kind: Kind, new: Object, old: Object, subresource: str) -> Object:
        """``new`` with what a client cannot change put back, completed, checked and numbered."""
        metadata = new["metadata"]
        for field in _KEPT:
            metadata.pop(field, None)
            if field in old["metadata"]:
                metadata[field] = old["metadata"][field]
        new.update(kind=kind.kind, apiVersion=old["apiVersion"])
        if subresource == "status":
            for field in [key for key in (*new, *old) if key not in ("status", "metadata")]:
                new[field] = copy(old[field]) if field in old else new[field]
            return new
        if kind.plural in _WITH_STATUS and "status" in old:
            new["status"] = copy(old["status"])
        if kind.plural == "services":
            for field in ("clusterIP", "clusterIPs"):
                new["spec"].setdefault(field, old["spec"].get(field))
        defaults.apply(kind, new)
        validation.validate(kind, new, old)
        if kind.plural in _GENERATED and _desire(kind, new) != _desire(kind, old):
            metadata["generation"] = old["metadata"].get("generation", 0) + 1
        return new

    def delete(
        self, kind: Kind, item: Object, options: Object | None = None, *, dry_run: bool = False
    ) -> tuple[Object, bool]:
        """Begin (or finish) the removal; returns the object and whether it is gone."""
        options = options or {}
        self._check_preconditions(kind, item, options.get("preconditions") or {})
        if kind.plural == "namespaces":
            return self._delete_namespace(item, dry_run)
        new = copy(item)
        metadata = new["metadata"]
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(options.get("propagationPolicy", ""))
        if options.get("orphanDependents"):
            finalizer = "orphan"
        if finalizer and finalizer not in metadata.setdefault("finalizers", []):
            metadata["finalizers"].append(finalizer)
        grace = self._grace(kind, item, options)
        if kind.plural == "pods" and item["spec"].get("nodeName") and grace > 0:
            return self._delete_gracefully(kind, new, grace, dry_run), False
        if metadata.get("finalizers"):
            if "deletionTimestamp" not in metadata:
                metadata.update(deletionTimestamp=now(), deletionGracePeriodSeconds=0)
                if "generation" in metadata:
                    metadata["generation"] += 1
            return (new if dry_run else self.store.update(kind, new)), False
        if kind.plural == "pods":
            if "deletionTimestamp" not in metadata:
                metadata.update(deletionTimestamp=now(), generation=metadata.get("generation", 0) + 1)
            metadata["deletionGracePeriodSeconds"] = 0
        return (new if dry_run else self.store.remove(kind, new)), True

    def _delete_gracefully(self, kind: Kind, new: Object, grace: int, dry_run: bool) -> Object:
        metadata = new["metadata"]
        if "deletionTimestamp" in metadata and metadata.get("deletionGracePeriodSeconds", 0) <= grace:
            return new
        if "deletionTimestamp" not in metadata:
            metadata["generation"] = metadata.get("generation", 0) + 1
        metadata.update(deletionTimestamp=in_seconds(grace), deletionGracePeriodSeconds=grace)
        return new if dry_run else self.store.update(kind, new)

    @staticmethod
    def _grace(kind: Kind, item: Object, options: Object) -> int:
        if kind.plural != "pods" or item["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        wanted = options.get("gracePeriodSeconds")
        return int(item["spec"].get("terminationGracePeriodSeconds", 30) if wanted is None else wanted)

    @staticmethod
    def _check_preconditions(kind: Kind, item: Object, wanted: Object) -> None:
        metadata = item["metadata"]
        words = {"uid": ("UID", "deleted and then recreated"), "resourceVersion": ("ResourceVersion", "modified")}
        for field, (word, fate) in words.items():
            if wanted.get(field) and wanted[field] != metadata[field]:
                why = (
                    f"the {word} in the precondition ({wanted[field]}) does not match the {word} in record "
                    f"({metadata[field]}). The object might have been {fate}"
                )
                raise conflict(kind, metadata["name"], why, singular=True)

    def _delete_namespace(self, item: Object, dry_run: bool) -> tuple[Object, bool]:
        new = copy(item)
        new["metadata"].setdefault("deletionTimestamp", now())
        new["status"] = {"phase": "Terminating"}
        return (new if dry_run else self.store.update(NAMESPACE, new)), False

    @staticmethod
    def _may_go(kind: Kind, item: Object) -> bool:
        """Whether nothing holds a deleted object: no finalizer, no kubelet (pods), no namespace controller."""
        return not item["metadata"].get("finalizers") and kind.plural not in ("pods", "namespaces")


def _first_status(kind: Kind) -> Object:
    if kind.plural == "daemonsets":
        counts = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        return dict.fromkeys(counts, 0)
    if kind.plural == "statefulsets":
        return {"replicas": 0, "availableReplicas": 0}
    return {"replicas": 0} if kind.plural == "replicasets" else {}


def _desire(kind: Kind, item: Object) -> Any:
    """What counts for the generation: the spec; for Deployments the annotations too."""
    if kind.plural == "deployments":
        return item.get("spec"), item["metadata"].get("annotations")
    if kind.plural == "endpointslices":
        return item.get("endpoints"), item.get("ports")
    return item.get("spec")
