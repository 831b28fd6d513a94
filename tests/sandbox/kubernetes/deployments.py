# SPDX-License-Identifier: GPL-3.0-or-later
"""The Deployment controller."""

from __future__ import annotations

from typing import Any

from . import rollout, selectors
from .controller import Controller
from .errors import ApiError
from .kinds import DEPLOYMENT, POD, REPLICASET
from .meta import condition, controller_of, copy, is_owned_by, owner_reference, safe_hash, seconds_since
from .store import Change

Object = dict[str, Any]
_MANAGER = "kube-controller-manager"


class DeploymentController(Controller):
    """Keeps the ReplicaSets of each Deployment."""

    kind = DEPLOYMENT

    def changed(self, change: Change) -> None:
        """A ReplicaSet changed, or a pod of one went (Recreate waits for that)."""
        if change.key == REPLICASET.key:
            self.wake_owner(change.new)
        elif change.key == POD.key and change.type == "DELETED":
            owner = controller_of(change.new)
            parent = owner and self.store.find(REPLICASET, change.new["metadata"]["namespace"], owner["name"])
            if parent:
                self.wake_owner(parent)

    def reconcile(self, item: Object) -> None:
        """One sync, as the real controller orders it."""
        deployment = copy(item)
        owned = self._claim(deployment)
        if "deletionTimestamp" in deployment["metadata"]:
            return
        self._note_pause(deployment)
        if deployment["spec"].get("paused") or self._scaled(deployment, owned):
            self._sync_size(deployment, owned)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, owned)
        else:
            self._rolling(deployment, owned)

    def _claim(self, deployment: Object) -> list[Object]:
        """The ReplicaSets that this Deployment controls; a matching orphan is adopted."""
        matches = selectors.from_spec(deployment["spec"]["selector"])
        found = []
        for replica_set in self.store.list(REPLICASET, deployment["metadata"]["namespace"]):
            if is_owned_by(replica_set, deployment):
                found.append(replica_set)
            elif controller_of(replica_set) is None and matches(selectors.labels_of(replica_set)):
                adopted = copy(replica_set)
                adopted["metadata"].setdefault("ownerReferences", []).append(owner_reference(deployment))
                found.append(self.registry.update(REPLICASET, adopted, manager=_MANAGER))
        return found

    def _note_pause(self, deployment: Object) -> None:
        """Say in the Progressing condition that the rollout was paused or resumed."""
        held = condition(deployment, "Progressing")
        if held and held["reason"] == "ProgressDeadlineExceeded":
            return
        paused = deployment["spec"].get("paused", False)
        noted = held is not None and held["reason"] == "DeploymentPaused"
        if paused == noted:
            return
        reason, text = ("DeploymentPaused", "paused") if paused else ("DeploymentResumed", "resumed")
        rollout.set_condition(deployment["status"], "Progressing", "Unknown", reason, f"Deployment is {text}")
        self._write_status(deployment)

    def _write_status(self, deployment: Object) -> None:
        """Write the status and the revision; the copy at hand stays at its old version, as the real one's does."""
        self.registry.update(DEPLOYMENT, deployment, subresource="status", manager=_MANAGER)

    def _split(self, deployment: Object, owned: list[Object], *, create: bool) -> tuple[Object | None, list[Object]]:
        """(the new ReplicaSet or None, all others), with the revisions brought up to date."""
        new = rollout.find_new(deployment, owned)
        old = [rs for rs in owned if new is None or rs["metadata"]["uid"] != new["metadata"]["uid"]]
        number = max((rollout.revision(rs) for rs in old), default=0) + 1
        if new is not None:
            return self._refresh_new(deployment, new, number), old
        return (self._create_new(deployment, owned, number) if create else None), old

    def _refresh_new(self, deployment: Object, new: Object, number: int) -> Object:
        known = copy(new)
        changed = rollout.annotate_new(deployment, known, number, exists=True)
        ready_seconds = deployment["spec"].get("minReadySeconds", 0)
        if changed or known["spec"].get("minReadySeconds", 0) != ready_seconds:
            known["spec"]["minReadySeconds"] = ready_seconds
            if not ready_seconds:
                del known["spec"]["minReadySeconds"]
            return self.registry.update(REPLICASET, known, manager=_MANAGER)
        stale = self._set_revision(deployment, known["metadata"]["annotations"][rollout.REVISION])
        if condition(deployment, "Progressing") is None:
            text = f'Found new replica set "{known["metadata"]["name"]}"'
            rollout.set_condition(deployment["status"], "Progressing", "True", "FoundNewReplicaSet", text)
            stale = True
        if stale:
            self._write_status(deployment)
        return known

    @staticmethod
    def _set_revision(deployment: Object, number: str) -> bool:
        annotations = deployment["metadata"].setdefault("annotations", {})
        if annotations.get(rollout.REVISION) == number:
            return False
        annotations[rollout.REVISION] = number
        return True

    def _create_new(self, deployment: Object, owned: list[Object], number: int) -> Object:
        metadata = deployment["metadata"]
        template = copy(deployment["spec"]["template"])
        word = safe_hash([template, deployment["status"].get("collisionCount", 0)])
        template["metadata"].setdefault("labels", {})[rollout.HASH_LABEL] = word
        selector = copy(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[rollout.HASH_LABEL] = word
        name = f"{metadata['name']}-{word}"
        new: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"selector": selector, "template": template},
        }
        if ready_seconds := deployment["spec"].get("minReadySeconds"):
            new["spec"]["minReadySeconds"] = ready_seconds
        new["spec"]["replicas"] = rollout.new_replicas(deployment, owned, 0)
        rollout.annotate_new(deployment, new, number, exists=False)
        try:
            created = self.registry.create(REPLICASET, new, manager=_MANAGER)
        except ApiError as error:
            if error.code == 403:
                text = f'Failed to create new replica set "{name}": {error.message}'
                rollout.set_condition(deployment["status"], "Progressing", "False", "FailedCreate", text)
                self._write_status(deployment)
            raise
        if created["spec"]["replicas"]:
            self._tell_scaled(deployment, created, 0, created["spec"]["replicas"])
        self._set_revision(deployment, str(number))
        text = f'Created new replica set "{name}"'
        rollout.set_condition(deployment["status"], "Progressing", "True", "NewReplicaSetCreated", text)
        self._write_status(deployment)
        return created

    def _scaled(self, deployment: Object, owned: list[Object]) -> bool:
        """Whether the Deployment's size changed since its ReplicaSets were told."""
        self._split(deployment, owned, create=False)
        wanted = str(deployment["spec"]["replicas"])
        active = [rs for rs in owned if rs["spec"].get("replicas", 0) > 0]
        return any(rs["metadata"]["annotations"].get(rollout.DESIRED, wanted) != wanted for rs in active)

    def _sync_size(self, deployment: Object, owned: list[Object]) -> None:
        new, old = self._split(deployment, owned, create=False)
        everything = old + ([new] if new else [])
        self._spread(deployment, new, old)
        if deployment["spec"].get("paused"):
            self._clean_up(deployment, old)
        self._store_status(deployment, rollout.status_of(deployment, everything, new))

    def _spread(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """Bring a changed size to the ReplicaSets: all to one, or in proportion while a rollout is under way."""
        replicas = deployment["spec"]["replicas"]
        everything = old + ([new] if new else [])
        active = [rs for rs in everything if rs["spec"].get("replicas", 0) > 0]
        if len(active) <= 1:
            latest = new or max(old, key=rollout.revision, default=None)
            if only := (active[0] if active else latest):
                self._resize(deployment, only, replicas)
            return
        if new and new["spec"]["replicas"] == replicas == new["status"].get("availableReplicas", 0):
            for replica_set in old:
                self._resize(deployment, replica_set, 0)
            return
        allowed = replicas + rollout.fenceposts(deployment)[0] if replicas else 0
        change = allowed - rollout.wanted(active)
        left = change
        ordered = sorted(active, key=lambda rs: -rs["spec"]["replicas"])
        sizes = []
        for replica_set in ordered:
            size = replica_set["spec"]["replicas"]
            former = int(replica_set["metadata"]["annotations"].get(rollout.MAXIMUM, replicas) or 1)
            share = round(size * allowed / former) - size if change else 0
            share = max(min(share, left), 0) if change > 0 else min(max(share, left), 0)
            left -= share
            sizes.append(size + share)
        for index, replica_set in enumerate(ordered):
            self._resize(deployment, replica_set, max(sizes[index] + (left if index == 0 else 0), 0), note=True)

    def _resize(self, deployment: Object, replica_set: Object, size: int, *, note: bool = False) -> bool:
        """Scale one ReplicaSet; ``note``: write the annotations even when the size stays."""
        old = replica_set["spec"].get("replicas", 0)
        if old == size and not note:
            return False
        resized = copy(replica_set)
        resized["spec"]["replicas"] = size
        rollout.annotate_size(deployment, resized)
        self.registry.update(REPLICASET, resized, manager=_MANAGER)
        if old != size:
            self._tell_scaled(deployment, replica_set, old, size)
        return old != size

    def _tell_scaled(self, deployment: Object, replica_set: Object, old: int, new: int) -> None:
        way = "up" if new > old else "down"
        text = f"Scaled {way} replica set {replica_set['metadata']['name']} from {old} to {new}"
        self.cluster.events.record(deployment, "ScalingReplicaSet", text, "deployment-controller")

    def _rolling(self, deployment: Object, owned: list[Object]) -> None:
        new, old = self._split(deployment, owned, create=True)
        assert new is not None
        everything = [*old, new]
        size = deployment["spec"]["replicas"]
        current = new["spec"]["replicas"]
        target = size if current > size else rollout.new_replicas(deployment, everything, current)
        if self._resize(deployment, new, target) or self._shrink_old(deployment, new, old):
            self._sync_rollout(deployment, everything, new)
            return
        if rollout.complete(deployment, deployment["status"]):
            self._clean_up(deployment, old)
        self._sync_rollout(deployment, everything, new)

    def _shrink_old(self, deployment: Object, new: Object, old: list[Object]) -> bool:
        """Scale old ReplicaSets down as far as availability allows, unhealthy replicas first."""
        everything = [*old, new]
        minimum = deployment["spec"]["replicas"] - rollout.max_unavailable(deployment)
        missing = new["spec"]["replicas"] - new["status"].get("availableReplicas", 0)
        room = rollout.wanted(everything) - minimum - missing
        if not rollout.wanted(old) or room <= 0:
            return False
        sizes = {rs["metadata"]["name"]: rs["spec"]["replicas"] for rs in old}
        for replica_set in rollout.oldest_first(old):
            name = replica_set["metadata"]["name"]
            sick = min(sizes[name] - replica_set["status"].get("availableReplicas", 0), room)
            if sick > 0:
                sizes[name] -= sick
                room -= sick
        spare = rollout.counted(everything, "availableReplicas") - minimum
        for replica_set in rollout.oldest_first(old):
            name = replica_set["metadata"]["name"]
            going = max(min(sizes[name], spare), 0)
            sizes[name] -= going
            spare -= going
        return any(self._resize(deployment, rs, sizes[rs["metadata"]["name"]]) for rs in rollout.oldest_first(old))

    def _recreate(self, deployment: Object, owned: list[Object]) -> None:
        new, old = self._split(deployment, owned, create=False)
        everything = old + ([new] if new else [])
        if any(self._resize(deployment, rs, 0) for rs in old) or self._old_pods_left(deployment, new, old):
            self._sync_rollout(deployment, everything, new)
            return
        new, old = self._split(deployment, owned, create=True)
        assert new is not None
        self._resize(deployment, new, deployment["spec"]["replicas"])
        if rollout.complete(deployment, deployment["status"]):
            self._clean_up(deployment, old)
        self._sync_rollout(deployment, [*old, new], new)

    def _old_pods_left(self, deployment: Object, new: Object | None, old: list[Object]) -> bool:
        pods = self.store.list(POD, deployment["metadata"]["namespace"])
        running = [pod for pod in pods if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        return any(is_owned_by(pod, rs) for pod in running for rs in old if rs is not new)

    def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        """Delete the oldest ReplicaSets beyond the history limit."""
        alive = [rs for rs in old if "deletionTimestamp" not in rs["metadata"]]
        excess = len(alive) - deployment["spec"]["revisionHistoryLimit"]
        for replica_set in sorted(alive, key=rollout.revision)[: max(excess, 0)]:
            observed = replica_set["status"].get("observedGeneration", 0)
            idle = not replica_set["spec"]["replicas"] and not replica_set["status"].get("replicas")
            if idle and observed >= replica_set["metadata"]["generation"]:
                self.registry.delete(REPLICASET, replica_set)

    def _sync_rollout(self, deployment: Object, everything: list[Object], new: Object | None) -> None:
        status = rollout.status_of(deployment, everything, new)
        rollout.judge_progress(deployment, status, new)
        failure = next((c for rs in everything if (c := condition(rs, "ReplicaFailure"))), None)
        if failure:
            rollout.set_condition(status, "ReplicaFailure", failure["status"], failure["reason"], failure["message"])
        else:
            rollout.drop_condition(status, "ReplicaFailure")
        self._store_status(deployment, status)
        held = condition({"status": status}, "Progressing")
        if held and held["reason"] not in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
            left = deployment["spec"]["progressDeadlineSeconds"] - seconds_since(held["lastUpdateTime"])
            self.wake_later(deployment, max(left, 0) + 1)

    def _store_status(self, deployment: Object, status: Object) -> None:
        if deployment["status"] != status:
            deployment["status"] = status
            self._write_status(deployment)
