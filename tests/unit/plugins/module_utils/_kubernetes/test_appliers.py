# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose next server-side apply conflicts, from what the server notes of who wrote which field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.appliers import appliers
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Observed
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options, plan

Json = dict[str, Any]
Make = Callable[..., Observed]


def entry(manager: str, operation: str = "Apply", field: str = "f:template") -> Json:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {"f:spec": {}}}}}


def told(observed: Make, *entries: Json, state: str = "rolled_back", **annotations: str) -> list[str]:
    def noted(objects: Json) -> None:
        meta = objects["deployment"]["metadata"]
        meta["managedFields"] = list(entries)
        meta["annotations"] |= annotations

    planned = plan(observed(noted), Options(state, owner_policy="ignore"))
    return [one.as_result()["resume"] for one in appliers([planned], state)]


FORCE = "kubectl -n production apply --server-side --field-manager={} --force-conflicts -f FILE"


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("kubectl", FORCE.format("kubectl")),
        ("my pipeline", FORCE.format("'my pipeline'")),
        ("helm", "helm -n production upgrade shop CHART --force-conflicts"),
    ],
)
def test_the_next_command_names_the_manager(observed: Make, manager: str, command: str) -> None:
    assert told(observed, entry(manager), **{"meta.helm.sh/release-name": "shop"}) == [command]


@pytest.mark.parametrize(
    "entries",
    [
        [entry("kubectl-client-side-apply", "Update")],
        [entry("kubectl", field="f:replicas")],
        [entry("argocd-controller")],
        [entry("kustomize-controller")],
        [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": None}}],
        [],
    ],
)
def test_who_applies_no_template_or_forces_it_anyway_has_no_conflict(observed: Make, entries: list[Json]) -> None:
    assert told(observed, *entries) == []


def test_a_quiesce_writes_no_template(observed: Make) -> None:
    assert told(observed, entry("kubectl"), state="quiesced") == []
