# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployments are quiesced, rolled back, restored and restarted on a cluster; each test is one way it goes wrong."""

from __future__ import annotations

import re
import threading
import time
import urllib.request

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import PROBED, Json, Namespace, template

REPLICAS = "rollback.octalume.io/replicas"


def test_replicas_come_back_after_a_quiesce(released: Namespace) -> None:
    """`scale --replicas=0`, `undo` and `rollout status` end in a verified outage; this does not."""
    down = released.rollout("quiesced")
    assert (released.replicas(), released.pods()) == (0, [])
    assert released.get("Deployment", "api")["metadata"]["annotations"][REPLICAS] == "2"
    assert down["workloads"][0]["strategy"] == "quiesce"
    back = released.rollout("rolled_back", change_cause="Rollback of 1.4.2")
    assert (released.images(), released.replicas()) == (["shop:1.4.1"], 2)
    assert [pod["status"]["containerStatuses"][0]["ready"] for pod in released.pods()] == [True, True]
    annotations = released.get("Deployment", "api")["metadata"]["annotations"]
    assert annotations["kubernetes.io/change-cause"] == "Rollback of 1.4.2"
    assert annotations["team.example.com/owner"] == "shop"
    assert REPLICAS not in annotations
    [entry] = back["workloads"]
    assert entry["strategy"] == "quiesced"
    assert (entry["before"]["replicas"], entry["after"]["replicas"]) == (0, 2)
    assert entry["target"]["revision"] == 1


def test_a_second_run_changes_nothing(released: Namespace) -> None:
    """A second `undo` returns to the bad version."""
    assert released.rollout("rolled_back")["changed"]
    generation = released.get("Deployment", "api")["metadata"]["generation"]
    for state in ("quiesced", "rolled_back"):
        again = released.rollout(state)
        assert not again["changed"]
        assert again["diff"] == []
    assert released.images() == ["shop:1.4.1"]
    assert len(released.pods()) == 2
    assert released.get("Deployment", "api")["metadata"]["generation"] == generation


def test_a_healthy_version_is_not_reverted_when_the_deploy_never_happened(namespace: Namespace) -> None:
    namespace.history(["shop:1.4.0", "shop:1.4.1"])
    assert not namespace.rollout("rolled_back")["changed"]
    assert namespace.images() == ["shop:1.4.1"]


def test_a_third_version_is_refused_with_nothing_changed(namespace: Namespace) -> None:
    namespace.deploy(image="shop:1.4.0")
    namespace.settle()
    for state in ("quiesced", "rolled_back"):
        with pytest.raises(RollbackError, match=r"runs main=shop:1\.4\.0: neither .*nothing was changed"):
            namespace.rollout(state)
    assert namespace.images() == ["shop:1.4.0"]
    assert namespace.info()["position"] == "other"


def test_a_revision_in_between_does_not_matter(namespace: Namespace) -> None:
    """`undo` and k8s_rollback go one revision back, whatever that was."""
    namespace.history(["shop:1.4.1", "shop:1.4.0", "shop:1.4.2"])
    assert namespace.rollout("rolled_back")["workloads"][0]["target"]["revision"] == 1
    assert namespace.images() == ["shop:1.4.1"]


