# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at workloads as a restore point needs them: what runs, how much of it, and the configuration it uses."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from .._digest import content_digest
from .._kubernetes.client import ApiError, Cluster, Json, path_of
from .._kubernetes.identity import RESTART_ID, RESTARTED_AT, as_written, images_of, parse_image, same_image
from .._kubernetes.model import Observed, Workload
from .._kubernetes.observe import observe
from .._release.model import ClusterConfiguration, Content
from .encryption import Safe
from .keeper import keeper_of
from .references import CONFIG_MAP, references, revealing

PATHS = {"ConfigMap": "/api/v1/configmaps", "Secret": "/api/v1/secrets"}
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
NOT_OURS = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
WORKERS = 8


class Recorder:
    """Observes workloads and what they use; ``notes`` tell what could not be recorded, in sentences."""

    def __init__(self, cluster: Cluster, safe: Safe | None, elsewhere: Collection[str] = ()) -> None:
        """Secrets named in ``elsewhere`` are recorded where they are made, as versions of Vault."""
        self._cluster = cluster
        self._safe = safe
        self._elsewhere = frozenset(elsewhere)
        self.notes: list[str] = []

    def record(self, workloads: Sequence[Workload]) -> Json:
        """``{workloads, cluster_configurations}`` for the manifest."""
        with ThreadPoolExecutor(WORKERS) as pool:
            observed = list(pool.map(lambda workload: observe(self._cluster, workload), workloads))
            namespaces = sorted({workload.namespace for workload in workloads})
            budgets = dict(zip(namespaces, pool.map(self._budgets, namespaces), strict=True))
            users = self._users(observed)
            contents = list(pool.map(self._content, users))
        found = [
            ClusterConfiguration(kind, name, namespace, content, None, tuple(consumers))
            for ((kind, namespace, name), consumers), content in zip(users.items(), contents, strict=True)
            if content
        ]
        return {
            "workloads": [self._workload(one, budgets[one.workload.namespace]) for one in observed],
            "cluster_configurations": [{**asdict(item), "consumers": list(item.consumers)} for item in found],
        }

    def _users(self, observed: Sequence[Observed]) -> dict[tuple[str, str, str], list[str]]:
        """The workloads that use each object, by (kind, namespace, name)."""
        users: dict[tuple[str, str, str], list[str]] = {}
        for one in observed:
            for use in references(one.template):
                if use.kind != CONFIG_MAP and use.name in self._elsewhere:
                    continue
                names = users.setdefault((use.kind, one.workload.namespace, use.name), [])
                if one.workload.name not in names:
                    names.append(one.workload.name)
        return dict(sorted(users.items()))

    def _content(self, place: tuple[str, str, str]) -> Content | None:
        kind, namespace, name = place
        try:
            live = self._cluster.get(path_of(PATHS[kind], namespace, name))
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            why = "is not there" if error.status == 404 else "may not be read by this login"
            self.notes.append(f"{kind.lower()}/{name} in {namespace} {why}, so it is not recorded")
            return None
        if live.get("type") in NOT_OURS:
            return None
        if keeper := keeper_of(live):
            self.notes.append(f"{kind.lower()}/{name} in {namespace} is kept by {keeper}, so it is not recorded")
            return None
        if kind != CONFIG_MAP and self._safe is None:
            self.notes.append(
                f"secret/{name} in {namespace} is not recorded, and no rollback brings it back: name the Vault path it "
                "is made of, or give a vault_password_file to record it encrypted"
            )
            return None
        return content_of(live, self._safe)

    def _workload(self, observed: Observed, budgets: Sequence[Json]) -> Json:
        workload, template, scaler = observed.workload, _clean(observed.template), observed.autoscaler
        self.notes += observed.warnings
        shown = revealing(template)
        if shown:
            self.notes.append(
                f"{workload}: the pod template is not recorded, as {', '.join(shown)} may hold a secret in plain text"
            )
        ids = image_ids(observed)
        images = images_of(observed.template)
        return {
            "kind": workload.kind,
            "name": workload.name,
            "namespace": workload.namespace,
            "images": images,
            "containers": {name: with_digest(image, ids.get(name, ())) for name, image in images.items()},
            "image_ids": {name: found[0] for name, found in ids.items() if len(found) == 1},
            "replicas": max(observed.recorded or 0, observed.replicas),
            "revision": observed.revision,
            "preceding": preceding(observed),
            "autoscaler": {"name": scaler.name, "min": scaler.minimum, "max": scaler.maximum} if scaler else None,
            "disruption_budget": next((_budget(item) for item in budgets if covers(item, template)), None),
            "template": None if shown else template,
            "secrets": sorted({use.name for use in references(template) if use.kind != CONFIG_MAP}),
        }

    def _budgets(self, namespace: str) -> list[Json]:
        try:
            items: list[Json] = self._cluster.get(path_of(BUDGETS, namespace))["items"]
        except ApiError as error:
            if error.status == 403:
                self.notes.append(f"disruption budgets in {namespace} may not be listed by this login")
            if error.status in (403, 404):
                return []
            raise
        return items


