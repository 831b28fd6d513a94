# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits until a workload is gone, or serves as wanted for a while; gives up at once on what can never come right."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from .._module import RollbackError
from .client import Cluster, path_of
from .evaluate import Health, Problem, health, intrusion, remaining
from .mirror import Mirror
from .model import COLLECTIONS, EVENTS, HISTORIES, PODS, Json, Observed, Pod, selector_of
from .observe import assemble, observe
from .patience import UNSCHEDULABLE, Limits

TICK = 1.0
"""Seconds after which time-outs are looked at though nothing has changed."""
Progress = Callable[[str], None]


class Abandoned(RollbackError):
    """Waiting ended because another workload of the same call has failed."""


class Waiter:
    """Follows one workload from the moment of its change."""

    def __init__(
        self,
        cluster: Cluster,
        observed: Observed,
        before: Json,
        timeout: float,
        progress: Progress,
        give_up: threading.Event,
        unschedulable: float = UNSCHEDULABLE,
    ) -> None:
        """Follow ``observed``, the workload as the change left it; ``before`` is the pod template it replaced.

        Pods that no node has room for are given up after ``unschedulable`` seconds, and in any case after ``timeout``.
        """
        self._cluster = cluster
        self._workload = observed.workload
        self._written, self._before = observed.live, before
        self._generation = observed.live["metadata"].get("generation", 0)
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._progress = progress
        self._give_up = give_up
        self._told = ""
        self._autoscaler = observed.autoscaler
        self._events_before: dict[str, int] | None = None
        self._removed: set[str] = set()
        self._unschedulable = min(unschedulable, timeout)
        self._limits: Limits | None = None
        selector = {"labelSelector": selector_of(observed.live)}
        namespace, kind = self._workload.namespace, self._workload.kind
        self._lists: dict[str, tuple[str, Mapping[str, str]]] = {
            "workload": (
                path_of(COLLECTIONS[kind], namespace),
                {"fieldSelector": f"metadata.name={self._workload.name}"},
            ),
            "history": (path_of(HISTORIES[kind], namespace), selector),
            "pods": (path_of(PODS, namespace), selector),
        }
        if kind != "Deployment":
            about = f"involvedObject.uid={observed.live['metadata']['uid']},type=Warning"
            self._lists["events"] = (path_of(EVENTS, namespace), {"fieldSelector": about})

    def until_gone(self) -> Observed:
        """Return once no pod of the workload is left. Raises :class:`RollbackError` naming those that stay."""
        last: Observed | None = None
        for observed in self._states():
            last = observed or last
            if observed and not observed.pods:
                return observed
            if observed:
                self._tell(f"{len(observed.pods)} pods left")
                if _noticed(observed.live):
                    self._unblock(observed.pods)
            if time.monotonic() > self._deadline:
                raise self._stuck(last)
        raise AssertionError("unreachable")

    def until_serving(self, wanted: int, soak: float) -> Observed:
        """Return once ``wanted`` pods serve and nothing has changed for ``soak`` seconds.

        Raises :class:`RollbackError` with reason and log lines as soon as it is certain to fail.
        """
        last: tuple[Observed, Health] | None = None
        first_seen: dict[tuple[object, ...], float] = {}
        calm_since: tuple[float, tuple[object, ...]] | None = None
        for observed in self._states():
            now = time.monotonic()
            if observed:
                state = health(observed, _wanted(observed, wanted), self._limits)
                last = (observed, state)
                first_seen = {problem.key: first_seen.get(problem.key, now) for problem in state.problems}
                if not state.settled:
                    calm_since = None
                    if observed.current_owner:
                        self._unblock(pod for pod in observed.pods if not observed.is_current(pod))
                elif calm_since is None or calm_since[1] != state.mark:
                    calm_since = (now, state.mark)
                self._tell(_progress(state, soak))
            if calm_since and now - calm_since[0] >= soak:
                final = self._confirmed(wanted, calm_since[1])
                if final:
                    return final
                calm_since = None
            for problem in last[1].problems if last else ():
                if now - first_seen[problem.key] >= problem.fatal_after:
                    raise self._hopeless(problem)
            if now > self._deadline:
                raise self._late(last)
        raise AssertionError("unreachable")

    def _states(self) -> Iterator[Observed | None]:
        """Every new state; ``None`` when there is none within :data:`TICK` seconds."""
        with Mirror(self._cluster, self._lists) as mirror:
            seen = 0
            while True:
                before = seen
                seen, lists = mirror.snapshot(seen, TICK)
                if self._give_up.is_set():
                    raise Abandoned(f"{self._workload}: not waited for any longer, because another workload failed")
                yield self._assemble(lists) if lists and seen > before else None

    def _assemble(self, lists: Mapping[str, list[Json]]) -> Observed | None:
        if not lists["workload"]:
            raise RollbackError(f"{self._workload} was deleted while it was waited for")
        live = lists["workload"][0]
        if live["metadata"].get("generation", 0) < self._generation:
            return None
        observed = assemble(self._workload, live, lists["history"], lists["pods"], self._autoscaler)
        self._refuse_intrusion(observed)
        if self._limits is None:
            before = {(pod.uid, name): count for pod in observed.pods for name, count in pod.restarts_of.items()}
            self._limits = Limits(before, self._unschedulable)
        return replace(observed, refusals=self._refusals(lists.get("events", [])))

    def _refusals(self, events: list[Json]) -> tuple[str, ...]:
        """Why pods could not be created since the first look; the server keeps events of an hour ago too."""
        counts = {event["metadata"]["uid"]: int(event.get("count") or 1) for event in events}
        if self._events_before is None:
            self._events_before = counts
        newer = {uid for uid, count in counts.items() if count > self._events_before.get(uid, 0)}
        return tuple(
            str(event.get("message", ""))
            for event in events
            if event.get("reason") == "FailedCreate" and event["metadata"]["uid"] in newer
        )

    def _refuse_intrusion(self, observed: Observed) -> None:
        """Raise if somebody has undone the change that is followed: whatever serves now is not what was asked for."""
        change = intrusion(observed, self._written, self._before)
        if change:
            raise RollbackError(
                f"{self._workload}: {change} while it was followed. Stop what owns it (Argo CD, Flux and KEDA by "
                "owner_policy=suspend) and run again; to see who wrote what: "
                f"kubectl get {self._workload.target} --show-managed-fields -o yaml"
            )

    def _confirmed(self, wanted: int, mark: tuple[object, ...]) -> Observed | None:
        """What the server says when it is asked afresh: the watches may have been broken for the whole soak."""
        observed = observe(self._cluster, self._workload)
        self._refuse_intrusion(observed)
        state = health(observed, _wanted(observed, wanted))
        return observed if state.settled and state.mark == mark else None

    def _unblock(self, pods: Iterable[Pod]) -> None:
        """Remove those ``pods`` of a StatefulSet that are not ready: its controller waits for them for ever.

        It takes one step at a time: it neither renews the others before (see "Forced rollback" in the documentation of
        StatefulSets), nor scales down while two of them are not ready. Names are used again, so each goes by its uid.
        """
        for pod in pods if self._workload.kind == "StatefulSet" else ():
            if pod.ready or pod.deleted or pod.uid in self._removed:
                continue
            self._removed.add(pod.uid)
            self._progress(f"{self._workload}: removes pod {pod.name}, which is not ready and holds the rest up")
            self._cluster.delete(path_of(PODS, self._workload.namespace, pod.name), uid=pod.uid)

    def _tell(self, summary: str) -> None:
        if summary != self._told:
            self._told = summary
            self._progress(f"{self._workload}: {summary}")

    def _stuck(self, last: Observed | None) -> RollbackError:
        pods = last.pods if last else ()
        now = datetime.datetime.now(datetime.UTC)
        leaving = " ".join(pod.name for pod in pods if pod.deleted)
        force = f"kubectl -n {self._workload.namespace} delete pod --force --grace-period=0 {leaving}"
        return RollbackError(
            f"{self._workload}: still there after {self._timeout:g} s: {remaining(pods, now)}. "
            + (
                f"If the node is dead for certain, type: {force}"
                if leaving
                else f"Nobody has told them to leave; see why: kubectl describe {self._workload.target}"
            ),
            pods=[pod.as_result() for pod in pods],
        )

    def _hopeless(self, problem: Problem) -> RollbackError:
        lines = self._log_of(problem)
        log = "".join(f"\n    {line}" for line in lines)
        return RollbackError(
            f"{self._workload} cannot come right: {problem}" + (f"; its last words:{log}" if lines else ""),
            reason=problem.reason,
            container=problem.container,
            pod=problem.pod,
            log=lines,
        )

    def _log_of(self, problem: Problem) -> list[str]:
        """What the container said before it failed; nothing if it never ran."""
        if not problem.container:
            return []
        where = (self._workload.namespace, problem.pod, problem.container)
        return self._cluster.log_tail(*where, previous=True) or self._cluster.log_tail(*where, previous=False)

    def _late(self, last: tuple[Observed, Health] | None) -> RollbackError:
        if last is None:
            return RollbackError(f"{self._workload}: the API server told nothing for {self._timeout:g} s; try again")
        observed, state = last
        now = datetime.datetime.now(datetime.UTC)
        unready = [pod for pod in observed.pods if pod.deleted or not pod.ready or not observed.is_current(pod)]
        causes = "; ".join(str(problem) for problem in state.problems)
        return RollbackError(
            f"{self._workload}: not done after {self._timeout:g} s: {state.summary}"
            + (f"; {causes}" if causes else "")
            + (f"; not ready or old: {remaining(unready, now)}" if unready else "")
            + f". Look: kubectl describe {self._workload.target}",
            pods=[pod.as_result() for pod in unready],
        )


def _wanted(observed: Observed, wanted: int) -> int:
    """The count follows the nodes of a DaemonSet, and an autoscaler; but never to none, if some were wanted."""
    if observed.workload.kind == "DaemonSet" or observed.autoscaler:
        return max(observed.replicas, min(wanted, 1))
    return wanted


def _progress(state: Health, soak: float) -> str:
    """How far it is, and the first of what holds it up."""
    if state.settled:
        return state.summary + (f", soaking for {soak:g} s" if soak else "")
    return state.summary + (f"; {state.problems[0]}" if state.problems else "")


def _noticed(live: Json) -> bool:
    """Whether the controller has seen the spec as it is: before, it makes a pod anew that is removed."""
    return bool((live.get("status") or {}).get("observedGeneration", 0) >= live["metadata"].get("generation", 0))
