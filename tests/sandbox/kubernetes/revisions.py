# SPDX-License-Identifier: GPL-3.0-or-later
"""ControllerRevisions: how StatefulSets and DaemonSets remember their pod templates."""

from __future__ import annotations

from typing import Any

from . import selectors
from .cluster import Cluster
from .kinds import CONTROLLER_REVISION
from .meta import controller_of, copy, is_owned_by, owner_reference, safe_hash

Object = dict[str, Any]
MANAGER = "kube-controller-manager"
POD_LABEL = "controller-revision-hash"


class History:
    """The revisions of one object; ``label`` is the label of a revision that holds its hash."""

    def __init__(self, cluster: Cluster, owner: Object, label: str) -> None:
        """Read what the object has, adopting a matching orphan."""
        self._registry, self._owner, self._label = cluster.registry, owner, label
        matches = selectors.from_spec(owner["spec"]["selector"])
        self.revisions: list[Object] = []
        for found in cluster.store.list(CONTROLLER_REVISION, owner["metadata"]["namespace"]):
            if is_owned_by(found, owner):
                self.revisions.append(found)
            elif controller_of(found) is None and matches(selectors.labels_of(found)):
                adopted = copy(found)
                adopted["metadata"].setdefault("ownerReferences", []).append(owner_reference(owner))
                self.revisions.append(self._registry.update(CONTROLLER_REVISION, adopted, manager=MANAGER))
        self.revisions.sort(key=lambda found: (found["revision"], found["metadata"]["creationTimestamp"]))

    def named(self, name: str) -> Object | None:
        """The revision of this name."""
        return next((found for found in self.revisions if found["metadata"]["name"] == name), None)

    def current(self) -> Object:
        """The revision of the live template: found (an old one gets the newest number) or made."""
        template = self._owner["spec"]["template"]
        data = {"spec": {"template": {**copy(template), "$patch": "replace"}}}
        number = self.revisions[-1]["revision"] + 1 if self.revisions else 1
        equal = next((found for found in reversed(self.revisions) if found["data"] == data), None)
        if equal is not None and equal is self.revisions[-1]:
            return equal
        if equal is not None:
            self.revisions.remove(equal)
            new = self._registry.update(CONTROLLER_REVISION, {**copy(equal), "revision": number}, manager=MANAGER)
        else:
            new = self._registry.create(CONTROLLER_REVISION, self._made(data, number), manager=MANAGER)
        self.revisions.append(new)
        return new

    def _made(self, data: Object, number: int) -> Object:
        metadata = self._owner["metadata"]
        word = safe_hash([data, self._owner["status"].get("collisionCount", 0)])
        labels = {**self._owner["spec"]["template"]["metadata"].get("labels", {}), self._label: word}
        about = {"name": f"{metadata['name']}-{word}", "namespace": metadata["namespace"], "labels": labels}
        about["ownerReferences"] = [owner_reference(self._owner)]
        if annotations := metadata.get("annotations"):
            about["annotations"] = copy(annotations)
        return {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": about, "data": data,
                "revision": number}  # fmt: skip

    def hash_of(self, revision: Object) -> str:
        """The word that tells its template from others."""
        return str(revision["metadata"]["labels"][self._label])

    def trim(self, live: set[str]) -> None:
        """Delete the oldest beyond ``revisionHistoryLimit``, but none whose name is in ``live``."""
        idle = [found for found in self.revisions if found["metadata"]["name"] not in live]
        for found in idle[: max(len(idle) - self._owner["spec"]["revisionHistoryLimit"], 0)]:
            self._registry.delete(CONTROLLER_REVISION, found)


def template_of(revision: Object) -> Object:
    """The pod template that a revision remembers."""
    return {key: copy(value) for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}
