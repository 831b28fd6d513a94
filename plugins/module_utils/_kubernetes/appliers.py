# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells whose next server-side apply will conflict, because a rollback has written fields that were theirs. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .model import FIELD_MANAGER, Json, Workload
from .plan import ROLLED_BACK, Plan

FORCING = ("argocd", "kustomize-controller")
"""Managers, by how they begin, that always force what they apply; they are owners, and told as such."""


@dataclass(frozen=True)
class Applier:
    """A field manager that applies the pod template of a workload."""

    workload: Workload
    manager: str
    command: str

    @property
    def note(self) -> str:
        """What a person has to do."""
        return (
            f"the next server-side apply by {self.manager} that changes {self.workload} conflicts with {FIELD_MANAGER},"
            f" which has written .spec.template. Let that one take the fields over: {self.command}"
        )

    def as_result(self) -> Json:
        """What a module returns about it, beside the tools that are suspended."""
        advice = "force the conflict at the next deploy that changes the template"
        told = {"tool": "server-side apply", "name": self.manager, "advice": advice, "suspendable": False}
        return {**told, "resume": self.command, "note": self.note}


def appliers(plans: Iterable[Plan], state: str) -> list[Applier]:
    """Those of the workloads that are rolled back, now or in an earlier run."""
    if state != ROLLED_BACK:
        return []
    return [one for plan in plans for one in _of(plan)]


def _of(plan: Plan) -> Iterator[Applier]:
    live = plan.observed.live
    fields: list[Json] = live["metadata"].get("managedFields") or []
    owning = [entry for entry in fields if "f:template" in _within(entry.get("fieldsV1"), "f:spec")]
    ours = any(entry.get("manager") == FIELD_MANAGER for entry in owning)
    writes = any(operation["path"] == "/spec/template" for operation in plan.operations)
    for entry in owning if ours or writes else ():
        manager = str(entry.get("manager", ""))
        if entry.get("operation") == "Apply" and manager != FIELD_MANAGER and not manager.startswith(FORCING):
            yield Applier(plan.workload, manager, _command(plan.workload, live, manager))


def _within(fields: Any, name: str) -> Json:
    found = (fields or {}).get(name)
    return found if isinstance(found, dict) else {}


def _command(workload: Workload, live: Json, manager: str) -> str:
    release = (live["metadata"].get("annotations") or {}).get("meta.helm.sh/release-name")
    if manager == "helm" and release:
        return f"helm -n {workload.namespace} upgrade {release} CHART --force-conflicts"
    name = f"'{manager}'" if " " in manager else manager
    return f"kubectl -n {workload.namespace} apply --server-side --field-manager={name} --force-conflicts -f FILE"
