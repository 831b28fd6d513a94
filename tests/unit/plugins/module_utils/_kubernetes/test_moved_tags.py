# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is another build of the same tag: the digest decides alone, and goes into the template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.describe import describe
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.evaluate import position, undecided
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.identity import rebuilt
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import (
    REPLICAS,
    Container,
    Observed,
    Workload,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options, plan
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

Json = dict[str, Any]
Make = Callable[..., Observed]
TAG = "shop/api-server:stable"
NEW, OLD, THIRD = (f"{TAG}@sha256:{digit * 64}" for digit in "abc")
WORKLOAD = Workload("Deployment", "api-server", "production", (Container("api", NEW, OLD),))


def running(*builds: str, image: str = TAG) -> Callable[[Json], None]:
    """The tag is live, in the history too, and the pods report ``builds``."""

    def change(objects: Json) -> None:
        for item in (objects["deployment"], *objects["replicasets"]):
            item["spec"]["template"]["spec"]["containers"][0]["image"] = image
        objects["replicasets"][0]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "old"}]
        objects["replicasets"] = [objects["replicasets"][0], objects["replicasets"][2]]
        for pod, build in zip(objects["pods"], builds * 3, strict=False):
            pod["status"]["containerStatuses"][0]["imageID"] = build and "docker.io/" + build.replace(":stable", "")

    return change


@pytest.mark.parametrize(
    ("current", "previous", "moved"),
    [(NEW, OLD, True), (NEW, NEW, False), (NEW, TAG, False), (NEW, None, False), (NEW, OLD.replace("stable", "1"), 0)],
)
def test_two_builds_of_one_tag_are_told_from_two_tags(current: str, previous: str | None, moved: bool) -> None:
    assert rebuilt(current, previous) == moved


@pytest.mark.parametrize(("build", "where"), [(NEW, "release"), (OLD, "previous"), (THIRD, "other")])
def test_the_running_digest_decides_alone(observed: Make, build: str, where: str) -> None:
    """By the tag both versions are live, and a rollback had nothing to do and was a success."""
    state = observed(running(build), WORKLOAD)
    assert position(state) == where
    assert undecided(state) == ""


def test_the_way_back_is_pinned_and_no_tag_of_the_history_is_trusted(observed: Make) -> None:
    planned = plan(observed(running(NEW), WORKLOAD), Options("rolled_back"))
    assert planned.changed
    assert planned.target
    assert (planned.target.source, planned.target.as_result()["images"]) == ("live", {"api": OLD})
    assert position(observed(running(NEW, image=OLD), WORKLOAD)) == "previous", "a second run has nothing to do"


def test_a_revision_that_names_the_digest_is_used(observed: Make) -> None:
    def pinned(objects: Json) -> None:
        running(NEW)(objects)
        objects["replicasets"][0]["spec"]["template"]["spec"]["containers"][0]["image"] = OLD

    target = plan(observed(pinned, WORKLOAD), Options("rolled_back")).target
    assert target
    assert (target.source, target.revision) == ("history", 1)


def test_a_quiesced_release_is_the_release(observed: Make) -> None:
    def quiesced(objects: Json) -> None:
        running(NEW)(objects)
        objects["pods"].clear()
        objects["deployment"]["spec"]["replicas"] = 0
        objects["deployment"]["metadata"]["annotations"][REPLICAS] = "3"

    assert position(observed(quiesced, WORKLOAD)) == "release"


@pytest.mark.parametrize(
    ("builds", "why"),
    [((NEW, OLD, NEW), "report several builds"), (("",), "report no digest"), (("sha256:0",), "report no digest")],
)
def test_what_the_pods_do_not_tell_is_refused_with_the_reason(
    observed: Make, builds: tuple[str, ...], why: str
) -> None:
    state = observed(running(*builds), WORKLOAD)
    for wanted in ("quiesced", "rolled_back"):
        with pytest.raises(RollbackError, match=rf"{why}.*kubectl set image .*nothing was changed"):
            plan(state, Options(wanted))
    found = describe(state, "argocd")
    assert found["position"] == "other"
    assert any(why in text for text in found["problems"])


def test_the_other_build_is_no_moved_tag(observed: Make) -> None:
    told = {build: describe(observed(running(build), WORKLOAD), "argocd")["problems"] for build in (NEW, OLD, THIRD)}
    assert not any(", the manifest has shop" in text for build in (NEW, OLD) for text in told[build])
    assert any(", the manifest has shop" in text for text in told[THIRD])