def test_another_deployments_replica_set_with_the_same_labels_is_never_used(released: Namespace) -> None:
    """k8s_rollback selects ReplicaSets by labels and applied another Deployment's template."""
    labels = {"app": "api", "tier": "canary"}
    other = template("api", "shop:1.4.1")
    other["metadata"]["labels"] = labels
    other["spec"]["containers"][0]["env"] = [{"name": "CANARY", "value": "yes"}]
    released.create(
        "Deployment",
        "canary",
        {"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": other}},
        "apps/v1",
    )
    released.settle("canary")
    assert not released.info()["target"]["ambiguous"]
    released.rollout("quiesced")
    assert released.replicas("canary") == 1
    released.rollout("rolled_back")
    assert "env" not in released.get("Deployment", "api")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("recorded", "source", "mode"),
    [(True, "manifest", "old"), (False, "live", "new")],
    ids=["recorded", "not recorded"],
)
def test_without_history_the_manifest_is_enough(namespace: Namespace, recorded: bool, source: str, mode: str) -> None:
    """The recorded template brings all of it back; without one the images come back, and the rest is told."""
    namespace.history([{"image": "shop:1.4.1", "env": [{"name": "MODE", "value": "old"}]}], revisionHistoryLimit=0)
    record = namespace.get("Deployment", "api")["spec"]["template"]
    namespace.release("shop:1.4.2", env=[{"name": "MODE", "value": "new"}])
    namespace.until(lambda: len(namespace.items("ReplicaSet")) == 1)
    namespace.settle()
    workloads = [namespace.workload(template=record if recorded else None)]
    entry = namespace.info(workloads=workloads)
    assert entry["target"]["source"] == source
    assert any("no revision" in problem for problem in entry["problems"])
    namespace.rollout("quiesced", workloads)
    [done] = namespace.rollout("rolled_back", workloads)["workloads"]
    assert (namespace.images(), namespace.replicas(), done["target"]["source"]) == (["shop:1.4.1"], 2, source)
    [container] = namespace.get("Deployment", "api")["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "MODE", "value": mode}]
    told = any("keeps whatever else the release changed in it" in warning for warning in namespace.warned)
    assert told == (not recorded)


def test_two_revisions_with_one_image_are_told_apart_by_the_record(namespace: Namespace) -> None:
    namespace.history(["shop:1.4.1"])
    record = namespace.get("Deployment", "api")["spec"]["template"]
    namespace.release("shop:1.4.1", env=[{"name": "MODE", "value": "trial"}])
    namespace.until(lambda: len(namespace.items("ReplicaSet")) == 2)
    namespace.release("shop:1.4.2")
    namespace.settle()
    assert namespace.info()["target"]["ambiguous"]
    told = namespace.info(workloads=[namespace.workload(template=record)])["target"]
    assert (told["revision"], told["ambiguous"]) == (1, False)


def test_a_paused_deployment_is_refused_and_resumed_by_option(released: Namespace) -> None:
    """A raw PATCH of a paused Deployment is accepted and does nothing."""
    released.patch("Deployment", "api", {"spec": {"paused": True}})
    with pytest.raises(RollbackError, match=r"is paused.*kubectl rollout resume"):
        released.rollout("rolled_back")
    assert released.images() == ["shop:1.4.2"]
    released.rollout("rolled_back", resume_paused=True)
    assert released.images() == ["shop:1.4.1"]
    assert not released.get("Deployment", "api")["spec"].get("paused")


def test_what_argo_cd_owns_is_refused_before_anything_is_touched(released: Namespace) -> None:
    """Self-heal reverts a rollback in about 5 s."""
    mark = {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{released.name}/api"}
    released.patch("Deployment", "api", {"metadata": {"annotations": mark}})
    with pytest.raises(RollbackError, match=r"managed by Argo CD \(shop\).*git revert"):
        released.rollout("quiesced")
    assert released.replicas() == 2
    assert released.info()["owner"]["tool"] == "Argo CD"
    released.rollout("rolled_back", owner_policy="ignore")
    assert released.images() == ["shop:1.4.1"]


def test_the_autoscalers_floor_and_ceiling_are_respected(released: Namespace) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    bounds = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 5}
    released.rollout("quiesced")
    released.create("HorizontalPodAutoscaler", "api", {"spec": bounds}, "autoscaling/v2")
    assert released.info()["hpa"] == {"name": "api", "min": 3, "max": 5}
    [entry] = released.rollout("rolled_back")["workloads"]
    assert entry["after"]["replicas"] == 3


def test_an_autoscaler_may_scale_while_the_rollback_is_followed(released: Namespace) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    bounds = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5}
    released.create("HorizontalPodAutoscaler", "api", {"spec": bounds}, "autoscaling/v2")

    def scale() -> None:
        released.until(lambda: released.images() == ["shop:1.4.1"])
        released.patch("Deployment", "api", {"spec": {"replicas": 3}})

    scaler = threading.Thread(target=scale)
    scaler.start()
    [entry] = released.rollout("rolled_back", soak=1)["workloads"]
    scaler.join()
    assert (entry["before"]["replicas"], entry["after"]["replicas"]) == (2, 3)


def test_quiesced_means_the_last_pod_is_gone(namespace: Namespace) -> None:
    """status.replicas is absent within 0.1 s while pods still answer."""
    namespace.deploy(image="shop:slow", replicas=1)
    namespace.settle()
    workloads = [namespace.workload(current="shop:slow")]
    seen: list[int] = []

    def look() -> None:
        namespace.until(lambda: namespace.replicas() == 0)
        namespace.until(lambda: "replicas" not in namespace.get("Deployment", "api")["status"])
        seen.append(len(namespace.pods()))

    watcher = threading.Thread(target=look)
    watcher.start()
    started = time.monotonic()
    namespace.rollout("quiesced", workloads)
    assert time.monotonic() - started > 2.4
    watcher.join()
    assert seen == [1]
    assert namespace.pods() == []


