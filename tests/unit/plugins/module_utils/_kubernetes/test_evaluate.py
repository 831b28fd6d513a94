# SPDX-License-Identifier: GPL-3.0-or-later
"""Judgement on states that a real cluster went through, and on variations of them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.evaluate import (
    age_leaving,
    health,
    position,
    remaining,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import (
    Container,
    Observed,
    Pod,
    Workload,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.patience import PATIENCE, Limits

from tests.unit.plugins.module_utils._kubernetes.conftest import api_server

Json = dict[str, Any]
Replay = Callable[..., Iterator[tuple[float, Observed]]]
API = Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1")
Make = Callable[..., Observed]


def test_a_real_rollout_is_settled_only_when_the_last_old_pod_is_gone(replay: Replay) -> None:
    states = list(replay("rollout_to_1.4.2", api_server("1.4.2", "1.4.1")))
    begun = [(second, state) for second, state in states if state.live["metadata"]["generation"] > 3 or second > 1.2]
    settled = [second for second, state in begun if position(state) == "release" and health(state, 3).settled]
    left = [second for second, state in begun if any(pod.deleted for pod in state.pods)]
    assert settled
    assert min(settled) > max(left) > 4


def test_status_counts_of_the_old_pods_never_pass_for_the_new_ones(replay: Replay) -> None:
    """observedGeneration, ready and available are as wanted long before the new pods are."""
    deceptive = [
        second
        for second, state in replay("bad_image", api_server("9.9.9", "1.4.1"))
        if position(state) == "release" and state.live["status"].get("readyReplicas") == 3
    ]
    settled = [
        second
        for second, state in replay("bad_image", api_server("9.9.9", "1.4.1"))
        if position(state) == "release" and health(state, 3).settled
    ]
    assert deceptive
    assert not settled


def test_a_scale_to_zero_is_over_with_the_last_pod_and_not_with_the_status(replay: Replay) -> None:
    # The recorded lists hold one item each; all ReplicaSets and pods have been seen by now.
    states = [(second, state) for second, state in replay("scale_to_zero_and_back", api_server()) if second > 1.3]
    by_status = next(second for second, state in states if "replicas" not in state.live["status"])
    by_pods = next(second for second, state in states if not state.pods)
    assert by_status < 1.4
    assert by_pods > 6.4


def test_pods_that_finished_but_are_still_listed_count_as_left(replay: Replay) -> None:
    state = [state for second, state in replay("scale_to_zero_and_back", api_server()) if second <= 6.0][-1]
    assert len(state.pods) == 3
    assert not health(state, 0).settled


def test_a_bad_image_is_known_within_a_second_and_given_up_long_before_the_deadline(replay: Replay) -> None:
    states = replay("bad_image", api_server("9.9.9", "1.4.1"))
    seen = {
        problem.reason: (second, problem.fatal_after)
        for second, state in reversed(list(states))
        for problem in health(state, 3).problems
    }
    second, patience = seen["ErrImagePull"]
    assert 1.9 < second < 2.1
    assert second + patience < seen["ProgressDeadlineExceeded"][0]


def test_a_passed_deadline_is_forgotten_when_the_controller_catches_up(replay: Replay) -> None:
    reasons = [
        (second, problem.reason)
        for second, state in replay("bad_image", api_server("9.9.9", "1.4.1"))
        for problem in health(state, 3).problems
        if problem.reason == "ProgressDeadlineExceeded"
    ]
    assert reasons
    assert max(second for second, _reason in reasons) < 15.2


def overdue(ready: int) -> Callable[[Json], None]:
    def change(objects: Json) -> None:
        for pod in objects["pods"][ready:]:
            pod["status"]["conditions"][2]["status"] = "False"
        objects["deployment"]["status"]["conditions"][1].update(reason="ProgressDeadlineExceeded", status="False")

    return change


def test_a_passed_deadline_counts_anew_whenever_pods_advance(observed: Make) -> None:
    keys = {problem.key for ready in (0, 1, 2) for problem in health(observed(overdue(ready)), 3).problems}
    assert len(keys) == 3
    assert PATIENCE["ProgressDeadlineExceeded"] > 0


def test_zero_pods_are_no_success_when_some_are_wanted(observed: Make) -> None:
    """What `rollout status` says after `scale --replicas=0` and `undo`: successfully rolled out."""

    def emptied(objects: Json) -> None:
        objects["deployment"]["spec"]["replicas"] = 0
        for count in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"):
            del objects["deployment"]["status"][count]
        objects["pods"].clear()

    state = observed(emptied)
    assert not health(state, 3).settled
    assert health(state, 0).settled


@pytest.mark.parametrize(
    "spoil",
    [
        lambda objects: objects["deployment"]["metadata"].update(
            generation=objects["deployment"]["metadata"]["generation"] + 1
        ),
        lambda objects: objects["deployment"]["status"].update(availableReplicas=2),
        lambda objects: objects["deployment"]["status"].update(replicas=4),
        lambda objects: objects["deployment"]["status"].update(updatedReplicas=2),
        lambda objects: objects["pods"].pop(),
        lambda objects: objects["pods"][0]["metadata"].update(deletionTimestamp="2026-11-23T08:01:11Z"),
        lambda objects: objects["pods"][0]["status"]["conditions"][2].update(status="False"),
    ],
    ids=["generation", "available", "surplus", "updated", "missing pod", "leaving pod", "unready pod"],
)
def test_one_wrong_count_is_not_settled(observed: Make, spoil: Callable[[Json], None]) -> None:
    assert health(observed(), 3).settled
    assert not health(observed(spoil), 3).settled


def test_pods_with_the_same_labels_but_another_owner_are_not_counted(observed: Make) -> None:
    def foreign(objects: Json) -> None:
        objects["pods"].append(
            {
                **objects["pods"][0],
                "metadata": {**objects["pods"][0]["metadata"], "name": "stranger", "ownerReferences": []},
            }
        )

    assert len(observed(foreign).pods) == 3
    assert health(observed(foreign), 3).settled


def test_an_evicted_pod_that_only_lies_there_is_not_waited_for(observed: Make) -> None:
    def evicted(objects: Json) -> None:
        metadata = {**objects["pods"][0]["metadata"], "name": "evicted", "uid": "evicted"}
        objects["pods"].append(
            {**objects["pods"][0], "metadata": metadata, "status": {"phase": "Failed", "reason": "Evicted"}}
        )

    assert health(observed(evicted), 3).settled


@pytest.mark.parametrize(
    ("waiting", "patience"),
    [
        ("ImagePullBackOff", 45),
        ("CrashLoopBackOff", math.inf),
        ("InvalidImageName", 0),
        ("CreateContainerConfigError", 3),
        ("ErrImagePull", 45),
        ("ContainerCreating", None),
        ("PodInitializing", None),
    ],
)
def test_reasons_that_can_never_come_right_are_named(observed: Make, waiting: str, patience: float | None) -> None:
    def stuck(objects: Json) -> None:
        status = objects["pods"][0]["status"]["containerStatuses"][0]
        status.update(state={"waiting": {"reason": waiting, "message": "because"}}, ready=False)

    problems = health(observed(stuck), 3).problems
    assert [problem.fatal_after for problem in problems] == ([] if patience is None else [patience])
    for problem in problems:
        assert f"container api of pod {problem.pod}: {waiting}: because" == str(problem)


@pytest.mark.parametrize(
    ("message", "patience"),
    [
        ('failed to resolve reference "docker.io/shop/api:9": docker.io/shop/api:9: not found', 0),
        ('Back-off pulling image "api:9": ErrImagePull: reading manifest 9 in docker.io/api: manifest unknown', 0),
        ("pull access denied, repository does not exist or may require authorization", 0),
        ("Error response from daemon: unauthorized: project shop not found", 0),
        ("no match for platform in manifest", 0),
        ("dial tcp 10.0.0.9:443: i/o timeout", 45),
        ("unexpected status code 503 Service Unavailable", 45),
        ("toomanyrequests: You have reached your pull rate limit", 45),
        ("failed to prepare extraction snapshot: parent snapshot sha256:1 does not exist: not found", 45),
        ('Back-off pulling image "shop/denied:1"', 45),
    ],
)
def test_an_image_that_does_not_exist_is_given_up_at_once_and_a_registry_asked_again(
    observed: Make, message: str, patience: float
) -> None:
    """The first attempt's error stands for 10 s and more, until the kubelet's second one (recorded: 13 s)."""
    keys = set()
    for reason in ("ErrImagePull", "ImagePullBackOff"):

        def stuck(objects: Json, reason: str = reason) -> None:
            status = objects["pods"][0]["status"]["containerStatuses"][0]
            status.update(state={"waiting": {"reason": reason, "message": message}}, ready=False)

        [problem] = health(observed(stuck), 3).problems
        assert problem.fatal_after == patience
        keys.add(problem.key)
    assert len(keys) == 1, "the two take turns, and are one problem of one age"


@pytest.mark.parametrize(
    ("restarts", "before", "patience"), [(1, 0, math.inf), (2, 0, math.inf), (3, 0, 0), (50, 49, math.inf), (52, 49, 0)]
)
def test_a_crash_loop_is_one_from_the_third_restart_of_this_wait_on(
    observed: Make, restarts: int, before: int, patience: float
) -> None:
    def crashed(objects: Json) -> None:
        status = objects["pods"][0]["status"]["containerStatuses"][0]
        status.update(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False, restartCount=restarts)

    state = observed(crashed)
    [problem] = health(state, 3, Limits({(pod.uid, "api"): before for pod in state.pods})).problems
    assert problem.fatal_after == patience


def unscheduled(objects: Json) -> None:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    objects["pods"][0]["status"] = {"phase": "Pending", "conditions": [condition]}


def test_a_lack_of_room_lasts_as_long_as_is_said_and_the_deadline_with_it(observed: Make) -> None:
    """A Deployment's progressDeadlineSeconds may be shorter than the cluster needs for a node."""

    def waiting(objects: Json) -> None:
        unscheduled(objects)
        objects["deployment"]["status"]["conditions"][1].update(reason="ProgressDeadlineExceeded", status="False")

    assert [problem.fatal_after for problem in health(observed(waiting), 3).problems] == [180, 180]
    few = health(observed(waiting), 3, Limits(unschedulable=5)).problems
    assert [(problem.reason, problem.fatal_after) for problem in few] == [
        ("Unschedulable", 5),
        ("ProgressDeadlineExceeded", PATIENCE["ProgressDeadlineExceeded"]),
    ]


