# SPDX-License-Identifier: GPL-3.0-or-later
"""Who would undo a change is told with what to do about it, each in its own words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.owner import owner_of

Json = dict[str, Any]
HELM = {"meta.helm.sh/release-name": "shop"}
FLEET = {
    "objectset.rio.cattle.io/owner-name": "shop-bundle",
    "objectset.rio.cattle.io/owner-namespace": "fleet-default",
    "objectset.rio.cattle.io/owner-gvk": "fleet.cattle.io/v1alpha1, Kind=Bundle",
}


def live(annotations: Json | None = None, **labels: str) -> Json:
    meta = {"name": "api", "namespace": "production", "annotations": annotations or {}, "labels": labels}
    return {"kind": "Deployment", "metadata": meta}


def trigger(**more: Any) -> Json:
    one = {"from": {"kind": "ImageStreamTag", "name": "shop:stable"}, "fieldPath": "spec", **more}
    return {"image.openshift.io/triggers": json.dumps([one])}


@pytest.mark.parametrize(
    ("found", "tool", "name", "advice"),
    [
        (live(trigger()), "OpenShift image triggers", "shop:stable", "oc set triggers -n production deployment/api"),
        (live(trigger(paused="false")), "OpenShift image triggers", "shop:stable", "oc tag -n production PREVIOUS"),
        (live({"configmanagement.gke.io/managed": "enabled"}), "Config Sync", "RootSync", "nomos status"),
        (live({**FLEET}), "Rancher", "shop-bundle", "its Bundle fleet-default/shop-bundle applies it again"),
        (live({**FLEET, **HELM}, **{"app.kubernetes.io/managed-by": "Helm"}), "Rancher", "shop-bundle", "GitRepo"),
        (live(**{"kapp.k14s.io/app": "1605"}), "kapp", "1605", "kapp-controller"),
    ],
)
def test_a_reconciler_is_known_by_its_marks(found: Json, tool: str, name: str, advice: str) -> None:
    owner = owner_of(found)
    assert owner
    assert (owner.tool, owner.name, owner.as_result()["suspendable"]) == (tool, name, False)
    assert advice in owner.advice


@pytest.mark.parametrize(
    "annotations",
    [
        trigger(paused=True),
        trigger(paused="true"),
        {"image.openshift.io/triggers": "[]"},
        {"image.openshift.io/triggers": "no JSON"},
        {"configmanagement.gke.io/managed": "disabled"},
    ],
)
def test_what_is_held_or_left_alone_is_no_owner(annotations: Json) -> None:
    assert owner_of(live(annotations)) is None