def test_a_pod_that_does_not_leave_is_named_with_node_and_age(namespace: Namespace) -> None:
    namespace.deploy(image="shop:slow", replicas=1)
    namespace.settle()
    [pod] = namespace.pods()
    with pytest.raises(RollbackError) as caught:
        namespace.rollout("quiesced", [namespace.workload(current="shop:slow")], timeout=1)
    node = pod["spec"]["nodeName"]
    pattern = rf"still there after 1 s: {pod['metadata']['name']} on node {node}, Terminating for [12] s.*--force"
    assert re.search(pattern, caught.value.message)
    assert namespace.get("Deployment", "api")["metadata"]["annotations"][REPLICAS] == "1"


@pytest.mark.parametrize(
    ("bad", "container", "reason", "log"),
    [
        ("shop:1.4.9", {}, "ErrImagePull|ImagePullBackOff", ""),
        ("shop:crash", {}, "CrashLoopBackOff", "schema 42 expected, 41 found"),
        ("shop:1.4.1", {"envFrom": [{"secretRef": {"name": "gone"}}]}, "CreateContainerConfigError", ""),
    ],
)
def test_a_rollback_that_can_never_succeed_fails_within_seconds(
    namespace: Namespace, bad: str, container: Json, reason: str, log: str
) -> None:
    """The progress deadline tells it after 600 s."""
    namespace.history([{"image": bad, **PROBED, **container}, {"image": "shop:1.4.2", "envFrom": None}])
    started = time.monotonic()
    with pytest.raises(RollbackError) as caught:
        namespace.rollout("rolled_back", [namespace.workload(previous=bad)], timeout=120, soak=10)
    assert time.monotonic() - started < 15
    assert re.search(rf"container main of pod api-\S+: ({reason})", caught.value.message)
    assert log in caught.value.message
    assert caught.value.details["changed"] is True
    assert caught.value.details["workloads"][0]["error"]
    # The healthy pods of the release serve on.
    assert sum(pod["status"]["containerStatuses"][0]["ready"] for pod in namespace.pods()) == 2


@pytest.mark.parametrize("image", ["shop:far", "shop:cold"], ids=["registry", "database"])
def test_a_hiccup_at_the_start_is_waited_for(namespace: Namespace, image: str) -> None:
    """A registry that answers the third attempt, a database that is there for the third start."""
    namespace.history([{"image": image, **PROBED}, {"image": "shop:1.4.2", "readinessProbe": None}], replicas=1)
    [entry] = namespace.rollout("rolled_back", [namespace.workload(previous=image)], timeout=60)["workloads"]
    assert entry["after"]["images"] == {"main": image}
    told = {"shop:far": "ImagePull.*(i/o timeout|unexpected EOF)", "shop:cold": "CrashLoopBackOff"}[image]
    assert [line for line in namespace.told if re.search(told, line)], namespace.told


def test_a_crash_after_readiness_is_caught_by_the_soak(namespace: Namespace) -> None:
    """A crash loop that passes readiness briefly made `rollout status` succeed and then fell to 0/3."""
    namespace.history(["shop:crash-later", "shop:1.4.2"], replicas=1)
    with pytest.raises(RollbackError, match="CrashLoopBackOff"):
        namespace.rollout("rolled_back", [namespace.workload(previous="shop:crash-later")], soak=4, timeout=60)


def test_pods_that_are_never_ready_end_at_the_deadline_with_their_names(namespace: Namespace) -> None:
    unprobed = {"image": "shop:1.4.2", "readinessProbe": None}
    namespace.history([{"image": "shop:unready", **PROBED}, unprobed], replicas=1)
    with pytest.raises(RollbackError, match=r"not done after 4 s: 1/1 updated, \S+ ready.*kubectl describe"):
        namespace.rollout("rolled_back", [namespace.workload(previous="shop:unready")], timeout=4)


def test_several_workloads_are_worked_on_at_once(namespace: Namespace) -> None:
    names = ["api", "worker", "web"]
    for name in names:
        namespace.history(["shop:1.4.1", "shop:1.4.2"], name, replicas=1)
    workloads = [namespace.workload(name) for name in names]
    down = namespace.rollout("quiesced", workloads)
    back = namespace.rollout("rolled_back", workloads)
    assert [entry["name"] for entry in back["workloads"]] == names
    assert all(entry["changed"] for entry in [*down["workloads"], *back["workloads"]])
    assert [namespace.images(name) for name in names] == [["shop:1.4.1"]] * 3


