# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster puts in the way of a rollback: dead nodes, no room, budgets, and strategies that wait for people."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import MERGE_PATCH
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace, template
from tests.integration.kubernetes.test_other_kinds import running, serving

DEAD = "sandbox.octalume/dead"


@pytest.fixture
def dead_node(namespace: Namespace) -> Iterator[str]:
    """The node of the one pod of 1.4.2 has died, and nobody has noticed yet; its name."""
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    node = str(namespace.pods()[0]["spec"]["nodeName"])
    path = f"/api/v1/nodes/{node}"
    namespace.api.patch(path, {"metadata": {"annotations": {DEAD: "true"}}}, content_type=MERGE_PATCH)
    yield node
    namespace.api.patch(path, {"metadata": {"annotations": {DEAD: None}}}, content_type=MERGE_PATCH)


def test_a_pod_on_a_dead_node_is_named_with_node_and_age(namespace: Namespace, dead_node: str) -> None:
    """Pods stay Terminating without end: a deadline and a named error, and the same command goes on afterwards."""
    pod = namespace.pods()[0]["metadata"]["name"]
    with pytest.raises(RollbackError) as caught:
        namespace.rollout("quiesced", timeout=3)
    told = (
        rf"still there after 3 s: {pod} on node {dead_node}, Terminating for [2-9] s\. If the node is dead for certain"
    )
    assert re.search(told, caught.value.message)
    assert caught.value.message.endswith(f"delete pod --force --grace-period=0 {pod}")
    assert [entry["node"] for entry in caught.value.details["pods"]] == [dead_node]
    namespace.api._json("DELETE", namespace.path("Pod", pod), {"gracePeriodSeconds": "0"})
    namespace.rollout("quiesced")
    namespace.rollout("rolled_back")
    assert (namespace.images(), namespace.replicas(), len(namespace.addresses())) == (["shop:1.4.1"], 1, 1)


def test_pods_that_fit_on_no_node_are_told_in_seconds(namespace: Namespace) -> None:
    """A node went with its label since the previous version ran on it."""
    before = template("api", "shop:1.4.1")
    before["spec"]["nodeSelector"] = {"disk": "ssd"}
    namespace.history(["shop:1.4.2"], replicas=1)
    started = time.monotonic()
    with pytest.raises(RollbackError, match=r"cannot come right: pod api-\S+: Unschedulable: 0/2 nodes are available"):
        namespace.rollout("rolled_back", [namespace.workload(template=before)], timeout=120, unschedulable=3)
    assert time.monotonic() - started < 25
    assert len(namespace.addresses()) == 1, "the pod of the release serves on"


def test_a_node_that_comes_later_is_waited_for(namespace: Namespace) -> None:
    """Karpenter and the cluster-autoscaler see the pod first, and need minutes; the progress tells it meanwhile."""
    before = template("api", "shop:1.4.1")
    before["spec"]["nodeSelector"] = {"pool": namespace.name}
    namespace.history(["shop:1.4.2"], replicas=1)
    path = "/api/v1/nodes/node-2"

    def grow() -> None:
        namespace.until(lambda: any("Unschedulable: 0/2 nodes" in line for line in namespace.told))
        time.sleep(11)
        namespace.api.patch(path, {"metadata": {"labels": {"pool": namespace.name}}}, content_type=MERGE_PATCH)

    autoscaler = threading.Thread(target=grow)
    autoscaler.start()
    try:
        [entry] = namespace.rollout("rolled_back", [namespace.workload(template=before)], timeout=60)["workloads"]
    finally:
        autoscaler.join()
        namespace.api.patch(path, {"metadata": {"labels": {"pool": None}}}, content_type=MERGE_PATCH)
    assert entry["after"]["images"] == {"main": "shop:1.4.1"}


