# SPDX-License-Identifier: GPL-3.0-or-later
"""Switches maintenance mode: a Service sends its traffic to maintenance pods, or a ConfigMap holds the switch."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .._module import RollbackError
from .client import MERGE_PATCH, ApiError, Cluster, Json, path_of
from .evaluate import last_writer
from .mirror import Mirror
from .model import PODS, PREFIX, Pod
from .owner import owner_of

SELECTOR = PREFIX + "selector"
SERVICES = "/api/v1/services"
CONFIG_MAPS = "/api/v1/configmaps"
ATTEMPTS = 5


@dataclass(frozen=True)
class Switch:
    """One change that turns maintenance on or off, already decided. An empty ``patch`` changes nothing."""

    path: str
    patch: Json
    before: Json
    after: Json
    needs_pods: Mapping[str, str] | None = None
    """Labels of pods one of which must be ready before traffic is sent to them."""
    note: str = ""
    """What a person should know about it."""


def service_switch(live: Json, path: str, selector: Mapping[str, str], *, on: bool) -> Switch:
    """Turn the Service ``live`` to pods with ``selector``, or back to those it selected before.

    Raises :class:`RollbackError` when it is to be turned back and nobody knows to what, or when it selects no pods.
    """
    meta, now = live["metadata"], live["spec"].get("selector") or {}
    saved = (meta.get("annotations") or {}).get(SELECTOR)
    wanted_selector, keep, note = dict(selector), saved or json.dumps(now, sort_keys=True), ""
    if on:
        _refuse_unselecting(live, selector, saved)
        note = _fight(live, selector, saved)
    else:
        if saved is None and now == dict(selector):
            raise RollbackError(
                f"Service {meta['namespace']}/{meta['name']} sends its traffic to the maintenance pods, and what it "
                f"selected before is not recorded (annotation {SELECTOR}); set it by hand: "
                f"kubectl -n {meta['namespace']} set selector service {meta['name']} KEY=VALUE"
            )
        wanted_selector, keep = (json.loads(saved), None) if saved is not None else (now, None)
    before = {"selector": now, "annotation": saved}
    after = {"selector": wanted_selector, "annotation": keep}
    if before == after:
        return Switch(path, {}, before, before)
    removed = {name: None for name in now if name not in wanted_selector}
    patch = {
        "metadata": {"resourceVersion": meta["resourceVersion"], "annotations": {SELECTOR: keep}},
        "spec": {"selector": {**removed, **wanted_selector}},
    }
    return Switch(path, patch, before, after, wanted_selector, note)


def _refuse_unselecting(live: Json, selector: Mapping[str, str], saved: str | None) -> None:
    """Raise if the Service does not find its backends by labels, so that a selector would do harm, or nothing."""
    meta, spec = live["metadata"], live["spec"]
    name = f"Service {meta['namespace']}/{meta['name']}"
    if not selector:
        raise RollbackError(f"{name}: the selector of the maintenance pods is empty; name their labels")
    if spec.get("type") == "ExternalName":
        raise RollbackError(
            f"{name} is a name for {spec.get('externalName')} (ExternalName), so no selector moves its traffic; "
            "nothing was changed. Switch maintenance on there, or use config_map"
        )
    if not spec.get("selector") and saved is None:
        raise RollbackError(
            f"{name} selects no pods: its endpoints were made by hand or by another controller, and a selector would "
            f"have them replaced for good; nothing was changed. See them: kubectl -n {meta['namespace']} get "
            f"endpointslices -l kubernetes.io/service-name={meta['name']}, and name a Service with a selector"
        )


def _fight(live: Json, selector: Mapping[str, str], saved: str | None) -> str:
    """Who has turned the Service away from the maintenance pods, or may do so; or an empty text."""
    meta, now = live["metadata"], live["spec"].get("selector") or {}
    name = f"Service {meta['namespace']}/{meta['name']}"
    if saved is not None and now != dict(selector):
        return (
            f"{name} was in maintenance, and was turned to {json.dumps(now, sort_keys=True)} since{last_writer(live)}; "
            "it is turned again. Stop what does that, or customers meet no pod, or the wrong one"
        )
    owner = owner_of(live) if saved is None else None
    if owner is None or owner.tool == "Helm":  # that acts only when it is called
        return ""
    return (
        f"{name} is managed by {owner.tool} ({owner.name}), which may turn it back in the middle of the rollback; "
        "suspend that for as long"
    )


def config_map_switch(live: Json, path: str, key: str, value: str) -> Switch:
    """Give ``key`` of the ConfigMap ``live`` the value ``value``."""
    now = (live.get("data") or {}).get(key)
    if now == value:
        return Switch(path, {}, {key: now}, {key: now})
    patch = {"metadata": {"resourceVersion": live["metadata"]["resourceVersion"]}, "data": {key: value}}
    return Switch(path, patch, {key: now}, {key: value})


class Maintenance:
    """The maintenance switch of one service of the cluster."""

    def __init__(self, cluster: Cluster, params: Mapping[str, Json | None], timeout: float) -> None:
        self._cluster = cluster
        self._service = params.get("service")
        self._config_map = params.get("config_map")
        self._timeout = timeout

    def set(self, *, on: bool, dry_run: bool) -> Switch:
        """Turn maintenance on or off; traffic never moves to pods of which none is ready."""
        for _attempt in range(ATTEMPTS):
            switch = self._decide(on=on)
            if not switch.patch:
                return switch
            if switch.needs_pods:
                self._await_ready(switch.needs_pods, 0 if dry_run else self._timeout)
            try:
                self._cluster.patch(switch.path, switch.patch, content_type=MERGE_PATCH, dry_run=dry_run)
            except ApiError as error:
                if error.status != 409:
                    raise
                continue
            return switch
        raise RollbackError(f"{switch.path}: others changed it {ATTEMPTS} times in a row; run again")

    def _decide(self, *, on: bool) -> Switch:
        if self._service:
            path = path_of(SERVICES, self._service["namespace"], self._service["name"])
            return service_switch(self._cluster.get(path), path, self._service["selector"], on=on)
        wanted = self._config_map or {}
        path = path_of(CONFIG_MAPS, wanted["namespace"], wanted["name"])
        value = wanted["value_on"] if on else wanted["value_off"]
        return config_map_switch(self._cluster.get(path), path, wanted["key"], value)

    def _await_ready(self, labels: Mapping[str, str], timeout: float) -> None:
        """Wait until a pod with ``labels`` is ready, or raise."""
        namespace = (self._service or {})["namespace"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        query, deadline, seen = {"labelSelector": selector}, time.monotonic() + timeout, 0
        path = path_of(PODS, namespace)
        pods = self._cluster.get(path, query)["items"]
        if any(map(_serves, pods)):
            return
        with Mirror(self._cluster, {"pods": (path, query)}) as mirror:
            while time.monotonic() < deadline:
                seen, lists = mirror.snapshot(seen, min(1.0, timeout))
                if any(map(_serves, lists.get("pods", []))):
                    return
        raise RollbackError(
            f"no ready pod has the labels {selector} in namespace {namespace}, so no traffic was sent there; look: "
            f"kubectl -n {namespace} get pods -l {selector}"
        )


def _serves(item: Json) -> bool:
    pod = Pod.from_json(item)
    return pod.ready and not pod.deleted