def test_one_failure_ends_the_waiting_for_the_others(namespace: Namespace) -> None:
    for name, before in (("api", {"image": "shop:1.4.9"}), ("worker", {"image": "shop:unready", **PROBED})):
        namespace.history([before, {"image": "shop:1.4.2", "readinessProbe": None}], name, replicas=1)
    workloads = [namespace.workload(previous="shop:1.4.9"), namespace.workload("worker", previous="shop:unready")]
    started = time.monotonic()
    with pytest.raises(RollbackError, match=r"PullBackOff|ErrImagePull") as caught:
        namespace.rollout("rolled_back", workloads, timeout=60)
    assert time.monotonic() - started < 20
    assert "another workload failed" in caught.value.details["workloads"][1]["error"]
    assert "worker" not in caught.value.message


def test_check_mode_predicts_and_changes_nothing(released: Namespace) -> None:
    before = released.get("Deployment", "api")
    for state in ("quiesced", "rolled_back", "restarted"):
        result = released.call("rollout", check=True, state=state, workloads=[released.workload()])
        assert result["changed"]
    assert result["diff"][0]["before"]["replicas"] == 2
    after = released.get("Deployment", "api")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]


def test_the_diff_tells_images_replicas_and_annotations(released: Namespace) -> None:
    [diff] = released.rollout("quiesced")["diff"]
    assert diff["before"] == {
        "images": {"main": "shop:1.4.2"},
        "replicas": 2,
        "annotations": {"kubernetes.io/change-cause": "release 1.4.1"},
    }
    assert diff["after"]["replicas"] == 0
    assert diff["after"]["annotations"][REPLICAS] == "2"


def test_a_quiesce_is_undone_on_the_release(released: Namespace) -> None:
    released.rollout("quiesced")
    assert released.rollout("restored")["changed"]
    assert (released.images(), released.replicas(), len(released.pods())) == (["shop:1.4.2"], 2, 2)
    assert not released.rollout("restored")["changed"]


def test_a_restart_replaces_every_pod_once(released: Namespace) -> None:
    before = {pod["metadata"]["name"] for pod in released.pods()}
    assert released.rollout("restarted", restart_id="rollback-1")["changed"]
    after = {pod["metadata"]["name"] for pod in released.pods()}
    assert len(after) == 2
    assert not before & after
    assert not released.rollout("restarted", restart_id="rollback-1")["changed"]
    assert {pod["metadata"]["name"] for pod in released.pods()} == after


def test_a_gradual_rollback_fails_no_request(namespace: Namespace) -> None:
    """At 60 requests a second to the ready pods, as a Service sends them."""
    namespace.history(["shop:1.4.1", "shop:1.4.2"], container=PROBED)
    failures, answers, stop = list[str](), list[str](), threading.Event()
    endpoints: list[str] = []

    def follow() -> None:
        while not stop.wait(0.05):
            endpoints[:] = namespace.addresses()

    def load() -> None:
        begin, sent = time.monotonic(), 0
        while not stop.wait(max(0.0, begin + sent / 60 - time.monotonic())):
            sent += 1
            address = endpoints[sent % len(endpoints)]
            try:
                with urllib.request.urlopen(f"http://{address}:8080/version", timeout=2) as answer:
                    answers.append(answer.read().decode())
            except OSError as error:
                failures.append(repr(error))

    endpoints[:] = namespace.addresses()
    threads = [threading.Thread(target=follow), threading.Thread(target=load)]
    for thread in threads:
        thread.start()
    [entry] = namespace.rollout("rolled_back", soak=1)["workloads"]
    stop.set()
    for thread in threads:
        thread.join()
    assert entry["strategy"] == "rolling"
    assert failures == []
    assert {answers[0], answers[-1]} == {"1.4.2", "1.4.1"}
    assert len(answers) / entry["seconds"] > 30


@pytest.mark.parametrize("name", ["ghost", "api"])
def test_what_is_not_there_is_one_clear_error(namespace: Namespace, name: str) -> None:
    """A list in a namespace that does not exist is 200 with no items."""
    workload = {**namespace.workload(name), **({"namespace": "nowhere"} if name == "api" else {})}
    with pytest.raises(RollbackError, match=f"there is no Deployment {workload['namespace']}/{name}; look: kubectl"):
        namespace.rollout("rolled_back", [workload])


def test_a_workload_without_containers_is_refused(namespace: Namespace) -> None:
    with pytest.raises(RollbackError, match="has no containers"):
        namespace.rollout("rolled_back", [{"name": "api", "namespace": namespace.name, "containers": []}])
