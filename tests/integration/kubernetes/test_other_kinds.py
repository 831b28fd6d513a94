# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSets and DaemonSets are quiesced, rolled back, restored and restarted on a cluster."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.rollout import problems

from tests.integration.kubernetes.conftest import Json, Namespace, template

REPLICAS = "rollback.octalume.io/replicas"
KINDS = ("StatefulSet", "DaemonSet")


def deploy(namespace: Namespace, kind: str, images: list[str], *, wait: bool = True) -> None:
    """Make the workload and bring it through ``images``; without ``wait`` only its controller has to have seen each."""
    body: Json = {"selector": {"matchLabels": {"app": "api"}}, "template": template("api", images[0])}
    body |= {} if kind == "DaemonSet" else {"replicas": 2}
    body |= {"serviceName": "api"} if kind == "StatefulSet" else {}
    done = serving if wait else seen
    namespace.create(kind, "api", {"spec": body}, "apps/v1")
    namespace.until(lambda: done(namespace, kind))
    for image in images[1:]:
        namespace.release(image, kind=kind)
        namespace.until(lambda: done(namespace, kind))


def seen(namespace: Namespace, kind: str) -> bool:
    """Whether the controller has seen the live spec."""
    live = namespace.get(kind, "api")
    return bool(live.get("status", {}).get("observedGeneration") == live["metadata"]["generation"])


def serving(namespace: Namespace, kind: str) -> bool:
    """Whether the controller has seen the live spec and every pod is new, ready and alone."""
    live = namespace.get(kind, "api")
    status = live.get("status", {})
    names = ("updatedReplicas", "readyReplicas", "availableReplicas", "replicas")
    if kind == "DaemonSet":
        names = ("updatedNumberScheduled", "numberReady", "numberAvailable", "currentNumberScheduled")
    wanted = live["spec"].get("replicas", status.get("desiredNumberScheduled"))
    observed = status.get("observedGeneration") == live["metadata"]["generation"]
    return observed and {status.get(name, 0) for name in names} == {wanted} and len(namespace.pods()) == wanted


