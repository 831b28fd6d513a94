# SPDX-License-Identifier: GPL-3.0-or-later
"""Works on all workloads of a release at once: look at all, plan all or refuse, then change and follow each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from .._module import RollbackError
from .client import ApiError, Cluster, path_of
from .evaluate import health
from .identity import images_of
from .model import COLLECTIONS, Json, Observed, Workload
from .observe import assemble, observe
from .plan import GONE, ROLLED_BACK, SERVING, Options, Plan, brought_back, plan
from .wait import Abandoned, Progress, Waiter

ATTEMPTS = 20
"""How often a change is decided anew after a conflict: a busy controller writes the status several times a second."""
PARALLEL = 16
Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome:
    """What became of one workload; ``error`` if it did not become what was asked for."""

    plan: Plan
    changed: bool
    after: Json
    revision: int | None
    seconds: float
    error: RollbackError | None = None

    def as_result(self) -> Json:
        """What a module returns about it."""
        workload, observed, target = self.plan.workload, self.plan.observed, self.plan.target
        return {
            "kind": workload.kind,
            "name": workload.name,
            "namespace": workload.namespace,
            "changed": self.changed,
            "before": _state(observed.live, observed.revision),
            "after": _state(self.after, self.revision),
            "target": target.as_result() if target else None,
            "strategy": self.plan.strategy,
            "seconds": round(self.seconds, 1),
            "error": self.error.message if self.error else None,
        }


class Rollout:
    """One request for several workloads."""

    def __init__(self, cluster: Cluster, options: Options, progress: Progress) -> None:
        self._cluster = cluster
        self._options = options
        self._progress = progress
        self._failed = threading.Event()

    def plan(self, workloads: Sequence[Workload]) -> list[Plan]:
        """What would be done. Raises one :class:`RollbackError` that holds every refusal."""
        results = _each(self._plan_or_error, workloads)
        errors = [result for result in results if isinstance(result, RollbackError)]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise RollbackError("\n".join(error.message for error in errors))
        return [result for result in results if isinstance(result, Plan)]

    def foresee(self, plans: Sequence[Plan]) -> list[str]:
        """Have the server judge what will go back in place of what is to be taken down; notes about what it cannot.

        Raises :class:`RollbackError` with every refusal: a policy that came with the release, or since, would be found
        out only when the pods are gone and the schema is back.
        """
        results = _each(self._foresee, [plan for plan in plans if plan.wait == GONE and plan.changed])
        errors = [result.message for result in results if isinstance(result, RollbackError)]
        if errors:
            raise RollbackError("\n".join(errors))
        return [result for result in results if isinstance(result, str)]

    def rehearse(self, plans: Sequence[Plan]) -> list[Outcome]:
        """Have the server judge every change without making it."""
        return _each(self._rehearse, plans)

    def apply(self, plans: Sequence[Plan]) -> list[Outcome]:
        """Make every change and follow it; the first failure ends the waiting for the others."""
        return _each(self._apply, plans)

    def _plan_or_error(self, workload: Workload) -> Plan | RollbackError:
        try:
            return self._decide(observe(self._cluster, workload))
        except RollbackError as error:
            return error

    def _decide(self, observed: Observed) -> Plan:
        return plan(observed, self._options)

    def _foresee(self, wanted: Plan) -> RollbackError | str | None:
        later = replace(self._options, state=ROLLED_BACK)
        try:
            decide = partial(brought_back, options=later)
            self._write(decide(wanted.observed), decide, dry_run=True)
        except ApiError as error:
            if "does not support dry run" in error.message:
                return f"{wanted.workload}: whether its previous version is admitted is not known: {error.message}"
            return RollbackError(
                f"{wanted.workload}: its previous version would be refused, so nothing was changed: {error.message}"
            )
        except RollbackError as error:
            return error
        return None

    def _rehearse(self, wanted: Plan) -> Outcome:
        wanted, answer = self._write(wanted, self._decide, dry_run=True)
        return Outcome(wanted, wanted.changed, answer, None if wanted.changed else wanted.observed.revision, 0.0)

    def _apply(self, wanted: Plan) -> Outcome:
        start, first, changed = time.monotonic(), wanted, False
        live, revision = wanted.observed.live, wanted.observed.revision
        try:
            wanted, live = self._write(wanted, self._decide, dry_run=False)
            first, changed = wanted, wanted.changed
            final = self._follow(wanted, live)
            live, revision = final.live, final.revision
        except RollbackError as error:
            self._failed.set()
            return Outcome(first, changed, live, revision, time.monotonic() - start, error)
        return Outcome(wanted, changed, live, revision, time.monotonic() - start)

    def _write(self, wanted: Plan, decide: Callable[[Observed], Plan], *, dry_run: bool) -> tuple[Plan, Json]:
        """Send the change; whoever wrote in between is looked at, and the change decided anew."""
        workload = wanted.workload
        path = path_of(COLLECTIONS[workload.kind], workload.namespace, workload.name)
        for _attempt in range(ATTEMPTS):
            if not wanted.changed:
                return wanted, wanted.observed.live
            try:
                return wanted, self._cluster.patch(path, wanted.operations, dry_run=dry_run)
            except ApiError as error:
                if error.status != 409:
                    raise
            observed = observe(self._cluster, workload)
            # KEDA takes its autoscaler away when it is held, and the bounds have to be written down all the same.
            observed = replace(observed, autoscaler=observed.bounds or wanted.observed.bounds)
            wanted = decide(observed)
        raise RollbackError(
            f"{workload}: others changed it {ATTEMPTS} times in a row; find out who: kubectl get {workload.target} -w"
        )

    def _follow(self, wanted: Plan, live: Json) -> Observed:
        observed = assemble(wanted.workload, live, (), (), wanted.observed.autoscaler)
        if not wanted.wait or _nothing_to_wait_for(wanted):
            return wanted.observed
        before, options = wanted.observed.template, self._options
        waiter = Waiter(
            self._cluster, observed, before, options.timeout, self._progress, self._failed, options.unschedulable
        )
        return waiter.until_gone() if wanted.wait == GONE else waiter.until_serving(wanted.wanted, options.soak)


def results(outcomes: Sequence[Outcome], more: Mapping[str, Any]) -> Json:
    """The module's result with ``more``; raises :class:`RollbackError` with all of it when a workload failed."""
    answer = {
        **more,
        "changed": any(outcome.changed for outcome in outcomes),
        "workloads": [outcome.as_result() for outcome in outcomes],
        "diff": [_diff(outcome) for outcome in outcomes if outcome.changed],
    }
    errors = [outcome.error for outcome in outcomes if outcome.error]
    telling = [error for error in errors if not isinstance(error, Abandoned)] or errors
    if telling:
        details = telling[0].details if len(telling) == 1 else {}
        raise RollbackError("\n".join(error.message for error in telling), **{**details, **answer})
    return answer


def _nothing_to_wait_for(wanted: Plan) -> bool:
    """Whether a workload that needs no change has been right for a while already: no container has ever restarted."""
    observed = wanted.observed
    if wanted.changed:
        return False
    if wanted.wait == SERVING:
        return health(observed, wanted.wanted).settled and not any(pod.restarts for pod in observed.pods)
    return not observed.pods


def _each(work: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    with ThreadPoolExecutor(max_workers=max(1, min(PARALLEL, len(items)))) as pool:
        return list(pool.map(work, items))


def _state(live: Json, revision: int | None) -> Json:
    return {
        "images": images_of(live["spec"]["template"]),
        "replicas": live["spec"].get("replicas"),
        "revision": revision,
    }


def _diff(outcome: Outcome) -> Json:
    shown = outcome.plan.shown
    return {
        "before_header": str(outcome.plan.workload),
        "after_header": str(outcome.plan.workload),
        "before": shown(outcome.plan.observed.live),
        "after": shown(outcome.after),
    }