def full(objects: Json) -> None:
    message = 'pods "api-server-x" is forbidden: exceeded quota: small'
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    objects["deployment"]["status"]["conditions"].append(condition)


@pytest.mark.parametrize(
    ("change", "text"), [(unscheduled, "Insufficient cpu"), (full, "FailedCreate: pods")], ids=["node", "quota"]
)
def test_lack_of_room_is_a_problem_unless_leaving_pods_are_about_to_free_it(
    observed: Make, change: Callable[..., None], text: str
) -> None:
    [problem] = health(observed(change), 3).problems
    assert text in str(problem)

    def with_leaving(objects: Json) -> None:
        change(objects)
        objects["pods"][1]["metadata"]["deletionTimestamp"] = "2026-11-23T08:01:11Z"

    assert health(observed(with_leaving), 3).problems == ()


def test_a_restarted_container_begins_a_new_soak(observed: Make) -> None:
    def restarted(objects: Json) -> None:
        objects["pods"][0]["status"]["containerStatuses"][0]["restartCount"] = 1

    assert health(observed(restarted), 3).mark != health(observed(), 3).mark


def test_what_is_left_is_told_with_node_and_age(replay: Replay) -> None:
    second, state = next(
        (s, o) for s, o in replay("scale_to_zero_and_back", api_server()) if any(p.deleted for p in o.pods)
    )
    assert second < 1.4
    now = datetime.datetime.fromisoformat("2026-11-23T08:03:01Z")  # told to leave at 08:01:01, with 10 s of grace
    pod = next(pod for pod in state.pods if pod.deleted)
    assert age_leaving(pod, now) == 120
    assert f"{pod.name} on node node1, Terminating for 120 s" in remaining(state.pods, now)


