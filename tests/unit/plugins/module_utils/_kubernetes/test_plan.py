# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written, what is left alone and what is refused, decided on real objects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import (
    HPA,
    LAST_APPLIED,
    REPLICAS,
    Autoscaler,
    Container,
    Observed,
    Workload,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options, Plan, plan
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.target import find_target
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.unit.plugins.module_utils._kubernetes.conftest import api_server

Json = dict[str, Any]
Make = Callable[..., Observed]
BACK, QUIESCE, RESTORE = Options("rolled_back"), Options("quiesced"), Options("restored")
OLDEST = "api-server-77c68df548"
RESTART = Options("restarted", now="2026-11-23T08:00:00Z", restart_id="1.4.2")
API = Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1")
FEW = Autoscaler("api-server", 2, 5)


def written(planned: Plan) -> dict[str, Any]:
    """What a patch does, by path."""
    return {operation["path"]: operation.get("value") for operation in planned.operations}


def quiesced(objects: Json, replicas: int = 0, record: str | None = "3") -> None:
    objects["deployment"]["spec"]["replicas"] = replicas
    if record is not None:
        objects["deployment"]["metadata"]["annotations"] |= {REPLICAS: record, HPA: "{}"}


def scaled(replicas: int, record: str | None) -> Callable[[Json], None]:
    return lambda objects: quiesced(objects, replicas, record)


def test_a_rollback_is_one_write_guarded_by_the_resource_version(observed: Make) -> None:
    before = observed(scaled(0, "3"))
    changes = written(plan(before, BACK))
    assert set(changes) == {"/metadata/resourceVersion", "/metadata/annotations", "/spec/template", "/spec/replicas"}
    assert changes["/metadata/resourceVersion"] == before.live["metadata"]["resourceVersion"]
    assert changes["/spec/replicas"] == 3
    assert changes["/spec/template"]["spec"]["containers"][0]["image"] == "shop/api-server:1.4.1"
    assert changes["/spec/template"]["metadata"]["labels"] == {"app": "api-server"}


def test_annotations_of_others_are_kept_and_our_own_go(observed: Make) -> None:
    def annotated(objects: Json) -> None:
        quiesced(objects)
        objects["deployment"]["metadata"]["annotations"]["team.example.com/owner"] = "shop"

    annotations = written(plan(observed(annotated), replace(BACK, change_cause="because")))["/metadata/annotations"]
    assert annotations["team.example.com/owner"] == "shop"
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["kubernetes.io/change-cause"] == "because"
    assert not {REPLICAS, HPA} & set(annotations)


