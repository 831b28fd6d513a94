# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in docs/k8s_rollout-compared.md, measured: both modules are run in each of its situations."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.testing import patch_module_args
from ansible_collections.kubernetes.core.plugins.modules import k8s_rollback
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.conftest import Json, Namespace, template
from tests.integration.kubernetes.test_other_kinds import deploy, running
from tests.integration.kubernetes.test_owners import TOOLS, GitOps
from tests.integration.kubernetes.test_playbook import ROOT

TABLE = ROOT / "docs" / "k8s_rollout-compared.md"
SITUATIONS = (
    "scaled to 0 before, as the runbook has it",
    "annotations that others have set",
    "the same task run twice",
    "a trial of 1.4.0 in between",
    "another Deployment's pods carry the same labels",
    "no revision is kept",
    "the Deployment is paused",
    "the image of 1.4.1 is gone from the registry",
    "1.4.1 is live already",
    "somebody deployed 1.4.0 meanwhile",
    "the revision in between was deleted",
    "a StatefulSet",
    "Argo CD heals the Deployment",
)
SCALED, ANNOTATED, TWICE, TRIAL, LABELS, NO_HISTORY, PAUSED, GONE, ALREADY, THIRD, GAP, STATEFUL, HEALED = SITUATIONS


def arrange(namespace: Namespace, situation: str) -> None:
    """Make ``situation`` with the Deployment api."""
    images = {TRIAL: ["shop:1.4.1", "shop:1.4.0", "shop:1.4.2"], ALREADY: ["shop:1.4.0", "shop:1.4.1"]}
    images |= {
        GONE: ["shop:1.4.9", "shop:1.4.2"],
        THIRD: ["shop:1.4.1", "shop:1.4.2", "shop:1.4.0"],
        GAP: images[TRIAL],
    }
    if situation == STATEFUL:
        deploy(namespace, "StatefulSet", ["shop:1.4.1", "shop:1.4.2"])
        return
    more: Json = {"annotations": {"team.example.com/owner": "shop"}}
    if situation == NO_HISTORY:
        more["revisionHistoryLimit"] = 0
    if situation == LABELS:
        other = template("api", "shop:1.4.1", env=[{"name": "OTHER", "value": "yes"}])
        other["metadata"]["labels"]["tier"] = "other"
        selector = {"matchLabels": other["metadata"]["labels"]}
        spec = {"replicas": 0, "selector": selector, "template": other}
        namespace.create("Deployment", "a-canary", {"spec": spec}, "apps/v1")
        namespace.until(lambda: namespace.revision("a-canary") == 1)
    namespace.history(images.get(situation, ["shop:1.4.1", "shop:1.4.2"]), replicas=1, **more)
    if situation == PAUSED:
        namespace.patch("Deployment", "api", {"spec": {"paused": True}})
    if situation == GAP:
        [between] = [item for item in namespace.items("ReplicaSet") if revision_of(item) == 2]
        namespace.api.delete(namespace.path("ReplicaSet", between["metadata"]["name"]))


def revision_of(replica_set: Json) -> int:
    """Number of the revision that a ReplicaSet holds."""
    return int(replica_set["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def outcome(namespace: Namespace, situation: str, changed: bool) -> str:
    """What came of it: the version that serves once nothing moves any more."""
    live = namespace.get("StatefulSet" if situation == STATEFUL else "Deployment", "api")
    word = "changed" if changed else "unchanged"
    if "env" in live["spec"]["template"]["spec"]["containers"][0]:
        return f"template of the other, {word}"
    if situation == STATEFUL:
        return f"{'+'.join(sorted({one.removeprefix('shop:') for one in running(namespace)}))} on 2 pods, {word}"
    if situation not in (GONE, PAUSED):
        namespace.settle()
    pods = [pod for pod in namespace.pods() if pod["status"].get("podIP") in namespace.addresses()]
    serving = {pod["spec"]["containers"][0]["image"] for pod in pods} or set(namespace.images())
    text = f"{'+'.join(sorted(image.removeprefix('shop:') for image in serving))} on {len(pods)} pods, {word}"
    if situation == ANNOTATED:
        kept = "team.example.com/owner" in live["metadata"]["annotations"]
        text += f", annotations {'kept' if kept else 'lost'}"
    return text


def roll_back(place: Namespace, kind: str = "Deployment") -> bool | None:
    """Run kubernetes.core's module with its arguments as Ansible hands them over; whether it changed, None: failed."""
    where = {"kind": kind, "api_version": "apps/v1", "name": "api", "namespace": place.name}
    said = io.StringIO()
    with (
        patch_module_args({**where, "kubeconfig": str(place.server.kubeconfig)}),
        contextlib.redirect_stdout(said),
        contextlib.suppress(SystemExit),
    ):
        k8s_rollback.main()
    result = json.loads(said.getvalue())
    return None if result.get("failed") else bool(result["changed"])


def argo_cd(namespace: Namespace) -> GitOps:
    """Argo CD with self-heal on the Deployment."""
    return GitOps(namespace, *TOOLS["Argo CD"])


def theirs(place: Namespace, situation: str) -> str:
    """Run k8s_rollback in one situation."""
    if situation == SCALED:
        place.scale(0)
    if situation == STATEFUL:
        assert roll_back(place, "StatefulSet") is None
        return "failed"
    if situation == HEALED:
        with argo_cd(place) as tool:
            assert roll_back(place)
            place.until(lambda: tool.healed)
        return outcome(place, situation, changed=True)
    changed = bool(roll_back(place))
    if situation == TWICE:  # the controller has to number the first run before the second can go wrong
        place.until(lambda: place.revision("api") == 3)
        changed = bool(roll_back(place))
    return outcome(place, situation, changed)


def ours(namespace: Namespace, situation: str) -> str:
    """Run k8s_rollout in one situation."""
    kind = {"kind": "StatefulSet"} if situation == STATEFUL else {}
    workloads = [namespace.workload(previous="shop:1.4.9" if situation == GONE else "shop:1.4.1", **kind)]
    tool = argo_cd(namespace) if situation == HEALED else contextlib.nullcontext()
    policy = {"owner_policy": "suspend"} if situation == HEALED else {}
    try:
        if situation == SCALED:
            namespace.rollout("quiesced", workloads)
        with tool:
            result = namespace.rollout("rolled_back", workloads, **policy)
        if situation == TWICE:
            result = namespace.rollout("rolled_back", workloads)
    except RollbackError as error:
        reason = error.details.get("reason", "").replace("ImagePullBackOff", "ErrImagePull")
        return f"failed: {reason}" if reason else "refused"
    return outcome(namespace, situation, result["changed"])


def table() -> dict[str, tuple[str, str]]:
    """The rows of the document."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", TABLE.read_text(), re.M)
    return {situation: (rival, own) for situation, rival, own in rows[1:]}


def test_the_table_in_the_documentation_is_what_is_measured(namespaces: Callable[[], Namespace]) -> None:
    rivals, own = [namespaces() for _unused in SITUATIONS], [namespaces() for _unused in SITUATIONS]
    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(arrange, [*rivals, *own], SITUATIONS * 2))
        measured_own = list(pool.map(ours, own, SITUATIONS))
    measured_rivals = list(map(theirs, rivals, SITUATIONS))
    measured = dict(zip(SITUATIONS, zip(measured_rivals, measured_own, strict=True), strict=True))
    assert measured == table()