@pytest.mark.parametrize(
    ("current", "previous", "where"),
    [
        ("1.4.3", "1.4.1", "release"),
        ("1.4.4", "1.4.3", "previous"),
        ("1.4.5", "1.4.4", "other"),
        ("1.4.3", "1.4.3", "previous"),
    ],
)
def test_position_is_told_by_image(observed: Make, current: str, previous: str, where: str) -> None:
    assert position(observed(workload=api_server(current, previous))) == where


def test_every_container_has_to_agree(observed: Make) -> None:
    containers = (
        Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1"),
        Container("proxy", "proxy:2", "proxy:1"),
    )
    workload = Workload("Deployment", "api-server", "production", containers)

    def with_proxy(image: str) -> Callable[[Json], None]:
        def change(objects: Json) -> None:
            objects["deployment"]["spec"]["template"]["spec"]["initContainers"] = [{"name": "proxy", "image": image}]

        return change

    assert position(observed(with_proxy("proxy:2"), workload)) == "release"
    assert position(observed(with_proxy("proxy:1"), workload)) == "other"
    assert position(observed(None, workload)) == "other"


def test_a_container_that_the_release_brought_is_missing_before_it(observed: Make) -> None:
    containers = (
        Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1"),
        Container("proxy", "proxy:2", None),
    )
    assert position(observed(None, Workload("Deployment", "api-server", "production", containers))) == "other"

    def added(objects: Json) -> None:
        objects["deployment"]["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy:2"})

    assert position(observed(added, Workload("Deployment", "api-server", "production", containers))) == "release"


def test_a_release_that_changed_no_image_is_told_by_the_recorded_template(observed: Make, recorded: Json) -> None:
    before = recorded["deployment"]["spec"]["template"]
    workload = api_server("1.4.3", "1.4.3", before)

    def with_env(objects: Json) -> None:
        objects["deployment"]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "MODE", "value": "new"}]

    assert position(observed(None, workload)) == "previous"
    assert position(observed(with_env, workload)) == "release"


def test_pod_statuses_may_be_missing_altogether() -> None:
    pod = Pod.from_json({"metadata": {"name": "a", "uid": "u"}, "spec": {}})
    assert (pod.phase, pod.ready, pod.node, pod.troubles) == ("Unknown", False, None, ())
