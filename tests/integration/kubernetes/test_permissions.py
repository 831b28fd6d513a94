# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped Role is enough for what the modules do, has nothing to spare, and what is missing is named beforehand."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._digest import digest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace

POLICY = Path(__file__).parents[3] / "docs" / "policies" / "kubernetes-rollback.yml"


RECORD = POLICY.with_name("kubernetes-record.yml")


def grant(namespace: Namespace, rules: list[Json]) -> None:
    """Give ``rules`` to the user robot."""
    namespace.create("Role", "rollback", {"rules": rules}, "rbac.authorization.k8s.io/v1")
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "rollback"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "robot"}
    body = {"roleRef": role, "subjects": [subject]}
    namespace.create("RoleBinding", "rollback", body, "rbac.authorization.k8s.io/v1")


@pytest.fixture
def robot(namespace: Namespace, tmp_path: Path) -> Namespace:
    """A release to roll back; modules are called by a user who has no rights yet."""
    values = {"APP_MODE": base64.b64encode(b"old").decode()}
    namespace.create("Secret", "app-config", {"data": values})
    environment = [{"secretRef": {"name": "app-config"}}]
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1, container={"envFrom": environment})
    namespace.create("Service", "api", {"spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}})
    authority = tmp_path / "ca.crt"
    authority.write_text(namespace.server.authority)
    namespace.login = {"host": namespace.server.url, "api_key": "robot-token", "ca_cert": str(authority)}
    return namespace


def rules(policy: Path = POLICY) -> list[Json]:
    role = yaml.safe_load(policy.read_text())["items"][0]
    found: list[Json] = role["rules"]
    return found


def asked(namespace: Namespace, kinds: Sequence[str] = ("Deployment",), **more: Any) -> Json:
    """What k8s_permissions_info says of a release that uses everything."""
    configurations = [{"path": "production/app", "secret": "app-config", "consumers": ["api"]}]
    manifest = {
        "applications": [{"kind": kind, "name": "api", "namespace": namespace.name} for kind in kinds],
        "configurations": configurations,
        "cluster_configurations": [
            {"kind": "ConfigMap", "name": "settings", "namespace": namespace.name, "consumers": ["api"]}
        ],
    }
    setting = {
        "manifest": manifest,
        "record_namespace": namespace.name,
        "lease": {"name": "rollback-shop", "namespace": namespace.name},
        "maintenance": {"service": {"name": "api", "namespace": namespace.name, "selector": {"app": "maintenance"}}},
    }
    return namespace.call("permissions_info", **{**setting, **more})


def single_rules(granted: list[Json]) -> Iterator[Json]:
    """One rule for each verb on each resource."""
    for rule in granted:
        for resource, verb in itertools.product(rule["resources"], rule["verbs"]):
            yield {**rule, "resources": [resource], "verbs": [verb]}


def test_the_shipped_role_is_enough_and_has_nothing_to_spare(robot: Namespace) -> None:
    robot.create("ConfigMap", "settings", {})
    grant(robot, rules())
    everything = asked(robot, ("Deployment", "StatefulSet", "DaemonSet"))
    assert (everything["missing"], everything["problems"], everything["blind"]) == ([], [], False)
    needed = {tuple(line.split()[:2]) for line in everything["asked"]}
    spare = [
        rule
        for rule in single_rules(rules())
        for resource, _unused, subresource in [rule["resources"][0].partition("/")]
        for thing in [resource + (f".{rule['apiGroups'][0]}" if rule["apiGroups"][0] else "")]
        if not any(verb == rule["verbs"][0] and name.partition("/")[0] == thing for verb, name in needed)
        or (subresource and not any(f"--subresource={subresource}" in line for line in everything["asked"]))
    ]
    assert spare == []


def test_the_modules_do_their_work_under_the_shipped_role(robot: Namespace) -> None:
    grant(robot, rules())
    robot.rollout("quiesced")
    robot.rollout("rolled_back")
    robot.rollout("restarted")
    service = {"name": "api", "namespace": robot.name, "selector": {"app": "api", "pod": "none"}}
    with pytest.raises(RollbackError, match="no ready pod"):
        robot.call("maintenance", service=service, timeout=0)
    targets = [{"namespace": robot.name, "secret": "app-config"}, {"namespace": robot.name, "name": "api"}]
    digests = {"APP_MODE": digest("k", "old")}
    assert robot.call("configuration_info", targets=targets, digests=digests, digest_key="k")["verdict"] == "pass"


def test_the_last_words_of_a_failure_need_no_more_than_the_role(robot: Namespace) -> None:
    grant(robot, rules())
    robot.rollout("quiesced")
    crashing = robot.workload(previous="shop:crash", template=None)
    with pytest.raises(RollbackError, match="schema 42 expected"):
        robot.rollout("rolled_back", [crashing], timeout=60, soak=10)


def test_every_right_that_is_taken_away_is_named(robot: Namespace) -> None:
    """Each verb on each resource of the Role, one at a time; a SelfSubjectAccessReview costs next to nothing."""
    robot.create("ConfigMap", "settings", {})
    grant(robot, rules())
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    singles = list(single_rules(rules()))
    for index, taken in enumerate(singles):
        robot.patch("Role", "rollback", {"rules": [*singles[:index], *singles[index + 1 :]]})
        resource, _unused, subresource = taken["resources"][0].partition("/")
        thing = f"{taken['verbs'][0]} {resource}" + (f".{taken['apiGroups'][0]}" if taken["apiGroups"][0] else "")
        told = asked(robot, kinds)
        assert told["missing"], thing
        assert all(re.match(rf"{re.escape(thing)}[/ ]", line) for line in told["missing"]), (thing, told["missing"])
        assert all((f"--subresource={subresource} " in line) == bool(subresource) for line in told["missing"])


def test_without_any_right_all_of_them_are_told_in_few_sentences(robot: Namespace) -> None:
    told = asked(robot)
    assert told["blind"]
    assert told["missing"] == told["asked"]
    assert f"get, patch leases.coordination.k8s.io/rollback-shop in {robot.name} (the lock)" in told["problems"]
    assert f"get secrets/app-config in {robot.name} (compare a copied Secret)" in told["problems"]
    assert len(told["problems"]) < len(told["missing"]) * 2 / 3


def test_a_tool_is_asked_for_only_where_it_will_be_suspended(robot: Namespace) -> None:
    flux = {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    robot.patch("Deployment", "api", {"metadata": {"labels": flux}})
    grant(robot, rules())
    wanted = "patch kustomizations.kustomize.toolkit.fluxcd.io/shop -n flux-system"
    assert wanted in asked(robot, owner_policy="suspend")["missing"]
    assert wanted not in asked(robot)["asked"]


def test_a_refusal_names_the_module_that_names_them_all(robot: Namespace) -> None:
    with pytest.raises(RollbackError, match=r"403 .*docs/policies/kubernetes-rollback\.yml.*k8s_permissions_info"):
        robot.call("rollout_info", workloads=[robot.workload()])


def test_a_login_that_is_not_valid_is_one_clear_error(robot: Namespace) -> None:
    robot.login["api_key"] = "expired"
    with pytest.raises(RollbackError, match=r"401.*kubectl auth whoami"):
        robot.rollout("quiesced")


def test_the_role_for_recording_reads_all_and_changes_nothing(robot: Namespace, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("of this test")
    granted = rules(RECORD)
    assert {verb for rule in granted for verb in rule["verbs"]} == {"get", "list"}
    grant(robot, granted)
    workloads = [{"name": "api", "namespace": robot.name}]
    found = robot.call("restore_point_info", workloads=workloads, vault_password_file=str(password))
    assert found["notes"] == []
    assert [item["name"] for item in found["cluster_configurations"]] == ["app-config"]


def test_what_may_not_be_read_is_told_and_left_out(robot: Namespace) -> None:
    grant(
        robot,
        [rule for rule in rules(RECORD) if rule["apiGroups"] not in ([""], ["policy"])]
        + [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    )
    found = robot.call("restore_point_info", workloads=[{"name": "api", "namespace": robot.name}])
    assert found["cluster_configurations"] == []
    assert [note for note in found["notes"] if "secret/app-config" in note and "may not be read" in note]
    assert [note for note in found["notes"] if "disruption budgets" in note]
