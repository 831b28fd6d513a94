# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Service is switched to maintenance and back, and which ones must not be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.maintenance import (
    SELECTOR,
    Switch,
    service_switch,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

Json = dict[str, Any]
PAGE = {"app": "maintenance"}


def service(selector: Json | None, saved: Json | None = None, kind: str = "ClusterIP", **annotations: str) -> Json:
    marks = {**annotations, **({SELECTOR: json.dumps(saved)} if saved is not None else {})}
    meta = {"name": "api", "namespace": "n", "resourceVersion": "7", "annotations": marks}
    return {"metadata": meta, "spec": {"selector": selector, "type": kind}}


def switched(live: Json, *, on: bool = True) -> Switch:
    return service_switch(live, "/services/api", PAGE, on=on)


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (service(None), "selects no pods: its endpoints were made by hand .*nothing was changed.*endpointslices"),
        (service({}), "selects no pods"),
        (service({"app": "api"}, kind="ExternalName"), "ExternalName.*nothing was changed"),
    ],
)
def test_a_service_that_finds_its_backends_otherwise_is_refused(live: Json, why: str) -> None:
    """Its endpoints would be replaced by those of the maintenance pods, and an empty selector brings none back."""
    with pytest.raises(RollbackError, match=why):
        switched(live)


def test_an_empty_selector_of_the_maintenance_pods_is_refused() -> None:
    with pytest.raises(RollbackError, match="the selector of the maintenance pods is empty"):
        service_switch(service({"app": "api"}), "/services/api", {}, on=True)


def test_a_switch_that_stands_is_left_alone() -> None:
    switch = switched(service(PAGE, {"app": "api"}))
    assert (switch.patch, switch.note, switch.before == switch.after) == ({}, "", True)


@pytest.mark.parametrize("now", [{"app": "api"}, {"app": "api", "track": "stable"}])
def test_a_switch_that_somebody_has_turned_back_is_set_again_and_told(now: Json) -> None:
    """What it selected at first is what it comes back to."""
    live = service(now, {"app": "api"})
    live["metadata"]["managedFields"] = [{"manager": "argocd-controller", "time": "2026-11-23T12:00:00Z"}]
    switch = switched(live)
    assert switch.after == {"selector": PAGE, "annotation": json.dumps({"app": "api"})}
    assert f"was turned to {json.dumps(now, sort_keys=True)} since by argocd-controller" in switch.note


def test_a_tool_that_may_turn_it_back_is_told_before() -> None:
    tracked = {"argocd.argoproj.io/tracking-id": "shop:/Service:n/api"}
    assert "is managed by Argo CD (shop)" in switched(service({"app": "api"}, **tracked)).note
    assert switched(service({"app": "api"})).note == ""


def test_it_comes_back_to_what_it_selected() -> None:
    assert switched(service(PAGE, {"app": "api"}), on=False).after == {"selector": {"app": "api"}, "annotation": None}
    assert switched(service({"app": "api"}), on=False).patch == {}
    with pytest.raises(RollbackError, match="is not recorded"):
        switched(service(PAGE), on=False)