def content_of(live: Json, safe: Safe | None) -> Content:
    """What a ConfigMap holds, or what a Secret holds, encrypted."""
    data, immutable = live.get("data") or {}, bool(live.get("immutable"))
    if live["kind"] == CONFIG_MAP:
        binary = live.get("binaryData") or {}
        return Content(content_digest(data, binary), data, binary, immutable=immutable)
    if safe is None:
        raise ValueError("a Secret's content is not put anywhere without a password")
    return Content(safe.digest(data), encrypted=safe.encrypt(data), type=live.get("type"), immutable=immutable)


def image_ids(observed: Observed) -> dict[str, list[str]]:
    """By container, the different ids that pods of the live template report."""
    found: dict[str, set[str]] = {}
    for pod in observed.pods:
        if observed.is_current(pod) and not pod.deleted:
            for name, image_id in pod.image_ids.items():
                if image_id:
                    found.setdefault(name, set()).add(image_id)
    return {name: sorted(ids) for name, ids in sorted(found.items())}


def with_digest(image: str, ids: Sequence[str]) -> str:
    """``image`` with the digest that all pods report; an id without a repository is of one node only, and left out."""
    if parse_image(image).digest or not ids:
        return image
    digests = {parse_image(one).digest if "@" in one else None for one in ids}
    (known,) = digests if len(digests) == 1 else (None,)
    return f"{image}@{known}" if known else image


def preceding(observed: Observed) -> dict[str, str] | None:
    """The images of the newest remembered revision with other images than the live ones; ``None`` without one."""
    live = images_of(observed.template)
    for revision in reversed(observed.revisions):
        images = revision.images
        if images.keys() != live.keys() or any(not same_image(images[name], image) for name, image in live.items()):
            return images
    return None


def _clean(template: Mapping[str, Any]) -> Json:
    """The template as its author wrote it: without restart marks, which are no part of a release."""
    clean = copy.deepcopy(as_written(template))
    metadata = clean.get("metadata") or {}
    for mark in (RESTARTED_AT, RESTART_ID):
        (metadata.get("annotations") or {}).pop(mark, None)
    for empty in [name for name, value in metadata.items() if value in (None, {})]:
        del metadata[empty]
    return clean


def _budget(item: Json) -> Json:
    spec = item["spec"]
    bounds = {"min_available": spec.get("minAvailable"), "max_unavailable": spec.get("maxUnavailable")}
    return {"name": item["metadata"]["name"], **{name: value for name, value in bounds.items() if value is not None}}


def covers(budget: Json, template: Json) -> bool:
    """Whether a disruption budget selects pods of ``template``; an empty selector selects all of them."""
    labels, selector = (template.get("metadata") or {}).get("labels") or {}, budget["spec"].get("selector")
    if selector is None:
        return False
    tests = {
        "In": lambda rule: labels.get(rule["key"]) in rule["values"],
        "NotIn": lambda rule: labels.get(rule["key"]) not in rule["values"],
        "Exists": lambda rule: rule["key"] in labels,
        "DoesNotExist": lambda rule: rule["key"] not in labels,
    }
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items()) and all(
        tests[rule["operator"]](rule) for rule in selector.get("matchExpressions") or []
    )
