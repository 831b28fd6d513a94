# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools that undo a rollback while it is made: they are told, refused, or suspended by their own objects."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiError
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace, template

SYNC_POLICY = "rollback.octalume.io/sync-policy"
HELD = {"autoscaling.keda.sh/paused": "true", "rollback.octalume.io/suspended": "true"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}


class GitOps:
    """A tool that brings the Deployment back to what its repository has, unless it is suspended."""

    def __init__(self, namespace: Namespace, kind: str, spec: Json, suspended: Callable[[Json], bool]) -> None:
        self.namespace, self.kind, self.suspended = namespace, kind, suspended
        version = {"Application": "argoproj.io/v1alpha1", "Kustomization": "kustomize.toolkit.fluxcd.io/v1"}[kind]
        namespace.create(kind, "shop", {"spec": spec}, version)
        marks: Json = {
            "annotations": {"argocd.argoproj.io/tracking-id": f"{namespace.name}_shop:apps/Deployment:x/api"}
        }
        if kind == "Kustomization":
            group = "kustomize.toolkit.fluxcd.io"
            marks = {"labels": {f"{group}/name": "shop", f"{group}/namespace": namespace.name}}
        namespace.patch("Deployment", "api", {"metadata": marks})
        self.healed, self.stop = False, threading.Event()
        self.thread = threading.Thread(target=self._reconcile)

    def _reconcile(self) -> None:
        while not self.stop.wait(0.1):
            if self.suspended(self.owner["spec"]) or self.namespace.images() == ["shop:1.4.2"]:
                continue
            with contextlib.suppress(ApiError):
                self.namespace.release("shop:1.4.2")
                self.healed = True

    @property
    def owner(self) -> Json:
        """The tool's own object."""
        return self.namespace.get(self.kind, "shop")

    def __enter__(self) -> GitOps:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


TOOLS: dict[str, tuple[str, Json, Callable[[Json], bool]]] = {
    "Argo CD": (
        "Application",
        {"syncPolicy": {"automated": {"selfHeal": True}, "retry": {"limit": 1}}},
        lambda spec: "automated" not in (spec.get("syncPolicy") or {}),
    ),
    "Flux": ("Kustomization", {"interval": "1m"}, lambda spec: bool(spec.get("suspend"))),
}


@pytest.fixture(params=list(TOOLS))
def tool(namespace: Namespace, request: pytest.FixtureRequest) -> Iterator[GitOps]:
    """1.4.2 is live, and the tool sees to it that it stays."""
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    with GitOps(namespace, *TOOLS[request.param]) as tool:
        yield tool


def test_a_rollback_that_a_tool_undoes_is_no_success(tool: GitOps) -> None:
    """Self-heal puts the release back within seconds, all pods ready: a rollout of the wrong version."""
    with pytest.raises(
        RollbackError, match=r"pod template was changed \(to main=shop:1\.4\.2\).* while it was followed"
    ):
        tool.namespace.rollout("rolled_back", owner_policy="ignore", soak=3)


def test_a_tool_is_refused_with_what_to_do(tool: GitOps) -> None:
    with pytest.raises(
        RollbackError, match=r"is managed by (Argo CD|Flux) \(shop\).*nothing was changed.*[Gg]it revert"
    ):
        tool.namespace.rollout("quiesced")
    assert tool.namespace.replicas() == 1
    assert not tool.suspended(tool.owner["spec"])


def test_a_suspended_tool_lets_the_rollback_be_until_the_command_that_is_told(tool: GitOps) -> None:
    namespace, before = tool.namespace, tool.owner["spec"]
    predicted = namespace.rollout_check("quiesced", owner_policy="suspend")
    assert (predicted["changed"], tool.owner["spec"]) == (True, before)
    down = namespace.rollout("quiesced", owner_policy="suspend")
    back = namespace.rollout("rolled_back", owner_policy="suspend", soak=1)
    assert namespace.images() == ["shop:1.4.1"]
    assert tool.suspended(tool.owner["spec"])
    assert [entry["name"] for entry in down["suspended"]] == ["shop"]
    assert back["suspended"] == down["suspended"], "a later run tells of it too"
    again = namespace.rollout("rolled_back", owner_policy="suspend")
    assert not again["changed"]
    [entry] = again["suspended"]
    told = "Once its repository has what runs now (git revert the release): kubectl"
    assert any(told in text for text in namespace.warned)

    command = ["kubectl", "--kubeconfig", str(namespace.server.kubeconfig), *shlex.split(entry["resume"])[1:]]
    change = json.loads(command[command.index("-p") + 1])
    namespace.patch(tool.kind, "shop", change)  # what kubectl sends; it would look the kind up first
    assert tool.owner["spec"].get("syncPolicy") == before.get("syncPolicy")
    assert not tool.owner["spec"].get("suspend")
    assert not tool.owner["metadata"].get("annotations")


