# SPDX-License-Identifier: GPL-3.0-or-later
"""ResourceQuota: refuses what a namespace may not have more of, and keeps count."""

from __future__ import annotations

from typing import Any

from .controller import Controller
from .errors import forbidden
from .kinds import POD, QUOTA, STORED, Kind
from .meta import copy
from .store import Change

Object = dict[str, Any]
_COUNTED = {kind.plural: kind for kind in STORED if kind.namespaced}


def _live_pods(pods: list[Object]) -> int:
    return sum(1 for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed"))


class QuotaController(Controller):
    """Counts objects (``pods``, ``services``, ``count/RESOURCE.GROUP``); amounts of cpu and memory are not measured."""

    kind = QUOTA

    def __init__(self, cluster: Any) -> None:
        """Judge creations from now on."""
        super().__init__(cluster)
        self.registry.admissions.append(self.admit)

    def changed(self, change: Change) -> None:
        """Something that may be counted came or went."""
        namespace = change.new["metadata"].get("namespace")
        if change.type != "MODIFIED" or change.key == POD.key:
            for quota in self.store.list(QUOTA, namespace or "-"):
                self.wake((quota["metadata"]["namespace"], quota["metadata"]["name"]))

    def reconcile(self, item: Object) -> None:
        """Write what is used."""
        hard = item["spec"].get("hard", {})
        namespace = item["metadata"]["namespace"]
        used = {name: str(count) for name in hard if (count := self._used(name, namespace)) is not None}
        counted = copy(item)
        counted["status"] = {"hard": hard, "used": used}
        self.registry.update(QUOTA, counted, subresource="status", manager="kube-controller-manager")

    def admit(self, kind: Kind, item: Object, dry_run: bool) -> None:  # noqa: ARG002
        """403 when one more is one too many."""
        if not kind.namespaced:
            return
        name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
        count = f"count/{kind.plural}.{kind.group}" if kind.group else f"count/{kind.plural}"
        for quota in self.store.list(QUOTA, namespace):
            for key in (kind.plural, count):
                limit = quota["spec"].get("hard", {}).get(key)
                used = self._used(key, namespace)
                if limit is not None and used is not None and used + 1 > int(limit):
                    about = f"requested: {key}=1, used: {key}={used}, limited: {key}={limit}"
                    raise forbidden(kind, name, f"exceeded quota: {quota['metadata']['name']}, {about}")

    def _used(self, name: str, namespace: str) -> int | None:
        kind = _COUNTED.get(name.removeprefix("count/").partition(".")[0])
        if kind is None:
            return None
        found = self.store.list(kind, namespace)
        return _live_pods(found) if kind is POD else len(found)
