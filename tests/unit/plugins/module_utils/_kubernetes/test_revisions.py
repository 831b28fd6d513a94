# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSets and DaemonSets keep their history in ControllerRevisions, and tell of their pods in their own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.describe import describe
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.evaluate import health
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import (
    HPA,
    Autoscaler,
    Container,
    Workload,
    selector_of,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import assemble
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options, plan

Json = dict[str, Any]
KINDS = ("StatefulSet", "DaemonSet")


def template(image: str) -> Json:
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": image}]}}


def workload(kind: str) -> Workload:
    return Workload(kind, "db", "production", (Container("db", "db:2", "db:1"),))


def revision(kind: str, number: int, image: str, owner: str = "u") -> Json:
    """A ControllerRevision as the server keeps it: the template is a patch that replaces."""
    name = f"db-{number}"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "labels": {"app": "db", "controller-revision-hash" if kind == "DaemonSet" else "x": f"hash-{number}"},
            "ownerReferences": [{"kind": kind, "name": "db", "uid": owner, "controller": True}],
        },
        "data": {"spec": {"template": {"$patch": "replace", **template(image)}}},
        "revision": number,
    }


def pod(kind: str, index: int, number: int, ready: bool = True) -> Json:
    label = f"hash-{number}" if kind == "DaemonSet" else f"db-{number}"
    return {
        "metadata": {
            "name": f"db-{index}",
            "uid": f"pod-{index}",
            "labels": {"app": "db", "controller-revision-hash": label},
            "ownerReferences": [{"kind": kind, "name": "db", "uid": "u", "controller": True}],
        },
        "spec": {"nodeName": "node1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def live(kind: str, image: str, count: int = 2) -> Json:
    stateful = {"replicas": count, "updatedReplicas": count, "readyReplicas": count, "availableReplicas": count}
    daemon = {
        "desiredNumberScheduled": count,
        "currentNumberScheduled": count,
        "updatedNumberScheduled": count,
        "numberReady": count,
        "numberAvailable": count,
    }
    return {
        "metadata": {"name": "db", "namespace": "production", "uid": "u", "generation": 2, "resourceVersion": "9"},
        "spec": {
            "selector": {"matchLabels": {"app": "db"}},
            "template": template(image),
            **({"replicas": count} if kind == "StatefulSet" else {}),
        },
        "status": {"observedGeneration": 2, **(stateful if kind == "StatefulSet" else daemon)},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_is_an_owned_revision_with_the_previous_image(kind: str) -> None:
    history = [
        revision(kind, 1, "db:0"),
        revision(kind, 2, "db:1"),
        revision(kind, 3, "db:2"),
        revision(kind, 7, "db:1", owner="another"),
    ]
    state = assemble(workload(kind), live(kind, "db:2"), history, [pod(kind, 0, 3), pod(kind, 1, 3)])
    told = describe(state, "argocd")
    assert (told["position"], told["revision"], told["ready"]) == ("release", 3, 2)
    assert told["target"]["revision"] == 2
    assert told["problems"] == []
    back = plan(state, Options("rolled_back"))
    assert back.after["spec"]["template"] == template("db:1")
    assert back.wanted == 2


@pytest.mark.parametrize("kind", KINDS)
def test_pods_of_the_live_template_are_told_by_their_revision(kind: str) -> None:
    history = [revision(kind, 1, "db:1"), revision(kind, 2, "db:2")]
    good = assemble(workload(kind), live(kind, "db:1"), history, [pod(kind, 0, 1), pod(kind, 1, 1)])
    assert health(good, 2).settled
    mixed = assemble(workload(kind), live(kind, "db:1"), history, [pod(kind, 0, 1), pod(kind, 1, 2)])
    assert not health(mixed, 2).settled
    assert "1 old left" in health(mixed, 2).summary


@pytest.mark.parametrize("kind", KINDS)
def test_a_quiesced_one_has_no_pods(kind: str) -> None:
    state = assemble(workload(kind), live(kind, "db:2"), [revision(kind, 1, "db:1")], [pod(kind, 0, 2)])
    down = plan(state, Options("quiesced"))
    assert down.after["metadata"]["annotations"]["rollback.octalume.io/replicas"] == "2"
    assert (down.after["spec"].get("replicas") == 0) is (kind == "StatefulSet")


def test_events_tell_why_pods_cannot_be_created() -> None:
    kind = "StatefulSet"
    state = assemble(workload(kind), live(kind, "db:2"), [revision(kind, 2, "db:2")], [pod(kind, 0, 2)])
    assert health(state, 2).problems == ()
    [problem] = health(replace(state, refusals=("exceeded quota: small",)), 2).problems
    assert str(problem) == "FailedCreate: exceeded quota: small"
    assert health(replace(state, refusals=("exceeded quota: small",)), 1).problems == ()


def test_an_autoscaler_of_keda_is_told_before_a_quiesce() -> None:
    item = {
        "metadata": {"name": "keda-hpa-db", "ownerReferences": [{"kind": "ScaledObject", "name": "db"}]},
        "spec": {"maxReplicas": 4, "scaleTargetRef": {"kind": "StatefulSet", "name": "db"}},
    }
    scaler = Autoscaler.from_json(item)
    assert (scaler.minimum, scaler.maximum, scaler.scaled_object) == (1, 4, "db")
    state = assemble(
        workload("StatefulSet"), live("StatefulSet", "db:2"), [revision("StatefulSet", 1, "db:1")], [], scaler
    )
    planned = plan(state, Options("quiesced"))
    [note] = planned.notes
    assert "kubectl -n production annotate scaledobject db autoscaling.keda.sh/paused=true" in note
    assert Autoscaler.from_record(planned.after["metadata"]["annotations"][HPA]) == scaler
    assert plan(state, Options("quiesced", owner_policy="suspend")).notes == ()
    assert Autoscaler.from_record("no JSON") is None


def test_every_kind_of_selector_becomes_a_query() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "tier", "operator": "NotIn", "values": ["c"]},
        {"key": "app", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    selector = {"spec": {"selector": {"matchLabels": {"app": "db"}, "matchExpressions": expressions}}}
    assert selector_of(selector) == "app=db,tier in (a,b),tier notin (c),app,!old"
