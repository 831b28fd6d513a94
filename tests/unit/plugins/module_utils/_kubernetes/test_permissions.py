# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights are drawn from what a rollback does, and named as a person asks for them and grants them."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes import permissions


def named(found: set[permissions.Right]) -> set[str]:
    """The rights as ``kubectl auth can-i`` takes them."""
    return {str(right) for right in found}


def test_rights_are_named_as_kubectl_takes_them() -> None:
    found = named(permissions.for_workloads([("Deployment", "production"), ("Deployment", "production")]))
    assert {"patch deployments.apps -n production", "get pods --subresource=log -n production"} <= found
    assert not any("/scale" in right or "secrets" in right or "delete" in right for right in found)
    (question,) = permissions.rights("", "production", "", "pods", "get", subresource="log")
    attributes = {"namespace": "production", "verb": "get", "resource": "pods", "subresource": "log"}
    assert question.question["spec"]["resourceAttributes"] == attributes


def test_only_stateful_sets_need_to_delete_and_only_deployments_need_no_events() -> None:
    extra = {kind: named(permissions.for_workloads([(kind, "a")])) for kind in ("StatefulSet", "DaemonSet")}
    assert {"delete pods -n a", "watch events -n a"} <= extra["StatefulSet"]
    assert "list events -n a" in extra["DaemonSet"]
    assert "delete pods -n a" not in extra["DaemonSet"]


@pytest.mark.parametrize(("version", "verbs"), [((1, 34), {"get"}), ((1, 35), {"get", "create"})])
def test_a_command_in_a_pod_is_a_create_too_from_1_35_on(version: tuple[int, int], verbs: set[str]) -> None:
    assert {right.verb for right in permissions.for_environments(["a"], version)} == verbs


@pytest.mark.parametrize(
    ("there", "rights"),
    [
        (True, {"get configmaps/shop -n a", "patch configmaps/shop -n a"}),
        (False, {"get configmaps/shop -n a", "create configmaps -n a", "delete configmaps/shop -n a"}),
    ],
)
def test_configuration_is_changed_by_name_and_made_again_where_it_is_gone(there: bool, rights: set[str]) -> None:
    assert named(permissions.for_configuration("ConfigMap", "a", "shop", there=there)) == rights


def test_a_tool_is_suspended_by_its_own_object() -> None:
    path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"
    wanted = {f"{verb} applications.argoproj.io/shop -n argocd" for verb in ("get", "patch")}
    assert named(permissions.for_object(path)) == wanted


def test_what_is_missing_is_told_with_one_sentence_for_each_resource() -> None:
    lacking = permissions.for_lock("a", "rollback-shop") | permissions.for_workloads([("Deployment", "a")])
    told = list(permissions.sentences(lacking))
    assert "get, patch leases.coordination.k8s.io/rollback-shop in a (the lock)" in told
    assert "create leases.coordination.k8s.io in a (the lock)" in told
    assert "get pods/log in a (explain a failure)" in told
    purposes = "look at the release, follow a rollout, change the release"
    assert f"get, list, patch, watch deployments.apps in a ({purposes})" in told
