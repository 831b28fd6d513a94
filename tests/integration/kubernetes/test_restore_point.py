# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMaps and Secrets of a release: recorded, brought back, and noticed by the pods that use them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace

PLANTED = "planted-71c2e9"


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("of this test")
    return str(file)


def secret(value: str) -> Json:
    return {"data": {"LICENCE": base64.b64encode(value.encode()).decode()}}


def use(name: str, **container: Any) -> Json:
    """A container of the test service that uses ConfigMap and Secret ``name``."""
    sources = [{"configMapRef": {"name": name}}, {"secretRef": {"name": name}}]
    return {"envFrom": sources, **container}


def point(namespace: Namespace, **options: Any) -> Json:
    return namespace.call("restore_point_info", workloads=[{"name": "api", "namespace": namespace.name}], **options)


def joined(before: Json, after: Json) -> list[Json]:
    """The manifest's entries: what was recorded with the release, and before it."""
    previous = {(one["kind"], one["name"]): one["current"] for one in before["cluster_configurations"]}
    return [{**one, "previous": previous.get((one["kind"], one["name"]))} for one in after["cluster_configurations"]]


def test_all_that_a_rollback_needs_is_found_out(namespace: Namespace, password: str) -> None:
    namespace.create("ConfigMap", "settings", {"data": {"MODE": "old"}, "binaryData": {"icon": "AA=="}})
    namespace.create("Secret", "settings", secret(PLANTED))
    namespace.create("Secret", "copied", {"data": {}})
    container = use("settings", env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "copied", "key": "k"}}}])
    container["env"][0]["valueFrom"]["secretKeyRef"]["optional"] = True
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=2, container=container)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    bounds = {"spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}}
    namespace.create("HorizontalPodAutoscaler", "api", bounds, "autoscaling/v2")
    budget = {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "api"}}}}
    namespace.create("PodDisruptionBudget", "api", budget, "policy/v1")

    found = point(namespace, elsewhere=["copied"], vault_password_file=password)
    assert found == point(namespace, elsewhere=["copied"], vault_password_file=password), (
        "the same world, the same text"
    )
    (workload,) = found["workloads"]
    assert workload["images"] == {"main": "shop:1.4.2"}
    assert workload["preceding"] == {"main": "shop:1.4.1"}
    assert (workload["replicas"], workload["revision"]) == (2, 2)
    assert workload["autoscaler"] == {"name": "api", "min": 2, "max": 5}
    assert workload["disruption_budget"] == {"name": "api", "min_available": 1}
    assert workload["secrets"] == ["copied", "settings"]
    assert set(workload["image_ids"]) == {"main"}
    assert "pod-template-hash" not in json.dumps(workload["template"])
    contents = {(one["kind"], one["name"]): one["current"] for one in found["cluster_configurations"]}
    assert set(contents) == {("ConfigMap", "settings"), ("Secret", "settings")}
    assert contents["ConfigMap", "settings"]["binary_data"] == {"icon": "AA=="}
    assert PLANTED not in json.dumps(found)
    assert secret(PLANTED)["data"]["LICENCE"] not in json.dumps(found)

    without = point(namespace, elsewhere=["copied"])
    assert [one["kind"] for one in without["cluster_configurations"]] == ["ConfigMap"]
    assert "secret/settings" in without["notes"][0]
    assert "give a vault_password_file" in without["notes"][0]


def test_pods_that_have_not_noticed_are_found_and_a_restart_is_enough(namespace: Namespace, password: str) -> None:
    namespace.create("ConfigMap", "settings", {"data": {"MODE": "old"}})
    namespace.create("Secret", "settings", secret(PLANTED))
    namespace.deploy(replicas=2, container=use("settings"))
    namespace.settle()
    before = point(namespace, vault_password_file=password)
    namespace.patch("ConfigMap", "settings", {"data": {"MODE": "new", "EXTRA": "1"}})
    namespace.patch("Secret", "settings", secret("another"))
    workloads = [namespace.workload(current="shop:1.4.1", previous="shop:1.4.1")]
    namespace.rollout("restarted", workloads)
    entries = joined(before, point(namespace, vault_password_file=password))
    asked = {"configurations": entries, "vault_password_file": password}
    look = {**asked, "workloads": [{"name": "api", "namespace": namespace.name}]}

    predicted = namespace.call("configuration", check=True, **asked)
    assert predicted["changed"]
    assert namespace.get("ConfigMap", "settings")["data"]["MODE"] == "new"
    restored = namespace.call("configuration", **asked)
    assert restored == predicted | {"diff": restored["diff"]}
    assert restored["consumers"] == [{"name": "api", "namespace": namespace.name}]
    assert namespace.get("ConfigMap", "settings")["data"] == {"MODE": "old"}
    assert namespace.get("Secret", "settings")["data"] == secret(PLANTED)["data"]
    assert namespace.call("configuration", **asked)["changed"] is False
    shown = json.dumps([predicted, restored])
    assert PLANTED not in shown
    assert "another" not in shown

    found = namespace.call("configuration_info", **look)
    assert found["verdict"] == "fail"
    assert found["consumers"][0]["differing"] == ["LICENCE", "MODE"]
    assert all(one["position"] == "previous" for one in found["configurations"])
    namespace.rollout("restarted", workloads, restart_id="once")
    assert namespace.call("configuration_info", **look)["verdict"] == "pass"


