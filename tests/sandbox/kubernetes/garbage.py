# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when its owner goes: garbage collection, namespaces, and what every new namespace gets."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from .access import Access
from .cluster import Cluster
from .controller import Controller
from .errors import ApiError
from .kinds import CONFIGMAP, NAMESPACE, SECRET, SERVICE_ACCOUNT, STORED, Kind
from .meta import copy
from .store import Change

Object = dict[str, Any]
SETTLE = 0.02
_YEARS = 10 * 365 * 24 * 3600


class GarbageCollector:
    """Follows ownerReferences."""

    def __init__(self, cluster: Cluster) -> None:
        """Listen for owners that go."""
        self.store, self.registry = cluster.store, cluster.registry
        self.store.listen(self._heard)

    def _heard(self, change: Change) -> None:
        loop = asyncio.get_running_loop()
        if change.type == "DELETED":
            loop.call_later(SETTLE, self._owner_gone, change.new["metadata"]["uid"])
            for ref in change.new["metadata"].get("ownerReferences", []):
                loop.call_later(SETTLE, self._check_foreground, ref["uid"])
        elif "deletionTimestamp" in change.new["metadata"] and change.new["metadata"].get("finalizers"):
            loop.call_later(SETTLE, self._finalize, change.new["metadata"]["uid"])

    def _every(self) -> list[tuple[Kind, Object]]:
        kinds = {kind.key: kind for kind in STORED}.values()
        return [(kind, item) for kind in kinds if kind.plural != "events" for item in self.store.list(kind)]

    def _dependents(self, uid: str) -> list[tuple[Kind, Object]]:
        return [(kind, item) for kind, item in self._every() if any(ref["uid"] == uid for ref in _owners(item))]

    def _owner_gone(self, uid: str) -> None:
        alive = {item["metadata"]["uid"] for _, item in self._every()}
        for kind, item in self._dependents(uid):
            if not any(ref["uid"] in alive for ref in _owners(item)):
                self._delete(kind, item)

    def _delete(self, kind: Kind, item: Object, options: Object | None = None) -> None:
        found = self.store.find(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"])
        if found and found["metadata"]["uid"] == item["metadata"]["uid"]:
            self.registry.delete(kind, found, options)

    def _finalize(self, uid: str) -> None:
        """Work on an object that is being deleted in the foreground or shall leave its dependents."""
        for kind, item in self._every():
            if item["metadata"]["uid"] != uid:
                continue
            finalizers = item["metadata"].get("finalizers", [])
            if "orphan" in finalizers:
                self._orphan(uid)
                self._drop_finalizer(kind, item, "orphan")
            elif "foregroundDeletion" in finalizers:
                for dependent_kind, dependent in self._dependents(uid):
                    if "deletionTimestamp" not in dependent["metadata"]:
                        self._delete(dependent_kind, dependent, {"propagationPolicy": "Foreground"})
                self._check_foreground(uid)

    def _orphan(self, uid: str) -> None:
        for kind, item in self._dependents(uid):
            freed = copy(item)
            freed["metadata"]["ownerReferences"] = [ref for ref in _owners(item) if ref["uid"] != uid]
            if not freed["metadata"]["ownerReferences"]:
                del freed["metadata"]["ownerReferences"]
            self.store.update(kind, freed)

    def _check_foreground(self, uid: str) -> None:
        """Let the owner go once no dependent that blocks it is left."""
        blocked = any(
            ref["uid"] == uid and ref.get("blockOwnerDeletion")
            for _, item in self._dependents(uid)
            for ref in _owners(item)
        )
        for kind, item in self._every():
            if (
                item["metadata"]["uid"] == uid
                and not blocked
                and "foregroundDeletion" in item["metadata"].get("finalizers", [])
            ):
                self._drop_finalizer(kind, item, "foregroundDeletion")

    def _drop_finalizer(self, kind: Kind, item: Object, name: str) -> None:
        current = self.store.find(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"])
        if current is None or "deletionTimestamp" not in current["metadata"]:
            return
        freed = copy(current)
        freed["metadata"]["finalizers"] = [found for found in freed["metadata"]["finalizers"] if found != name]
        if not freed["metadata"]["finalizers"]:
            del freed["metadata"]["finalizers"]
        self.registry.update(kind, freed)


def _owners(item: Object) -> list[Object]:
    found: list[Object] = item["metadata"].get("ownerReferences", [])
    return found


class NamespaceController(Controller):
    """Fills a new namespace, empties one that goes."""

    kind = NAMESPACE

    def changed(self, change: Change) -> None:
        """Something in a namespace that goes went."""
        if change.type == "DELETED" and (name := change.new["metadata"].get("namespace")):
            self.wake(("", name))

    def reconcile(self, item: Object) -> None:
        """Give or take everything."""
        name = item["metadata"]["name"]
        if "deletionTimestamp" not in item["metadata"]:
            self._fill(name)
            return
        left = False
        for kind in STORED:
            if kind.namespaced:
                for found in self.store.list(kind, name):
                    left = True
                    if "deletionTimestamp" not in found["metadata"]:
                        self.registry.delete(kind, found)
        left = any(self.store.list(kind, name) for kind in STORED if kind.namespaced) if left else False
        if left:
            self.wake_later(item, 0.5)
        else:
            self.store.remove(NAMESPACE, item)

    def _fill(self, name: str) -> None:
        if self.store.find(SERVICE_ACCOUNT, name, "default") is None:
            account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": name}}
            self.registry.create(SERVICE_ACCOUNT, account)
        if self.store.find(CONFIGMAP, name, "kube-root-ca.crt") is None:
            metadata = {"name": "kube-root-ca.crt", "namespace": name}
            data = {"ca.crt": self.cluster.certificate_authority}
            self.registry.create(
                CONFIGMAP, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}
            )


class TokenController(Controller):
    """Writes the token into Secrets of type kubernetes.io/service-account-token."""

    kind = SECRET

    def __init__(self, cluster: Cluster, access: Access) -> None:
        """Issue tokens by ``access``."""
        super().__init__(cluster)
        self.access = access

    def reconcile(self, item: Object) -> None:
        """Fill in token, namespace and CA once the ServiceAccount is there."""
        if item.get("type") != "kubernetes.io/service-account-token" or "token" in item.get("data", {}):
            return
        name = item["metadata"].get("annotations", {}).get("kubernetes.io/service-account.name", "")
        namespace = item["metadata"]["namespace"]
        account = self.store.find(SERVICE_ACCOUNT, namespace, name)
        if account is None:
            raise ApiError(404, "NotFound", "the ServiceAccount is not there yet")
        filled = copy(item)
        filled["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = account["metadata"]["uid"]
        values = {"token": self.access.issue(account, _YEARS, item), "namespace": namespace}
        values["ca.crt"] = self.cluster.certificate_authority
        filled["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.registry.update(SECRET, filled)
