# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left to undo, with which strategy, and what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._release import rollout

WANTED = [{"name": "shop", "current": "42", "previous": "41", "breaking": True}]
LENIENT = [{**WANTED[0], "breaking": False}]


def workload(position: str = "release", **more: Any) -> dict[str, Any]:
    """An observed Deployment."""
    target = {"images": {"api": "shop:1.4.1"}, "revision": 1}
    found = {"kind": "Deployment", "name": "api", "namespace": "production", "images": {"api": "shop:1.4.2"}}
    healthy = {"paused": False, "owner": None, "recorded_replicas": None, "problems": []}
    return {**found, "position": position, "target": target, **healthy, **more}


def database(current: str = "42", **more: Any) -> dict[str, Any]:
    """An observed database."""
    return {"name": "shop", "current": current, "problems": [], **more}


def secret(**more: Any) -> dict[str, Any]:
    """An observed secret."""
    found = {"path": "production/app", "mount": "secret", "live_version": 7, "target_version": 6}
    return {**found, "equal": False, "problems": [], **more}


@pytest.mark.parametrize(
    ("position", "recorded", "left"),
    [("release", None, 1), ("release", 3, 1), ("previous", None, 0), ("previous", 3, 1), ("other", None, 0)],
)
def test_a_workload_is_left_until_it_runs_the_previous_release_at_full_size(
    position: str, recorded: int | None, left: int
) -> None:
    assert len(rollout.applications_left([workload(position, recorded_replicas=recorded)])) == left


def test_a_step_says_from_what_to_what() -> None:
    assert rollout.applications_left([workload()]) == [
        {"component": "application", "name": "api", "from": "shop:1.4.2", "to": "shop:1.4.1"}
    ]
    assert rollout.databases_left([database()], WANTED)[0]["to"] == "migration 41"
    assert rollout.configurations_left([secret()])[0]["to"] == "the data of version 6"


def test_nothing_is_left_where_the_world_is_as_it_was() -> None:
    assert rollout.databases_left([database("41")], WANTED) == []
    assert rollout.configurations_left([secret(equal=True)]) == []


@pytest.mark.parametrize(
    ("schema_left", "wanted", "left", "strategy"),
    [
        (True, WANTED, 3, "quiesce"),
        (True, LENIENT, 3, "rolling"),
        (False, WANTED, 2, "rolling"),
        (False, WANTED, 0, "none"),
    ],
)
def test_only_a_breaking_down_migration_stops_the_service(
    schema_left: bool, wanted: list[dict[str, Any]], left: int, strategy: str
) -> None:
    steps = rollout.databases_left([database()], wanted) if schema_left else []
    assert rollout.strategy(steps, wanted, range(left)) == strategy


@pytest.mark.parametrize(
    ("applications", "databases", "secrets", "message"),
    [
        ([workload("other")], [], [], "deployment/api runs shop:1.4.2, neither the release nor the previous one"),
        (
            [workload(target=None, problems=["no history"])],
            [],
            [],
            "deployment/api has nothing to come back to: no history",
        ),
        ([workload(owner={"tool": "Argo CD", "advice": "suspend it"})], [], [], "managed by Argo CD: suspend it"),
        ([workload(paused=True)], [], [], "kubectl rollout resume deployment/api -n production"),
        ([], [database("43")], [], "database shop is at migration 43, neither 42 nor 41"),
        ([], [database(problems=["no down step for 42"])], [], "database shop: no down step for 42"),
        ([], [], [secret(problems=["version 6 is destroyed"])], "version 6 is destroyed"),
    ],
)
def test_an_obstacle_is_told(applications: list[Any], databases: list[Any], secrets: list[Any], message: str) -> None:
    (found,) = rollout.problems(applications, databases, WANTED, secrets)
    assert message in found


def test_a_release_that_can_be_undone_has_no_obstacle() -> None:
    assert rollout.problems([workload()], [database()], WANTED, [secret()]) == []
    assert rollout.problems([workload("previous", target=None)], [database("41")], WANTED, []) == []
    assert rollout.problems([], [], WANTED, [secret(equal=True, problems=["version 6 is pruned"])]) == []


@pytest.mark.parametrize(
    ("leave", "suspendable", "count"),
    [
        (rollout.Leave(owner_policy="refuse"), True, 1),
        (rollout.Leave(owner_policy="ignore"), False, 0),
        (rollout.Leave(owner_policy="suspend"), True, 0),
        (rollout.Leave(owner_policy="suspend"), False, 1),
    ],
)
def test_an_owner_is_no_obstacle_where_it_may_be_ignored_or_suspended(
    leave: rollout.Leave, suspendable: bool, count: int
) -> None:
    owner = {"tool": "Flux", "advice": "revert it", "suspendable": suspendable}
    assert len(rollout.problems([workload(owner=owner)], [], [], [], leave)) == count


def test_a_paused_workload_is_no_obstacle_where_it_may_be_resumed() -> None:
    assert rollout.problems([workload(paused=True)], [], [], [], rollout.Leave(resume_paused=True)) == []


def test_a_sick_release_is_no_obstacle() -> None:
    assert rollout.problems([workload(problems=["container api: CrashLoopBackOff"])], [], WANTED, []) == []