def test_files_are_judged_by_when_the_pod_started(namespace: Namespace) -> None:
    namespace.create("ConfigMap", "files", {"data": {"page": "old"}})
    volume = {"name": "files", "configMap": {"name": "files"}}
    namespace.deploy(replicas=1)
    spec = {"volumes": [volume]}
    namespace.patch("Deployment", "api", {"spec": {"template": {"spec": spec}}})
    namespace.settle()
    before = point(namespace)
    namespace.patch("ConfigMap", "files", {"data": {"page": "new"}})
    entries = joined(before, point(namespace))
    started = max(
        one["state"]["running"]["startedAt"] for pod in namespace.pods() for one in pod["status"]["containerStatuses"]
    )
    namespace.until(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > started)
    look = {"configurations": entries, "workloads": [{"name": "api", "namespace": namespace.name}]}
    assert namespace.call("configuration", configurations=entries)["changed"]
    found = namespace.call("configuration_info", **look)
    assert (found["verdict"], found["consumers"][0]["started_before"]) == ("fail", 1)
    namespace.rollout("restarted", [namespace.workload(current="shop:1.4.1", previous="shop:1.4.1")])
    assert namespace.call("configuration_info", **look)["verdict"] == "pass"


def test_what_a_controller_keeps_is_neither_recorded_nor_brought_back(namespace: Namespace, password: str) -> None:
    """cert-manager renews it: what was recorded is a certificate that expires, and its operator would write it back."""
    kept = {"labels": {"reconcile.external-secrets.io/managed": "true"}}
    namespace.create("Secret", "settings", secret(PLANTED), **kept)
    namespace.create("ConfigMap", "settings", {"data": {"MODE": "old"}})
    namespace.deploy(replicas=0, container=use("settings"))
    found = point(namespace, vault_password_file=password)
    assert [one["kind"] for one in found["cluster_configurations"]] == ["ConfigMap"]
    assert any("secret/settings" in note and "is kept by External Secrets" in note for note in found["notes"])

    namespace.patch("Secret", "settings", {"metadata": {"labels": {next(iter(kept["labels"])): None}}})
    before = point(namespace, vault_password_file=password)  # as an earlier version has recorded it
    namespace.patch("Secret", "settings", {**secret("renewed"), "metadata": kept})
    entries = joined(before, before)
    restored = namespace.call("configuration", configurations=entries, vault_password_file=password)
    assert not restored["changed"]
    assert namespace.get("Secret", "settings")["data"] == secret("renewed")["data"]
    assert any("is kept by External Secrets, and left alone" in text for text in namespace.warned)


def test_a_container_without_the_program_env_is_judged_by_its_start(namespace: Namespace) -> None:
    """Images without a shell: containerd answers an exec there with a sentence, and no exit code."""
    namespace.create("ConfigMap", "settings", {"data": {"MODE": "old"}})
    namespace.deploy(
        replicas=1,
        container={"envFrom": [{"configMapRef": {"name": "settings"}}], "env": [{"name": "PATH", "value": "/none"}]},
    )
    namespace.settle()
    before = point(namespace)
    namespace.patch("ConfigMap", "settings", {"data": {"MODE": "new"}})
    entries = joined(before, point(namespace))
    [pod] = namespace.pods()
    started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    namespace.until(lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" > started)
    look = {"configurations": entries, "workloads": [{"name": "api", "namespace": namespace.name}]}
    assert namespace.call("configuration", configurations=entries)["changed"]
    found = namespace.call("configuration_info", **look)
    [consumer] = found["consumers"]
    assert (found["verdict"], consumer["verdict"], consumer["started_before"]) == ("fail", "fail", 1)
    assert "exec env in pod" in consumer["unread"]
    assert "the command could not be started" in consumer["unread"]
    namespace.rollout("restarted", [namespace.workload(current="shop:1.4.1", previous="shop:1.4.1")])
    assert namespace.call("configuration_info", **look)["verdict"] == "pass"


def test_an_immutable_object_refuses_all_of_them(namespace: Namespace) -> None:
    for name in ("one", "two"):
        namespace.create("ConfigMap", name, {"data": {"K": "old"}})
    sources = [{"configMapRef": {"name": name}} for name in ("one", "two")]
    namespace.deploy(replicas=0, container={"envFrom": sources})
    before = point(namespace)
    for name in ("one", "two"):
        namespace.patch("ConfigMap", name, {"data": {"K": "new"}})
    namespace.patch("ConfigMap", "two", {"immutable": True})
    entries = joined(before, point(namespace))
    with pytest.raises(RollbackError, match=r"configmap/two in .* is immutable .*nothing was changed"):
        namespace.call("configuration", configurations=entries)
    assert namespace.get("ConfigMap", "one")["data"] == {"K": "new"}