def running(namespace: Namespace) -> list[str]:
    """Image of each pod that is ready and not leaving."""
    there = namespace.addresses()
    pods = [pod for pod in namespace.pods() if pod["status"].get("podIP") in there]
    return [pod["spec"]["containers"][0]["image"] for pod in pods]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_quiesced_comes_back_with_the_previous_version(namespace: Namespace, kind: str) -> None:
    deploy(namespace, kind, ["shop:1.4.1", "shop:1.4.2"])
    count = len(namespace.pods())
    workload = namespace.workload(kind=kind)

    down = namespace.rollout("quiesced", [workload])
    assert down["changed"]
    assert namespace.pods() == []
    assert namespace.get(kind, "api")["metadata"]["annotations"][REPLICAS] == str(count)
    assert not namespace.rollout("quiesced", [workload])["changed"]

    [entry] = namespace.rollout("rolled_back", [workload])["workloads"]
    assert entry["changed"]
    assert (entry["strategy"], entry["target"]["revision"]) == ("quiesced", 1)
    assert entry["after"]["images"] == {"main": "shop:1.4.1"}
    assert running(namespace) == ["shop:1.4.1"] * count
    live = namespace.get(kind, "api")
    assert REPLICAS not in live["metadata"]["annotations"]
    assert "nodeSelector" not in live["spec"]["template"]["spec"]
    for state in ("quiesced", "rolled_back"):
        assert not namespace.rollout(state, [workload])["changed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradual_rollback_goes_pod_by_pod(namespace: Namespace, kind: str) -> None:
    deploy(namespace, kind, ["shop:1.4.1", "shop:1.4.2"])
    workload = namespace.workload(kind=kind)
    [entry] = namespace.rollout("rolled_back", [workload])["workloads"]
    assert (entry["strategy"], entry["before"]["revision"], entry["after"]["revision"]) == ("rolling", 2, 3)
    assert running(namespace) == ["shop:1.4.1"] * 2
    assert namespace.info(workloads=[workload])["position"] == "previous"


@pytest.mark.parametrize("kind", KINDS)
def test_a_quiesce_is_undone_on_the_release(namespace: Namespace, kind: str) -> None:
    deploy(namespace, kind, ["shop:1.4.1", "shop:1.4.2"])
    workload = namespace.workload(kind=kind)
    namespace.rollout("quiesced", [workload])
    assert namespace.rollout("restored", [workload])["changed"]
    assert running(namespace) == ["shop:1.4.2"] * 2
    assert not namespace.rollout("restored", [workload])["changed"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_replaces_every_pod_once(namespace: Namespace, kind: str) -> None:
    deploy(namespace, kind, ["shop:1.4.2"])
    workload, before = namespace.workload(kind=kind), {pod["metadata"]["uid"] for pod in namespace.pods()}
    assert namespace.rollout("restarted", [workload], restart_id="rollback-1")["changed"]
    after = {pod["metadata"]["uid"] for pod in namespace.pods()}
    assert len(after) == len(before) == 2
    assert not before & after
    assert not namespace.rollout("restarted", [workload], restart_id="rollback-1")["changed"]
    assert {pod["metadata"]["uid"] for pod in namespace.pods()} == after


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_never_run_is_told_within_seconds(namespace: Namespace, kind: str) -> None:
    deploy(namespace, kind, ["shop:1.4.9", "shop:1.4.2"], wait=False)
    workload = namespace.workload(kind=kind, previous="shop:1.4.9")
    with pytest.raises(RollbackError, match=r"container main of pod api-\S+: (ErrImagePull|ImagePullBackOff)"):
        namespace.rollout("rolled_back", [workload], timeout=60)


def test_a_full_quota_is_told_in_seconds(namespaces: Callable[[], Namespace]) -> None:
    """A Deployment has ReplicaFailure while Progressing tells the old success; of the others only events tell."""
    kinds = ("Deployment", *KINDS)
    places = [namespaces() for _unused in kinds]
    if not places[0].enforces_quotas():
        pytest.skip("this cluster does not enforce ResourceQuotas")

    def roll_back(namespace: Namespace, kind: str) -> None:
        deploy(namespace, kind, ["shop:1.4.1", "shop:1.4.2"])
        workload = namespace.workload(kind=kind)
        namespace.rollout("quiesced", [workload])
        namespace.create("ResourceQuota", "small", {"spec": {"hard": {"pods": "1"}}})
        started = time.monotonic()
        with pytest.raises(RollbackError, match=r"FailedCreate.*exceeded quota"):
            namespace.rollout("rolled_back", [workload], timeout=120)
        assert time.monotonic() - started < 20

    with ThreadPoolExecutor() as pool:
        list(pool.map(roll_back, places, kinds))


def test_a_stateful_set_that_hangs_in_the_release_is_brought_back(namespace: Namespace) -> None:
    """Its controller waits for ever for the pod that is never ready, whatever the template says by now."""
    deploy(namespace, "StatefulSet", ["shop:1.4.1"])
    namespace.release("shop:1.4.9", kind="StatefulSet")
    namespace.until(lambda: [p for p in namespace.pods() if p["spec"]["containers"][0]["image"] == "shop:1.4.9"])
    workload = namespace.workload(kind="StatefulSet", current="shop:1.4.9")
    assert namespace.rollout("rolled_back", [workload])["changed"]
    assert running(namespace) == ["shop:1.4.1"] * 2


def test_a_stateful_set_with_several_sick_pods_can_be_quiesced(namespace: Namespace, tmp_path: Path) -> None:
    """In order, its controller takes none away while a second one is not ready: it would stand there for ever."""
    sick = tmp_path / "database-is-gone"
    probe = {"exec": {"command": ["test", "!", "-e", str(sick)]}, "periodSeconds": 1, "failureThreshold": 1}
    pods = template("api", "shop:1.4.2", readinessProbe=probe)
    body = {"selector": {"matchLabels": {"app": "api"}}, "serviceName": "api", "replicas": 3, "template": pods}
    namespace.create("StatefulSet", "api", {"spec": body}, "apps/v1")
    namespace.until(lambda: serving(namespace, "StatefulSet"))
    sick.touch()
    namespace.until(lambda: not namespace.addresses())
    namespace.rollout("quiesced", [namespace.workload(kind="StatefulSet")], timeout=20)
    assert namespace.pods() == []
    assert len([line for line in namespace.told if "which is not ready and holds the rest up" in line]) >= 2


@pytest.mark.parametrize(
    ("kind", "strategy", "message"),
    [
        ("StatefulSet", {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "has a partition of 1"),
        ("StatefulSet", {"type": "OnDelete"}, r"replaces pods only when they are deleted \(OnDelete\)"),
        ("DaemonSet", {"type": "OnDelete"}, r"replaces pods only when they are deleted \(OnDelete\)"),
    ],
)
def test_a_strategy_that_would_leave_pods_behind_is_refused(
    namespace: Namespace, kind: str, strategy: Json, message: str
) -> None:
    deploy(namespace, kind, ["shop:1.4.1"])
    namespace.release("shop:1.4.2", kind=kind)
    namespace.until(lambda: serving(namespace, kind))
    namespace.patch(kind, "api", {"spec": {"updateStrategy": {"rollingUpdate": None, **strategy}}})
    version = namespace.get(kind, "api")["metadata"]["generation"]
    with pytest.raises(RollbackError, match=message):
        namespace.rollout("rolled_back", [namespace.workload(kind=kind)])
    assert namespace.get(kind, "api")["metadata"]["generation"] == version
    entry = namespace.info(workloads=[namespace.workload(kind=kind)])
    [told] = entry["refusals"]["rolling"]
    assert re.search(message, told), "the plan says it before anything is taken down"
    assert (told in entry["refusals"]["quiesce"]) is ("partition" in message)
    no_database, breaking = ([], []), ([{"name": "d", "current": "42", "problems": []}], [BREAKING])
    assert problems([entry], *no_database, []) == [told]
    assert problems([entry], *breaking, []) == entry["refusals"]["quiesce"]


BREAKING = {"name": "d", "current": "42", "previous": "41", "breaking": True}


def test_all_kinds_of_a_release_are_worked_on_in_one_call(namespaces: Callable[[], Namespace]) -> None:
    places = [namespaces() for _unused in range(3)]
    places[0].history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    for place, kind in zip(places[1:], KINDS, strict=True):
        deploy(place, kind, ["shop:1.4.1", "shop:1.4.2"])
    workloads = [place.workload(kind=kind) for place, kind in zip(places, ("Deployment", *KINDS), strict=True)]
    for state in ("quiesced", "rolled_back"):
        entries = places[0].rollout(state, workloads)["workloads"]
        assert [entry["kind"] for entry in entries] == ["Deployment", *KINDS]
        assert all(entry["changed"] for entry in entries)
    assert [set(running(place)) for place in places] == [{"shop:1.4.1"}] * 3