def test_the_memory_of_kubectl_apply_follows_the_rollback(observed: Make) -> None:
    annotations = written(plan(observed(), BACK))["/metadata/annotations"]
    applied = json.loads(annotations[LAST_APPLIED])
    assert applied["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/api-server:1.4.1"
    assert applied["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("replicas", "record", "given", "scaler", "wanted"),
    [
        (0, "3", {}, None, 3),
        (0, "3", {"api-server": 4}, None, 4),
        (0, None, {"production/api-server": 2}, None, 2),
        (5, "3", {}, None, 5),
        (3, None, {}, None, 3),
        (0, "1", {}, FEW, 2),
        (0, "9", {}, FEW, 5),
        (9, None, {}, FEW, 5),
        (0, None, {}, FEW, 0),
        (0, None, {}, None, 0),
        (0, "nonsense", {"api-server": 3}, None, 3),
    ],
)
def test_replicas_come_back_as_recorded_within_the_autoscalers_bounds(
    observed: Make, replicas: int, record: str | None, given: dict[str, int], scaler: Autoscaler | None, wanted: int
) -> None:
    state = observed(scaled(replicas, record), autoscaler=scaler)
    planned = plan(state, replace(BACK, replicas=given))
    assert (planned.wanted, planned.after["spec"]["replicas"]) == (wanted, wanted)
    assert bool([note for note in planned.notes if "serves nothing" in note]) is (wanted == 0)


def test_a_quiesce_records_before_it_scales_in_the_same_write(observed: Make) -> None:
    planned = plan(observed(autoscaler=FEW), QUIESCE)
    changes = written(planned)
    assert changes["/spec/replicas"] == 0
    assert changes["/metadata/annotations"][REPLICAS] == "3"
    assert json.loads(changes["/metadata/annotations"][HPA]) == {"name": "api-server", "min": 2, "max": 5}
    assert planned.wait == "gone"
    assert "/spec/template" not in changes


@pytest.mark.parametrize(
    ("replicas", "record", "expected"),
    [(0, "3", "3"), (0, None, None), (2, "3", "3"), (5, "3", "5")],
    ids=["again", "never had any", "never lower", "scaled up since"],
)
def test_a_second_quiesce_never_overwrites_the_record_with_less(
    observed: Make, replicas: int, record: str | None, expected: str | None
) -> None:
    planned = plan(observed(scaled(replicas, record)), QUIESCE)
    assert planned.after["metadata"]["annotations"].get(REPLICAS) == expected
    assert planned.changed is (replicas > 0)


def test_a_quiesce_leaves_the_previous_version_alone(observed: Make) -> None:
    planned = plan(observed(workload=api_server("1.4.4", "1.4.3")), QUIESCE)
    assert not planned.changed
    assert planned.wait == ""


def test_the_previous_version_is_a_success_without_a_write(observed: Make) -> None:
    planned = plan(observed(workload=api_server("1.4.4", "1.4.3")), BACK)
    assert not planned.changed
    assert (planned.wait, planned.wanted, planned.strategy) == ("serving", 3, "none")


def test_the_previous_version_at_zero_gets_its_replicas_back(observed: Make) -> None:
    planned = plan(observed(scaled(0, "3"), workload=api_server("1.4.4", "1.4.3")), BACK)
    assert set(written(planned)) == {"/metadata/resourceVersion", "/metadata/annotations", "/spec/replicas"}
    assert planned.wanted == 3


def test_a_third_version_is_refused_and_shown(observed: Make) -> None:
    with pytest.raises(
        RollbackError, match=r"api=shop/api-server:1\.4\.3: neither .*1\.4\.9.*nothing was changed"
    ) as caught:
        plan(observed(workload=api_server("1.4.9", "1.4.8")), BACK)
    assert caught.value.details["live"] == {"api": "shop/api-server:1.4.3"}


@pytest.mark.parametrize("options", [QUIESCE, BACK, RESTART], ids=lambda options: options.state)
def test_a_paused_deployment_is_refused_or_resumed(observed: Make, options: Options) -> None:
    def paused(objects: Json) -> None:
        objects["deployment"]["spec"]["paused"] = True

    with pytest.raises(RollbackError, match="kubectl rollout resume -n production deployment/api-server"):
        plan(observed(paused), options)
    resumed = plan(observed(paused), replace(options, resume_paused=True))
    assert ("/spec/paused" in written(resumed)) is (options.state != "quiesced")


def test_a_previous_version_that_is_paused_before_its_pods_is_refused_or_resumed(observed: Make) -> None:
    """A raw PATCH of a paused Deployment is accepted and does nothing: template 1.4.1, pods 1.4.3."""

    def patched(objects: Json) -> None:
        objects["deployment"]["spec"] |= {"paused": True, "template": objects["replicasets"][0]["spec"]["template"]}

    state = observed(patched)
    with pytest.raises(RollbackError, match="is paused"):
        plan(state, BACK)
    assert written(plan(state, replace(BACK, resume_paused=True)))["/spec/paused"] is None


OWNED = {
    "Argo CD by annotation": (
        {},
        {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:production/api-server"},
        "Argo CD",
    ),
    "Argo CD by label": ({"argocd.argoproj.io/instance": "shop"}, {}, "Argo CD"),
    "Flux Kustomization": ({"kustomize.toolkit.fluxcd.io/name": "shop"}, {}, "Flux"),
    "Flux HelmRelease": ({"helm.toolkit.fluxcd.io/name": "shop"}, {"meta.helm.sh/release-name": "shop"}, "Flux"),
    "Helm": ({"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "shop"}, "Helm"),
}


@pytest.mark.parametrize(("labels", "annotations", "tool"), OWNED.values(), ids=OWNED)
@pytest.mark.parametrize("options", [QUIESCE, BACK], ids=lambda options: options.state)
def test_what_another_tool_would_put_back_is_refused(
    observed: Make, options: Options, labels: Json, annotations: Json, tool: str
) -> None:
    def owned(objects: Json) -> None:
        objects["deployment"]["metadata"]["labels"] |= labels
        objects["deployment"]["metadata"]["annotations"] |= annotations

    with pytest.raises(RollbackError, match=rf"managed by {tool} \(shop\)") as caught:
        plan(observed(owned), options)
    assert caught.value.details["owner"]["advice"]
    assert plan(observed(owned), replace(options, owner_policy="ignore")).changed
    suspendable = replace(options, owner_policy="suspend")
    if tool == "Helm":
        with pytest.raises(RollbackError, match="helm -n production rollback shop"):
            plan(observed(owned), suspendable)
    else:
        assert plan(observed(owned), suspendable).owner("argocd").path  # type: ignore[union-attr]


def test_helms_common_label_alone_is_not_taken_for_argo_cd(observed: Make) -> None:
    def labelled(objects: Json) -> None:
        objects["deployment"]["metadata"]["labels"]["app.kubernetes.io/instance"] = "shop"

    assert plan(observed(labelled), BACK).changed


def test_the_target_is_found_by_image_and_not_by_being_the_one_before(observed: Make) -> None:
    """kubernetes.core.k8s_rollback takes current-1, which is 1.4.2 here."""
    target = find_target(observed(workload=api_server("1.4.3", "1.4.1")))
    assert (target.revision, target.name, target.source, target.ambiguous) == (
        1,
        "api-server-77c68df548",
        "history",
        False,
    )


def test_a_gap_in_the_revisions_does_not_matter(observed: Make) -> None:
    target = find_target(observed(lambda objects: objects["replicasets"].pop(1)))
    assert target.revision == 1


def test_a_replica_set_of_another_deployment_is_never_the_target(observed: Make) -> None:
    def adopted(objects: Json) -> None:
        objects["replicasets"][0]["metadata"]["ownerReferences"][0]["uid"] = "another"

    assert find_target(observed(adopted)).source == "live"


def twin(env: str, revision: int) -> Callable[[Json], None]:
    """A second revision of the previous image, with another environment."""

    def change(objects: Json) -> None:
        other = json.loads(json.dumps(objects["replicasets"][0]))
        other["metadata"] |= {"name": f"api-server-{env}", "uid": env}
        other["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = str(revision)
        other["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "MODE", "value": env}]
        objects["replicasets"].append(other)

    return change


def test_of_several_revisions_with_the_image_the_newest_is_taken_and_told(observed: Make) -> None:
    planned = plan(observed(twin("b", 2)), BACK)
    assert planned.target is not None
    assert (planned.target.revision, planned.target.ambiguous) == (2, True)
    assert any("several revisions" in note for note in planned.notes)


def test_the_recorded_template_decides_between_them(observed: Make, recorded: Json) -> None:
    record = recorded["replicasets"][0]["spec"]["template"]
    target = find_target(observed(twin("b", 2), api_server("1.4.3", "1.4.1", record)))
    assert (target.revision, target.ambiguous) == (1, False)


def test_without_history_the_live_template_gets_the_previous_image(observed: Make) -> None:
    planned = plan(observed(lambda objects: objects["replicasets"].clear()), BACK)
    assert planned.target is not None
    assert planned.target.as_result() == {
        "revision": None,
        "replica_set": None,
        "images": {"api": "shop/api-server:1.4.1"},
        "source": "live",
        "ambiguous": False,
    }
    assert any("keeps whatever else the release changed in it" in note for note in planned.notes)


def test_without_history_the_recorded_template_is_used(observed: Make, recorded: Json) -> None:
    record = recorded["replicasets"][0]["spec"]["template"] | {
        "metadata": {"labels": {"app": "api-server"}, "annotations": {"a": "b"}}
    }
    target = find_target(observed(lambda objects: objects["replicasets"].clear(), api_server(template=record)))
    assert target.template["metadata"]["annotations"] == {"a": "b"}
    assert target.source == "manifest"


def test_what_the_manifest_cannot_tell_is_refused_before_anything_is_touched(observed: Make) -> None:
    containers = (
        Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1"),
        Container("proxy", None, "proxy:1"),
    )
    workload = Workload("Deployment", "api-server", "production", containers)
    for options in (QUIESCE, BACK):
        with pytest.raises(RollbackError, match=r"without container proxy .* nothing was changed"):
            plan(observed(lambda objects: objects["replicasets"].clear(), workload), options)


def test_a_container_that_the_release_brought_is_taken_out_again(observed: Make) -> None:
    containers = (
        Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1"),
        Container("proxy", "proxy:2", None),
    )

    def added(objects: Json) -> None:
        objects["deployment"]["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy:2"})
        objects["replicasets"].clear()

    target = find_target(observed(added, Workload("Deployment", "api-server", "production", containers)))
    assert [one["name"] for one in target.template["spec"]["containers"]] == ["api"]


def test_a_restart_marks_the_template_once_for_its_name(observed: Make) -> None:
    first = plan(observed(), RESTART)
    marks = written(first)["/spec/template"]["metadata"]["annotations"]
    assert marks == {"kubectl.kubernetes.io/restartedAt": RESTART.now, "rollback.octalume.io/restart-id": "1.4.2"}

    def restarted(objects: Json) -> None:
        objects["deployment"]["spec"]["template"] = first.after["spec"]["template"]

    assert not plan(observed(restarted), RESTART).changed
    assert plan(observed(restarted), replace(RESTART, restart_id="1.4.3")).changed
    assert not plan(observed(scaled(0, "3")), RESTART).changed


def test_a_restore_keeps_the_version(observed: Make) -> None:
    changes = written(plan(observed(scaled(0, "3")), RESTORE))
    assert changes["/spec/replicas"] == 3
    assert "/spec/template" not in changes
    assert REPLICAS not in changes["/metadata/annotations"]
    assert not plan(observed(), RESTORE).changed


def test_a_daemon_set_is_quiesced_by_a_node_selector_and_loses_it_again(recorded: Json) -> None:
    live = {
        "metadata": {"name": "agent", "namespace": "production", "uid": "u", "resourceVersion": "1", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": recorded["deployment"]["spec"]["template"]},
        "status": {"desiredNumberScheduled": 2},
    }
    workload = replace(api_server(), kind="DaemonSet", name="agent")
    state = Observed(workload, live, (), ())
    down = plan(state, QUIESCE)
    assert down.after["spec"]["template"]["spec"]["nodeSelector"] == {"rollback.octalume.io/quiesced": "true"}
    assert down.after["metadata"]["annotations"][REPLICAS] == "2"
    again = replace(state, live={**down.after, "status": {}})
    assert not plan(again, QUIESCE).changed
    back = plan(again, BACK)
    assert "nodeSelector" not in back.after["spec"]["template"]["spec"]
    assert back.after["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/api-server:1.4.1"
    assert back.wanted == 2
    assert "nodeSelector" not in plan(again, RESTORE).after["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, "partition of 2"),
        ({"type": "OnDelete"}, "only when they are deleted"),
    ],
)
def test_an_update_that_would_stay_half_done_is_refused(observed: Make, strategy: Json, message: str) -> None:
    def stateful(objects: Json) -> None:
        objects["deployment"]["spec"]["updateStrategy"] = strategy

    with pytest.raises(RollbackError, match=message):
        plan(observed(stateful), BACK)