def test_the_next_server_side_apply_is_told_with_the_command_that_forces_it(namespace: Namespace) -> None:
    """It conflicts with the fields that the rollback wrote, and the next deploy would be the first to find out."""
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": namespace.name},
        "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": template("api", "shop:1.4.1")},
    }

    def apply(image: str, **more: str) -> Json:
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = image
        query = {"fieldManager": "pipeline", **more}
        path, kind = namespace.path("Deployment", "api"), "application/apply-patch+yaml"
        return namespace.api._json("PATCH", path, query, manifest, kind)

    for number, image in enumerate(("shop:1.4.1", "shop:1.4.2"), 1):
        apply(image)
        namespace.until(lambda: namespace.revision("api") == number)  # noqa: B023
    namespace.settle()
    predicted = namespace.rollout_check("rolled_back")["suspended"]
    [told] = namespace.rollout("rolled_back")["suspended"]
    assert [told] == predicted == namespace.rollout("rolled_back")["suspended"], "a second run tells it too"
    command = f"kubectl -n {namespace.name} apply --server-side --field-manager=pipeline --force-conflicts -f FILE"
    assert (told["tool"], told["name"], told["resume"]) == ("server-side apply", "pipeline", command)
    assert told["note"] in namespace.warned
    with pytest.raises(ApiError, match=r'conflict with "octalume-rollback"'):
        apply("shop:1.4.3")
    apply("shop:1.4.3", force="true")
    apply("shop:1.4.4")  # forced once, all of it is theirs again


def test_what_a_person_has_suspended_stays_theirs(namespace: Namespace) -> None:
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    with GitOps(namespace, "Kustomization", {"interval": "1m", "suspend": True}, TOOLS["Flux"][2]) as flux:
        assert namespace.rollout("rolled_back", owner_policy="suspend")["suspended"] == []
        assert flux.owner["spec"]["suspend"]
        assert "annotations" not in flux.owner["metadata"]


def test_an_owner_that_cannot_be_suspended_refuses_the_rollback(namespace: Namespace) -> None:
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=1)
    mark = {"argocd.argoproj.io/tracking-id": f"{namespace.name}_shop:apps/Deployment:x/api"}
    namespace.patch("Deployment", "api", {"metadata": {"annotations": mark}})
    with pytest.raises(RollbackError, match=r"could not be suspended.*git revert"):
        namespace.rollout("quiesced", owner_policy="suspend")
    assert namespace.replicas() == 1


@pytest.fixture
def scaled(namespace: Namespace) -> Namespace:
    """A Deployment that KEDA scales by an autoscaler of its own."""
    namespace.history(["shop:1.4.1", "shop:1.4.2"], replicas=2)
    scaled = {"spec": {"scaleTargetRef": {"name": "api"}, "minReplicaCount": 1}}
    made = namespace.create("ScaledObject", "api", scaled, "keda.sh/v1alpha1")
    reference = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "name": "api",
        "uid": made["metadata"]["uid"],
    }
    bounds = {"scaleTargetRef": DEPLOYMENT, "minReplicas": 1, "maxReplicas": 4}
    owners = [{**reference, "controller": True}]
    namespace.create(
        "HorizontalPodAutoscaler", "keda-hpa-api", {"spec": bounds}, "autoscaling/v2", ownerReferences=owners
    )
    return namespace


def marks(namespace: Namespace) -> dict[str, Any]:
    """The annotations of the ScaledObject."""
    return dict(namespace.get("ScaledObject", "api")["metadata"].get("annotations") or {})


@pytest.mark.parametrize("interrupted", [False, True])
def test_keda_is_held_while_nothing_may_run_and_let_go_before_pods_come_back(
    scaled: Namespace, interrupted: bool
) -> None:
    if interrupted:  # an earlier run ended after holding it, before anything was written down
        scaled.patch("ScaledObject", "api", {"metadata": {"annotations": HELD}})
        scaled.api.delete(scaled.path("HorizontalPodAutoscaler", "keda-hpa-api"))
    scaled.rollout("quiesced", owner_policy="suspend")
    assert marks(scaled) == HELD
    if not interrupted:
        scaled.api.delete(scaled.path("HorizontalPodAutoscaler", "keda-hpa-api"))  # as KEDA does
    scaled.rollout("rolled_back", owner_policy="suspend")
    assert marks(scaled) == {}
    assert (scaled.images(), scaled.replicas()) == (["shop:1.4.1"], 2)


def test_keda_is_told_of_where_it_may_not_be_held(scaled: Namespace) -> None:
    scaled.rollout("quiesced")
    assert marks(scaled) == {}
    assert any("annotate scaledobject api autoscaling.keda.sh/paused=true" in text for text in scaled.warned)
