# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped Role is enough for a whole rollback, and what is missing without it is named beforehand."""

from __future__ import annotations

import base64
from pathlib import Path

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
    role, _binding = yaml.safe_load_all(policy.read_text())
    found: list[Json] = role["rules"]
    return found


def test_the_shipped_role_is_enough_for_a_whole_rollback(robot: Namespace) -> None:
    grant(robot, rules())
    workloads = [robot.workload()]
    assert robot.call("rollout_info", workloads=workloads, check_permissions=True)["missing_permissions"] == []
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


def test_every_missing_right_is_named_before_anything_is_touched(robot: Namespace) -> None:
    without_patch = [rule for rule in rules() if rule["resources"] != ["pods/log"]]
    without_patch[0] = {**without_patch[0], "verbs": ["get", "list", "watch"]}
    grant(robot, without_patch)
    told = robot.call("rollout_info", workloads=[robot.workload()], check_permissions=True)["missing_permissions"]
    assert told == [f"get pods/log -n {robot.name}", f"patch deployments.apps -n {robot.name}"]


def test_without_any_right_the_list_is_in_the_error(robot: Namespace) -> None:
    with pytest.raises(RollbackError, match=r"403 .*docs/policies/kubernetes-rollback\.yml") as caught:
        robot.call("rollout_info", workloads=[robot.workload()], check_permissions=True)
    assert f"get deployments.apps -n {robot.name}" in caught.value.details["missing_permissions"]


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
