# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a migration tool as a Job in a cluster: created, watched to its end, its log read, and removed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._kubernetes.client import MERGE_PATCH, ApiError, Cluster, Json, path_of
from .._kubernetes.mirror import Mirror
from .._kubernetes.model import COLLECTIONS, EVENTS, PODS
from .._kubernetes.patience import PATIENCE
from .._kubernetes.permissions import missing
from .._module import RollbackError
from .._postgres.model import Connection
from .job import (
    CONTAINER,
    JOB_LABEL,
    START_ERRORS,
    TARGET_LABEL,
    Doubt,
    Ended,
    Site,
    ended,
    find_argv,
    finished,
    job_name,
    make_job,
    make_secret,
    pods_of,
    read_found,
    rights,
    secrets_among,
    started,
    target_of,
    troubles,
)
from .model import Completed, Tool

JOBS, SECRETS = "/apis/batch/v1/jobs", "/api/v1/secrets"
GONE_TIMEOUT = 60  # seconds for a Job and its pods to go
TICK = 1.0
BACKGROUND = {"propagationPolicy": "Background"}
FOREGROUND = {"propagationPolicy": "Foreground"}


class InCluster:
    """The tool runs in a cluster."""

    def __init__(self, cluster: Cluster, site: Site, progress: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._site = site
        self._progress = progress

    def seen(self, connection: Connection) -> Connection:
        """As a pod reaches it."""
        return replace(connection, host=self._site.host or connection.host, port=self._site.port or connection.port)

    def runner(self, tool: Tool) -> JobRunner:
        """As Jobs."""
        return JobRunner(tool, self._cluster, self._site, self._progress)


class JobRunner:
    """Runs the tool's words as Jobs.

    A question is a Job with a name of its own. What changes the schema (``once``) has a name that follows from the
    database and the words: if the control node is lost meanwhile, the next run finds the Job, waits for it and reads
    it instead of running it a second time.
    """

    def __init__(self, tool: Tool, cluster: Cluster, site: Site, progress: Callable[[str], None]) -> None:
        self._tool = tool
        self._cluster = cluster
        self._site = site
        self._progress = progress
        self._target = target_of(site.namespace, tool.environment, tool.chdir)
        self._template: Json | None = None
        self._told: set[str] = set()
        self._files: dict[str, dict[str, str]] = {}

    def __call__(self, arguments: Sequence[str], *, timeout: float = 60, once: bool = False) -> Completed:
        """Run the tool with ``arguments``; see :class:`~.client.Runner`."""
        return self._run((*self._tool.command, *arguments), timeout, once)

    def files(self, pattern: str) -> Mapping[str, str]:
        """The files of the image that ``pattern`` finds, read by a Job too, once."""
        if pattern not in self._files:
            done = self._run(tuple(find_argv(pattern)), 60, False)
            found = read_found(pattern, done.output)
            if done.status and not found and "No such file" not in done.output:
                raise RollbackError(
                    f"the files {pattern} cannot be read in the image, which takes find and grep there: {done.errors}"
                )
            self._files[pattern] = found
        return self._files[pattern]

    def settle(self, timeout: float, *, take: bool) -> list[Completed]:
        """Wait for what a run that was broken off has left at work on this database; with ``take`` remove it too."""
        query = {"labelSelector": f"{TARGET_LABEL}={self._target}"}
        done = []
        for item in self._asked(lambda: self._cluster.get(path_of(JOBS, self._site.namespace), query))["items"]:
            name, command = item["metadata"]["name"], item["spec"]["template"]["spec"]["containers"][0]["command"]
            over = finished(item)
            if over and not take:
                continue
            if "deletionTimestamp" in item["metadata"] or (take and item["spec"].get("suspend")):
                self._remove(name)
                continue
            self._progress(f"job {name} was left by a run that broke off: {over or 'it is at work, waits for its end'}")
            try:
                done.append(self._result(name, tuple(command), timeout, take=take))
            except RollbackError as error:
                if not over:
                    raise
                self._progress(error.message)
        return done

    def _run(self, argv: tuple[str, ...], timeout: float, once: bool) -> Completed:
        name = job_name(self._target, argv) if once else f"rollback-ask-{secrets.token_hex(6)}"
        job = make_job(
            self._site, name, self._target, argv, chdir=self._tool.chdir, variables=self._tool.environment,
            template=self._model(), seconds=timeout, once=once, secret=f"{name}-{secrets.token_hex(3)}",
        )  # fmt: skip
        self._asked(lambda: self._start(job))
        return self._result(name, argv, timeout, take=True, log_wanted=not once)

    def _model(self) -> Json | None:
        """The pod template of the workload, if one is named."""
        site = self._site
        if site.workload and self._template is None:
            path = path_of(COLLECTIONS[site.kind], site.namespace, site.workload)
            self._template = self._asked(lambda: self._cluster.get(path))["spec"]["template"]
        return self._template

    def _start(self, job: Json) -> None:
        """Create the Job, unless a run that broke off has left it there."""
        site, meta = self._site, job["metadata"]
        path = path_of(JOBS, site.namespace)
        try:
            made = self._cluster.create(path, job)
        except ApiError as error:
            if error.status != 409:
                raise
            self._progress(f"job {meta['name']}: is there already, waits for its end")
            return
        if not job["spec"]["suspend"]:
            return
        secret = make_secret(site, made, self._tool.environment)
        try:
            self._cluster.create(path_of(SECRETS, site.namespace), secret)
            release = {"spec": {"suspend": False}}
            self._cluster.patch(path_of(JOBS, site.namespace, meta["name"]), release, content_type=MERGE_PATCH)
        except ApiError:
            self._cluster.delete(path_of(JOBS, site.namespace, meta["name"]), BACKGROUND)
            raise

    def _result(
        self, name: str, argv: tuple[str, ...], timeout: float, *, take: bool, log_wanted: bool = False
    ) -> Completed:
        began = time.monotonic()
        try:
            end = self._asked(lambda: self._wait(name, argv, timeout))
            log = self._log(end, log_wanted)
        except RollbackError as error:
            if take:
                self._give_up(name, error)
            raise
        if take:
            self._cluster.delete(path_of(JOBS, self._site.namespace, name), BACKGROUND)
        if end.reason in START_ERRORS:
            raise RollbackError(f"cannot start {argv[0]} in the image: {end}; check command and chdir. {log}", log=log)
        errors = f"{log.rstrip()}\n({end})" if end.status else ""
        return Completed(argv, end.status, log, errors, round(time.monotonic() - began, 3))

    def _wait(self, name: str, argv: tuple[str, ...], timeout: float) -> Ended:
        """Watch the Job until its container is over; :class:`RollbackError` as soon as that cannot come about."""
        space = self._site.namespace
        lists = {
            "job": (path_of(JOBS, space), {"fieldSelector": f"metadata.name={name}"}),
            "pods": (path_of(PODS, space), {"labelSelector": f"{JOB_LABEL}={name}"}),
        }
        began = time.monotonic()
        running_since: float | None = None
        first_seen: dict[str, float] = {}
        with Mirror(self._cluster, lists) as mirror:
            seen = 0
            while True:
                seen, found = mirror.snapshot(seen, TICK)
                now = time.monotonic()
                if found:
                    found = {**found, "pods": pods_of(found["job"], found["pods"])}
                    if end := ended(found["pods"]):
                        return end
                    if running_since is None and started(found["pods"]):
                        running_since = now
                    doubts = list(self._doubts(name, found, now - began))
                    first_seen = {doubt.key: first_seen.get(doubt.key, now) for doubt in doubts}
                    self._tell(doubts)
                    for doubt in doubts:
                        if now - first_seen[doubt.key] >= doubt.patience:
                            raise RollbackError(doubt.text, reason=doubt.text)
                if now - (running_since or began) > (timeout if running_since else self._site.start_timeout):
                    raise self._late(name, argv, timeout, found, running_since is not None)

    def _tell(self, doubts: Sequence[Doubt]) -> None:
        """Say what holds it up, once each."""
        for doubt in doubts:
            if doubt.patience and doubt.text not in self._told:
                self._told.add(doubt.text)
                self._progress(doubt.text)

    def _doubts(self, name: str, found: Mapping[str, list[Json]], age: float) -> Iterator[Doubt]:
        """Why it may come to nothing."""
        where = f"job {self._site.namespace}/{name}"
        if not found["job"]:
            yield Doubt("gone", f"{where} was deleted by somebody. Ask migration_info where the schema is")
        elif over := finished(found["job"][0]):
            # The two lists are not of one moment: the end of its pod may be told a little later.
            text = f"{where} is over, but its pod is gone: {over}. Ask migration_info where the schema is"
            yield Doubt("over", text, 5)
        elif not found["pods"] and age > PATIENCE["FailedCreate"] and (why := self._refusal(found["job"][0])):
            yield Doubt("none", f"{where} gets no pod: {why}")
        for trouble in troubles(found["pods"]):
            yield replace(trouble, text=f"{where} cannot start: {trouble.text}")

    def _refusal(self, job: Json) -> str:
        """Why the controller could not create a pod, from its events; nothing where these may not be read."""
        about = f"involvedObject.uid={job['metadata']['uid']},type=Warning"
        try:
            events = self._cluster.get(path_of(EVENTS, self._site.namespace), {"fieldSelector": about})["items"]
        except ApiError:
            return ""
        return next((str(event.get("message")) for event in events if event.get("reason") == "FailedCreate"), "")

    def _late(
        self, name: str, argv: tuple[str, ...], timeout: float, found: Mapping[str, list[Json]], running: bool
    ) -> RollbackError:
        """The error for a Job that took too long, with the last lines of its log."""
        if not running:
            states = "; ".join(one.text for one in troubles(found.get("pods", []))) or "no pod has started"
            limit = f"{self._site.start_timeout:g} s (job.start_timeout)"
            return RollbackError(f"job {self._site.namespace}/{name} did not start within {limit}: {states}")
        pod = found["pods"][0]["metadata"]["name"] if found.get("pods") else ""
        lines = self._cluster.log_tail(self._site.namespace, pod, CONTAINER, previous=False) if pod else []
        what = f"{' '.join(argv)} was not done within {round(timeout, 1):g} s in pod {pod} and was ended"
        return RollbackError(
            f"{what}; what it had not committed is rolled back once the server has noticed. Ask migration_info"
            f" where the schema is. Its last words: {' / '.join(lines)}",
            argv=list(argv),
            log=lines,
        )

    def _log(self, end: Ended, wanted: bool) -> str:
        """What the tool said; ``wanted``: it is an answer, so without it there is none."""
        try:
            return self._cluster.log(self._site.namespace, end.pod, CONTAINER)
        except ApiError as error:
            if wanted:
                raise
            return f"(its log cannot be read: {error.message})"

    def _give_up(self, name: str, why: RollbackError) -> None:
        """Remove the Job that came to nothing; that this failed as well must not hide why."""
        try:
            self._remove(name)
        except RollbackError as error:
            raise RollbackError(
                f"{why.message}. It could not be removed either: {error.message}", **why.details
            ) from why

    def _remove(self, name: str) -> None:
        """Delete a Job and wait until its pods are gone too: nothing of it may still be at work."""
        path = path_of(JOBS, self._site.namespace)
        self._cluster.delete(f"{path}/{name}", FOREGROUND)
        only = {"fieldSelector": f"metadata.name={name}"}
        deadline = time.monotonic() + GONE_TIMEOUT
        with Mirror(self._cluster, {"job": (path, only)}) as mirror:
            seen = 0
            while True:
                seen, found = mirror.snapshot(seen, TICK)
                if found and not found["job"]:
                    return
                if time.monotonic() > deadline:
                    raise RollbackError(
                        f"job {self._site.namespace}/{name} does not go away and may still be at work; look:"
                        f" kubectl -n {self._site.namespace} get job,pod -l {JOB_LABEL}={name}"
                    )

    def _asked(self, work: Callable[[], Any]) -> Any:
        """``work()``; a refusal names every right that is missing."""
        try:
            return work()
        except ApiError as error:
            if not error.lacks_right:
                raise
            wanted = [
                right for right in rights(self._site)
                if right.resource != "secrets" or secrets_among(self._tool.environment, self._site)
            ]  # fmt: skip
            lacking = "; ".join(map(str, missing(self._cluster, wanted))) or error.message
            raise RollbackError(
                f"a migration as a Job needs rights that this login does not have: {lacking}. Apply"
                " docs/policies/kubernetes-migration-job.yml",
                missing_permissions=lacking.split("; "),
            ) from error
