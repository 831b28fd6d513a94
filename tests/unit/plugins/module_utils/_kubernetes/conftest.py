# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a real cluster, and variations of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import (
    Autoscaler,
    Container,
    Observed,
    Workload,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import assemble

OBJECTS = Path(__file__).parents[4] / "fixtures" / "kubernetes_objects"
Json = dict[str, Any]
Change = Callable[[Json], None]


def api_server(current: str = "1.4.3", previous: str = "1.4.1", template: Json | None = None) -> Workload:
    """The recorded Deployment, as a manifest would name it."""
    container = Container("api", f"shop/api-server:{current}", f"shop/api-server:{previous}")
    return Workload("Deployment", "api-server", "production", (container,), template)


@pytest.fixture
def recorded() -> Json:
    """A real Deployment at 1.4.3 with its three ReplicaSets, its pods and its Service."""
    objects: Json = json.loads((OBJECTS / "api_server.json").read_text())
    return objects


@pytest.fixture
def observed(recorded: Json) -> Callable[..., Observed]:
    """Make an observation of it: ``change(objects)`` edits what is recorded first."""

    def make(
        change: Change | None = None, workload: Workload | None = None, autoscaler: Autoscaler | None = None
    ) -> Observed:
        objects = copy.deepcopy(recorded)
        if change:
            change(objects)
        return assemble(
            workload or api_server(), objects["deployment"], objects["replicasets"], objects["pods"], autoscaler
        )

    return make


@pytest.fixture
def replay() -> Callable[..., Iterator[tuple[float, Observed]]]:
    """Every state that a recorded watch went through, with its second."""

    def states(name: str, workload: Workload) -> Iterator[tuple[float, Observed]]:
        items: dict[str, dict[str, Json]] = {"Deployment": {}, "ReplicaSet": {}, "Pod": {}}
        for event in json.loads((OBJECTS / f"{name}.json").read_text()):
            thing = event["object"]
            if event["type"] == "DELETED":
                items[thing["kind"]].pop(thing["metadata"]["uid"], None)
            else:
                items[thing["kind"]][thing["metadata"]["uid"]] = thing
            for live in items["Deployment"].values():
                yield event["t"], assemble(workload, live, items["ReplicaSet"].values(), items["Pod"].values())

    return states
