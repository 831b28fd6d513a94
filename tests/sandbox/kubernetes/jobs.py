# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job controller: pods until enough have succeeded, or too many have failed (NonIndexed, no pod failure policy)."""

from __future__ import annotations

from typing import Any

from .controller import Controller
from .errors import ApiError
from .kinds import JOB, POD
from .meta import condition, copy, is_owned_by, now, pod_is_active, pod_is_ready, seconds_since
from .replicasets import pod_from_template
from .store import Change

Object = dict[str, Any]
_MANAGER = "kube-controller-manager"
_COMPONENT = "job-controller"
_BACK_OFF, _BACK_OFF_LIMIT = 10.0, 600.0  # seconds, before haste, until a failed pod is replaced
_BEFORE = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}
_TOO_MANY = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_TOO_LONG = ("DeadlineExceeded", "Job was active longer than specified deadline")


class JobController(Controller):
    """Keeps the pods of each Job."""

    kind = JOB

    def changed(self, change: Change) -> None:
        """A pod changed."""
        if change.key == POD.key:
            self.wake_owner(change.new)

    def reconcile(self, item: Object) -> None:
        """Count, decide whether it is over, else see that enough pods are at work."""
        if "deletionTimestamp" in item["metadata"]:
            return
        job = copy(item)
        if condition(job, "Complete") or condition(job, "Failed"):
            self._expire(job)
            return
        pods = [pod for pod in self.store.list(POD, job["metadata"]["namespace"]) if is_owned_by(pod, job)]
        active = [pod for pod in pods if pod_is_active(pod)]
        failed = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
        succeeded = sum(1 for pod in pods if pod["status"].get("phase") == "Succeeded")
        suspended = job["spec"].get("suspend", False)
        ending = self._ending(job, active, len(failed), succeeded)
        if ending or suspended:
            for pod in active:
                self.registry.delete(POD, pod)
                self._tell(job, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            active = []
        elif not self._backing_off(job, failed):
            self._fill(job, active, succeeded)
        self._write_status(job, active, len(failed), succeeded, ending)

    def _ending(self, job: Object, active: list[Object], failed: int, succeeded: int) -> tuple[str, str, str] | None:
        """(condition, reason, message) if it is over."""
        spec = job["spec"]
        if succeeded >= spec["completions"]:
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        statuses = [found for pod in active for found in pod["status"].get("containerStatuses", [])]
        restarts = sum(found["restartCount"] for found in statuses)
        restarting = spec["template"]["spec"].get("restartPolicy") == "OnFailure"
        if failed > spec["backoffLimit"] or (restarting and restarts and restarts >= spec["backoffLimit"]):
            return "Failed", *_TOO_MANY
        deadline, started = spec.get("activeDeadlineSeconds"), job["status"].get("startTime")
        if deadline and started and not spec.get("suspend"):
            left = deadline - seconds_since(started)
            if left <= 0:
                return "Failed", *_TOO_LONG
            self.wake_later(job, left)
        return None

    def _backing_off(self, job: Object, failed: list[Object]) -> bool:
        """Whether the last failure is too fresh for another try."""
        if not failed:
            return False
        wait = min(_BACK_OFF * 2 ** (len(failed) - 1), _BACK_OFF_LIMIT) / self.cluster.settings.haste
        ends = [seconds_since(found["state"]["terminated"]["finishedAt"]) for pod in failed
                for found in pod["status"].get("containerStatuses", []) if "terminated" in found["state"]
                and found["state"]["terminated"]["finishedAt"]]  # fmt: skip
        left = wait - min(ends, default=wait)
        if left > 0:
            self.wake_later(job, left)
        return bool(left > 0)

    def _fill(self, job: Object, active: list[Object], succeeded: int) -> None:
        missing = min(job["spec"]["parallelism"], job["spec"]["completions"] - succeeded) - len(active)
        for _ in range(missing):
            pod = pod_from_template(job)
            try:
                made = self.registry.create(POD, pod, manager=_MANAGER)
            except ApiError as error:
                self._tell(job, "FailedCreate", f"Error creating: {error.message}", warning=True)
                raise
            active.append(made)
            self._tell(job, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _write_status(
        self, job: Object, active: list[Object], failed: int, succeeded: int, ending: tuple[str, str, str] | None
    ) -> None:  # fmt: skip
        counts = {"active": len(active), "failed": failed, "succeeded": succeeded}
        held = {key: value for key, value in job["status"].items() if key in ("startTime", "conditions")}
        status: Object = held | {key: value for key, value in counts.items() if value}
        status |= {"ready": sum(1 for pod in active if pod_is_ready(pod)), "uncountedTerminatedPods": {}}
        status["terminating"] = 0
        if not job["spec"].get("suspend"):
            status.setdefault("startTime", now())
        if ending:
            word, reason, message = ending
            times = {"lastProbeTime": now(), "lastTransitionTime": now()}
            about = {"status": "True", **times, "reason": reason, "message": message}
            status["conditions"] = [{"type": _BEFORE[word], **about}, {"type": word, **about}]
            if word == "Complete":
                status["completionTime"] = now()
                self._tell(job, "Completed", "Job completed")
            else:
                self._tell(job, reason, message, warning=True)
        if status != job["status"]:
            self.registry.update(JOB, {**job, "status": status}, subresource="status", manager=_MANAGER)

    def _expire(self, job: Object) -> None:
        """Delete a finished Job whose time to live is over."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return
        ended = condition(job, "Complete") or condition(job, "Failed")
        assert ended is not None
        left = seconds - seconds_since(ended["lastTransitionTime"])
        if left > 0:
            self.wake_later(job, left)
        else:
            self.registry.delete(JOB, job, {"propagationPolicy": "Background"})

    def _tell(self, job: Object, reason: str, message: str, *, warning: bool = False) -> None:
        self.cluster.events.record(job, reason, message, _COMPONENT, warning=warning)