def test_a_disruption_budget_does_not_hold_a_rollback_back(namespace: Namespace) -> None:
    """It holds back evictions, and nothing is evicted."""
    namespace.history(["shop:1.4.1", "shop:1.4.2"])
    budget = {"spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "api"}}}}
    namespace.create("PodDisruptionBudget", "api", budget, "policy/v1")
    namespace.rollout("quiesced")
    namespace.rollout("rolled_back")
    assert (namespace.images(), len(namespace.addresses())) == (["shop:1.4.1"], 2)


@pytest.mark.parametrize(
    "more",
    [{"updateStrategy": {"type": "OnDelete"}}, {"podManagementPolicy": "Parallel"}],
    ids=["OnDelete", "Parallel"],
)
def test_stateful_sets_of_every_policy_come_back_through_quiesce(namespace: Namespace, more: Json) -> None:
    """OnDelete is refused where pods would stay, and no matter where all of them are gone."""
    body = {"selector": {"matchLabels": {"app": "api"}}, "serviceName": "api", "replicas": 0, **more}
    namespace.create("StatefulSet", "api", {"spec": {**body, "template": template("api", "shop:1.4.1")}}, "apps/v1")
    namespace.until(lambda: serving(namespace, "StatefulSet"))
    namespace.release("shop:1.4.2", kind="StatefulSet")
    namespace.until(lambda: len(namespace.items("ControllerRevision")) == 2)
    namespace.scale(2, kind="StatefulSet")
    workload = namespace.workload(kind="StatefulSet")
    namespace.rollout("quiesced", [workload])
    [entry] = namespace.rollout("rolled_back", [workload])["workloads"]
    assert (entry["before"]["replicas"], entry["after"]["replicas"]) == (0, 2)
    assert running(namespace) == ["shop:1.4.1"] * 2


def test_bounds_that_were_there_before_the_quiesce_hold_if_the_autoscaler_is_gone(released: Namespace) -> None:
    """KEDA takes its autoscaler away while it is held."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    bounds = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2}
    released.create("HorizontalPodAutoscaler", "api", {"spec": bounds}, "autoscaling/v2")
    released.rollout("quiesced")
    recorded = released.get("Deployment", "api")["metadata"]["annotations"]["rollback.octalume.io/hpa"]
    assert json.loads(recorded) == {"name": "api", "min": 1, "max": 2}
    released.api.delete(released.path("HorizontalPodAutoscaler", "api"))
    [entry] = released.rollout("rolled_back", replicas={"api": 7})["workloads"]
    assert entry["after"]["replicas"] == 2


def test_somebody_who_scales_up_during_a_quiesce_is_named(namespace: Namespace) -> None:
    """Pods of the release would meet the schema half-way down."""
    namespace.deploy(image="shop:slow", replicas=1)
    namespace.settle()

    def scale() -> None:
        namespace.until(lambda: namespace.replicas() == 0)
        change = {"spec": {"replicas": 1}}
        namespace.api.patch(namespace.path("Deployment", "api"), change, content_type=MERGE_PATCH)

    person = threading.Thread(target=scale)
    person.start()
    started = time.monotonic()
    with pytest.raises(RollbackError, match=r"it was started again.* while it was followed") as caught:
        namespace.rollout("quiesced", [namespace.workload(current="shop:slow")], timeout=60)
    person.join()
    assert time.monotonic() - started < 20
    assert "owner_policy=suspend" in caught.value.message


def test_jobs_that_run_the_release_are_told_of(released: Namespace) -> None:
    """Nothing stops them, and they would meet the schema half-way down."""
    job = {"template": {"spec": {"restartPolicy": "Never", **template("x", "shop:1.4.2")["spec"]}}}
    old = {"template": {"spec": {"restartPolicy": "Never", **template("x", "shop:1.4.1")["spec"]}}}
    for name, spec in (("report", job), ("old", old)):
        released.create("Job", f"{name}-now", {"spec": spec}, "batch/v1")
        cron = {"schedule": "0 * * * *", "jobTemplate": {"spec": spec}}
        released.create("CronJob", name, {"spec": cron}, "batch/v1")
    released.until(lambda: released.get("Job", "report-now").get("status", {}).get("active"))
    told = released.call("rollout_info", workloads=[released.workload()])["bystanders"]
    assert [text.partition(" ")[0] for text in told] == ["Job", "CronJob"]
    assert "wait --for=condition=complete job/report-now" in told[0]
    assert f'kubectl -n {released.name} patch cronjob report -p \'{{"spec":{{"suspend":true}}}}\'' in told[1]
    released.rollout("quiesced")
    assert released.warned[-2:] == told
