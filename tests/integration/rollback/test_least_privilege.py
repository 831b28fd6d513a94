# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole playbook under a ServiceAccount that has the shipped Role and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call
from ansible_collections.octalume.rollback.plugins.modules import k8s_permissions_info

from tests.integration.rollback.conftest import ROOT, Operator, world
from tests.sandbox import proof
from tests.sandbox.cluster import Cluster
from tests.sandbox.demo import WANTED

pytestmark = pytest.mark.sandbox

POLICY = ROOT / "docs" / "policies" / "kubernetes-rollback.yml"
ACCOUNT = "system:serviceaccount:operations:rollback"
DECISION = ("-e", "condition=security_vulnerability", "-e", 'decided_by="Security Lead: Kim Reyes"')
SETTINGS = {"previous": {"banner": "off"}, "current": {"banner": "loyalty"}}
# What only a failure needs, or only a pod that has to be waited for.
FOR_FAILURES = {("get", "pods/log")}


def role() -> list[dict[str, Any]]:
    """The Role and its binding, as they are shipped."""
    return [item for item in yaml.safe_load(POLICY.read_text())["items"] if item["kind"] != "ClusterRole"]


class Robot:
    """A login that may do what its Role says."""

    def __init__(self, operator: Operator, directory: Path) -> None:
        sandbox = operator.sandbox
        self.operator, self.cluster = operator, sandbox.cluster
        kubeconfig = Path(sandbox.endpoints["kubernetes"]["kubeconfig"])
        operations = Cluster(kubeconfig, "operations")
        operations.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "operations"}})
        operations.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "rollback"}})
        config = yaml.safe_load(kubeconfig.read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": operations.token("rollback")}}]
        self.kubeconfig = directory / "robot.kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(config))
        self.audit = kubeconfig.with_name("audit.jsonl")
        self.manifest = yaml.safe_load((ROOT / "inventories/sandbox/releases/1.4.2.yml").read_text())
        namespace = {"name": "shop-settings", "namespace": self.cluster.namespace}
        contents = {end: {"data": data} for end, data in SETTINGS.items()}
        self.manifest["cluster_configurations"] = [
            {"kind": "ConfigMap", **namespace, **contents, "consumers": ["api-server"]}
        ]
        self.releases = directory / "releases"
        self.releases.mkdir()
        (self.releases / "1.4.2.yml").write_text(yaml.safe_dump(self.manifest))
        self.set("current")

    def set(self, end: str) -> None:
        """Give the settings a content."""
        head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-settings"}}
        self.cluster.replace({**head, "data": SETTINGS[end]})

    def grant(self, *left_out: str) -> None:
        """Apply the shipped Role without the rules about ``left_out``."""
        for item in role():
            if item["kind"] == "Role":
                item["rules"] = [rule for rule in item["rules"] if not set(left_out) & set(rule["resources"])]
            self.cluster.apply(item)

    def rollback(self, rc: int = 0) -> str:
        """Run the playbook as the robot."""
        login = json.dumps({"kubernetes_connection": {"kubeconfig": str(self.kubeconfig)}})
        return self.operator.rollback(*DECISION, "-e", login, "-e", f"plan_manifests={self.releases}", rc=rc)

    def used(self) -> Iterator[tuple[bool, str, str]]:
        """Whether it was allowed, the verb and the resource, of everything it has asked of the server."""
        for line in self.audit.read_text().splitlines():
            entry = json.loads(line)
            resource = entry["resource"] + (f"/{entry['subresource']}" if entry["subresource"] else "")
            if entry["user"] == ACCOUNT and not entry["group"].endswith("authorization.k8s.io"):
                yield entry["allowed"], entry["verb"], resource

    def asked(self) -> set[tuple[str, str]]:
        """The verb and the resource of every right that the self-check asks for."""
        here = self.cluster.namespace
        call = Call(
            {
                "kubeconfig": str(self.kubeconfig),
                "manifest": self.manifest,
                "record_namespace": here,
                "lease": {"name": "rollback-shop", "namespace": here},
                "maintenance": {"service": {"name": "api-server", "namespace": here}},
                "owner_policy": "refuse",
                "argocd_namespace": "argocd",
            }
        )
        lines = [line.split() for line in k8s_permissions_info.run(call)["asked"]]
        parts = [(words[0], words[1].partition("/")[0].partition(".")[0], words[2]) for words in lines]
        return {
            (verb, resource + ("/" + option.partition("=")[2] if option.startswith("--sub") else ""))
            for verb, resource, option in parts
        }


@pytest.fixture
def robot(operator: Operator, quiet_release: proof.Rows, tmp_path: Path) -> Robot:
    """1.4.2 is out; the robot has no right yet."""
    assert quiet_release["orders"] is not None
    return Robot(operator, tmp_path)


def test_the_whole_rollback_needs_no_more_than_the_shipped_role_and_no_less(
    robot: Robot, quiet_release: proof.Rows
) -> None:
    robot.grant()
    with robot.operator.sandbox.load(20):
        output = robot.rollback()
        proven = list(proof.prove(robot.operator.sandbox.endpoints, quiet_release, WANTED))
    lines = [line for line in proven if not line.holds and line.found != "all 0 of before"]
    assert not lines, "\n".join(map(str, lines))
    assert "Release 1.4.2 is rolled back to 1.4.1" in output
    assert (robot.cluster.get("ConfigMap", "shop-settings") or {})["data"] == SETTINGS["previous"]
    if robot.operator.sandbox.endpoints["external"]["kubernetes"]:
        return  # the audit log of a real server is out of reach
    used = set(robot.used())
    assert {entry for entry in used if not entry[0]} == set(), "something was refused on the way"
    done = {(verb, resource) for _unused, verb, resource in used}
    assert done - robot.asked() == set(), "the self-check does not ask for all of it"
    assert robot.asked() - done == FOR_FAILURES, "the self-check asks for more than is used"


def test_without_a_right_nothing_is_touched_and_the_right_is_named(robot: Robot) -> None:
    before, here = world(robot.operator.sandbox), robot.cluster.namespace
    for left_out, told in {
        "leases": f"lacks create leases.coordination.k8s.io in {here} (the lock)",
        "pods/exec": f"lacks create, get pods/exec in {here} (compare pods with the configuration)",
        "deployments": f"lacks get, list, patch, watch deployments.apps in {here} (look at the release",
    }.items():
        robot.grant(left_out)
        assert told in robot.rollback(rc=2)
        assert world(robot.operator.sandbox) == before, left_out
