# SPDX-License-Identifier: GPL-3.0-or-later
"""Argo CD and Flux are suspended by their own objects before a rollback, so that they do not undo it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Container, Workload
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import assemble
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options, plan
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.suspend import suspend_owners
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.table import Answer, Json, TableServer, status
from tests.integration.kubernetes.test_wire import recording

APPLICATION = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"
KUSTOMIZATION = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/shop"
ARGO_CD = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:production/api-server"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}}


class Owners:
    """An API server with the tool's objects; patches are merged as it would."""

    def __init__(self, objects: dict[str, Json]) -> None:
        self.objects = copy.deepcopy(objects)
        self.patches: list[tuple[str, Json, bool]] = []

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if path not in self.objects:
            return status(404, "NotFound", f"{path} not found")
        if method == "PATCH":
            self.patches.append((path, body, "dryRun" in query))
            merge(self.objects[path], body)
        return 200, self.objects[path]


def merge(target: Json, change: Json) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


def planned(marks: Json, workload_name: str = "api-server") -> Any:
    objects = recording("api_server")
    for group, values in marks.items():
        objects["deployment"]["metadata"].setdefault(group, {}).update(values)
    containers = (Container("api", "shop/api-server:1.4.3", "shop/api-server:1.4.1"),)
    workload = Workload("Deployment", workload_name, "production", containers)
    observed = assemble(workload, objects["deployment"], objects["replicasets"], objects["pods"])
    return plan(observed, Options("rolled_back", owner_policy="suspend"))


def spec(**content: Any) -> Json:
    return {"metadata": {"resourceVersion": "5"}, "spec": content}


@pytest.mark.parametrize(
    ("marks", "path", "before", "after"),
    [
        (
            ARGO_CD,
            APPLICATION,
            {"syncPolicy": {"automated": {"selfHeal": True}, "retry": 1}},
            {"syncPolicy": {"retry": 1}},
        ),
        (FLUX, KUSTOMIZATION, {"interval": "1m"}, {"interval": "1m", "suspend": True}),
    ],
    ids=["Argo CD", "Flux"],
)
def test_the_owner_is_suspended_once(marks: Json, path: str, before: Json, after: Json) -> None:
    table = Owners({path: spec(**before)})
    with TableServer(table) as server:
        cluster = ApiServer(server.client())
        plans = [planned(marks), planned(marks, "worker")]
        [owner] = suspend_owners(cluster, plans, "argocd", dry_run=False)
        assert "git revert" in owner.advice
        assert suspend_owners(cluster, plans, "argocd", dry_run=False) == []
    assert table.objects[path]["spec"] == after
    [(_path, patch, dry_run)] = table.patches
    assert patch["metadata"]["resourceVersion"] == "5"
    assert not dry_run
    if path == APPLICATION:
        kept = table.objects[path]["metadata"]["annotations"]["rollback.octalume.io/sync-policy"]
        assert kept == '{"selfHeal": true}'


def test_an_owner_that_cannot_be_suspended_refuses_the_rollback() -> None:
    with TableServer(Owners({})) as server, pytest.raises(RollbackError, match=r"could not be suspended.*git revert"):
        suspend_owners(ApiServer(server.client()), [planned(ARGO_CD)], "argocd", dry_run=False)
