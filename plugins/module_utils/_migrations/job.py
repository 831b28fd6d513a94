# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration tool as a Job: the object that is created, and what its pods say, without any input or output."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._kubernetes.model import PREFIX, Json, Pod
from .._kubernetes.patience import Limits, patience
from .._kubernetes.permissions import Right
from .._kubernetes.permissions import rights as right_to
from .._module import RollbackError

CONTAINER = "migrate"
JOB_LABEL, TARGET_LABEL = f"{PREFIX}job", f"{PREFIX}migrates"
OWN = {"app.kubernetes.io/managed-by": "octalume.rollback", "app.kubernetes.io/component": "migration"}
# Service meshes would keep the pod alive after its container has ended.
NO_SIDECARS = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
# A node that is scaled away, or put together with another, would take a step down with it in the middle.
UNDISTURBED = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
FROM_CONTAINER = ("imagePullPolicy", "resources", "securityContext", "volumeMounts")
FROM_POD = (
    "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "hostAliases", "imagePullSecrets", "nodeSelector",
    "priorityClassName", "runtimeClassName", "securityContext", "serviceAccountName", "tolerations",
)  # fmt: skip
SECRET = re.compile(r"pass|secret|token|key|credential|dsn|url|uri", re.IGNORECASE)
FILES_OF_HERE = ("PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY")
START_ERRORS = ("StartError", "ContainerCannotRun", "RunContainerError")
GRACE = 5  # seconds for a tool that is to end; a shell script takes no notice until what it called is done
SPARE = 60  # seconds for which a Job outlives the time it is waited for, if nobody is there to end it


@dataclass(frozen=True)
class Site:
    """Where and as what the Job runs; times in seconds."""

    namespace: str
    workload: str | None = None
    kind: str = "Deployment"
    container: str | None = None
    image: str | None = None
    env: tuple[Mapping[str, Any], ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str | None = None
    host: str | None = None
    port: int | None = None
    start_timeout: float = 120
    ttl: int = 3600


@dataclass(frozen=True)
class Ended:
    """The tool's container is over."""

    pod: str
    status: int
    reason: str

    def __str__(self) -> str:
        return f"container {CONTAINER} of pod {self.pod}: {self.reason}, exit code {self.status}"


def job_name(target: str, argv: Sequence[str]) -> str:
    """The same name for the same step on the same database: a run that is taken up again finds it."""
    return "rollback-migrate-" + hashlib.sha256("\0".join([target, *argv]).encode()).hexdigest()[:16]


def target_of(namespace: str, variables: Mapping[str, str], chdir: str | None) -> str:
    """A word for the database that is migrated, fit for a label."""
    names = ("PGHOST", "PGPORT", "PGDATABASE")
    parts = [namespace, chdir or "", *(variables.get(name, "") for name in names)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def secrets_among(variables: Mapping[str, str], site: Site) -> dict[str, str]:
    """The variables that must not stand in the Job itself, as everybody who may read Jobs would see them."""
    named = {entry["name"] for entry in site.env}
    return {name: value for name, value in variables.items() if SECRET.search(name) and name not in named and value}


def make_job(
    site: Site, name: str, target: str, argv: Sequence[str], *, chdir: str | None, variables: Mapping[str, str],
    template: Json | None, seconds: float, once: bool, secret: str,
) -> Json:  # fmt: skip
    """The Job that runs ``argv``: one pod, one attempt, an end whatever happens, and no trace some time after it.

    ``template`` is the live pod template of the workload whose image, configuration and rights it takes. With secret
    variables it is made suspended, so that the Secret named ``secret`` can be made as its own before a pod starts. The
    next Job of the same name wants another: a Secret goes some time after the Job that owns it.
    """
    hidden = secrets_among(variables, site)
    labels = {**OWN, JOB_LABEL: name, **({TARGET_LABEL: target} if once else {})}
    shown = {"labels": {**NO_SIDECARS, **site.labels, **labels}, "annotations": {**NO_SIDECARS, **UNDISTURBED}}
    pod = _pod(site, argv, chdir=chdir, variables=variables, hidden=sorted(hidden), secret=secret, template=template)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": site.namespace,
            "labels": {**site.labels, **labels},
            "annotations": {f"{PREFIX}command": shlex.join(argv), f"{PREFIX}secret": secret},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(seconds + site.start_timeout + SPARE),
            "ttlSecondsAfterFinished": site.ttl,
            "suspend": bool(hidden),
            "template": {"metadata": shown, "spec": pod},
        },
    }


def make_secret(site: Site, job: Json, variables: Mapping[str, str]) -> Json:
    """The Secret of ``job``, which goes with it."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    name = job["metadata"]["annotations"][f"{PREFIX}secret"]
    meta = {"name": name, "namespace": site.namespace, "labels": OWN, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secrets_among(variables, site)}


def _pod(
    site: Site, argv: Sequence[str], *, chdir: str | None, variables: Mapping[str, str], hidden: Sequence[str],
    secret: str, template: Json | None,
) -> Json:  # fmt: skip
    model: Json = (template or {}).get("spec") or {}
    source = _source(site, model)
    image = site.image or source.get("image")
    if not image:
        raise RollbackError("the Job has no image: set job.image or job.workload")
    container: Json = {name: source[name] for name in FROM_CONTAINER if name in source}
    pod: Json = {name: model[name] for name in FROM_POD if name in model}
    volumes = [
        one for one in model.get("volumes") or [] if "persistentVolumeClaim" not in one and "ephemeral" not in one
    ]
    kept = {volume["name"] for volume in volumes}
    container["volumeMounts"] = [one for one in container.get("volumeMounts") or [] if one["name"] in kept]
    if site.service_account:
        pod["serviceAccountName"] = site.service_account
    container |= {
        "name": CONTAINER,
        "image": image,
        "command": [_literally(word) for word in argv],
        "env": _environment(site, source, variables, hidden, secret),
        "envFrom": [*(source.get("envFrom") or []), *map(dict, site.env_from)],
    }
    if directory := chdir or source.get("workingDir"):
        container["workingDir"] = directory
    more = {"restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE, "volumes": volumes}
    return {**pod, **more, "containers": [container]}


def _source(site: Site, model: Json) -> Json:
    """The container whose place the tool takes: the one that is named, else the first."""
    containers = model.get("containers") or []
    if not containers:
        return {}
    found = next((one for one in containers if site.container in (None, one["name"])), None)
    if found is None:
        names = ", ".join(one["name"] for one in containers)
        raise RollbackError(
            f"{site.kind} {site.namespace}/{site.workload} has no container {site.container}; it has {names}"
        )
    return dict(found)


def _environment(
    site: Site, source: Json, variables: Mapping[str, str], hidden: Sequence[str], secret: str
) -> list[Json]:
    """The workload's variables, over them the tool's, over them those of the options."""
    entries: list[Json] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
        if name in hidden
        else {"name": name, "value": _literally(value)}
        for name, value in variables.items()
        if name not in FILES_OF_HERE
    ]
    entries += map(dict, site.env)
    ours = {entry["name"] for entry in entries}
    kept = [entry for entry in source.get("env") or [] if entry["name"] not in ours]
    return [*kept, *{entry["name"]: entry for entry in entries}.values()]


def _literally(word: str) -> str:
    """The word as it is, where the kubelet would put variables in."""
    return word.replace("$", "$$")


def pods_of(jobs: Sequence[Json], pods: Iterable[Json]) -> list[Json]:
    """The pods of this very Job: those of an earlier one of the same name may still be on their way out."""
    uids = {job["metadata"]["uid"] for job in jobs}
    return [pod for pod in pods if any(ref["uid"] in uids for ref in pod["metadata"].get("ownerReferences") or [])]


def ended(pods: Iterable[Json]) -> Ended | None:
    """The end of the tool's container, though a sidecar may still run."""
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            over = (status.get("state") or {}).get("terminated")
            if status["name"] == CONTAINER and over:
                return Ended(pod["metadata"]["name"], int(over["exitCode"]), over.get("reason") or "Error")
    return None


def started(pods: Iterable[Json]) -> bool:
    """Whether the tool runs, or has run."""
    states = [
        status.get("state") or {}
        for pod in pods
        for status in (pod.get("status") or {}).get("containerStatuses") or []
        if status["name"] == CONTAINER
    ]
    return any("running" in state or "terminated" in state for state in states)


def finished(job: Json) -> str:
    """Reason and message of a Job that is over; empty text while it is not."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return f"{condition.get('reason', condition['type'])}: {condition.get('message', '')}"
    return ""


@dataclass(frozen=True)
class Doubt:
    """Why it may come to nothing, and the seconds for which that may last; what has one ``key`` is of one age."""

    key: str
    text: str
    patience: float = 0


def troubles(pods: Iterable[Json]) -> list[Doubt]:
    """Why pods do not start. For how long they may wait for a node, ``start_timeout`` alone decides."""
    found = []
    for item in pods:
        pod = Pod.from_json(item)
        for trouble in pod.troubles:
            if limit := patience(pod, trouble, Limits(unschedulable=math.inf)):
                where = f"container {trouble.container} of pod {pod.name}" if trouble.container else f"pod {pod.name}"
                found.append(Doubt(f"{where}: {limit[0]}", f"{where}: {trouble.reason}: {trouble.message}", limit[1]))
    return found


def rights(site: Site) -> list[Right]:
    """What running Jobs there takes."""
    purpose, space = "run a migration as a Job", site.namespace
    wanted = right_to(purpose, space, "batch", "jobs", "create delete list patch watch")
    wanted |= right_to(purpose, space, "", "pods", "list watch")
    wanted |= right_to(purpose, space, "", "pods", "get", subresource="log")
    wanted |= right_to(purpose, space, "", "secrets", "create")
    if site.workload:
        wanted |= right_to(purpose, space, "apps", f"{site.kind.lower()}s", "get")
    return sorted(wanted)


def find_argv(pattern: str) -> list[str]:
    """Print every file that the glob ``pattern`` finds, each line behind its path, with what every image has."""
    fixed = pattern[: re.search(r"[*?\[]|$", pattern).start()]  # type: ignore[union-attr]
    root = fixed.rpartition("/")[0] or ("/" if pattern.startswith("/") else ".")
    wanted = pattern.replace("**/", "*") if root != "." else "./" + pattern.replace("**/", "*")
    return ["find", root, "-type", "f", "-path", wanted, "-exec", "grep", "-H", "", "{}", "+"]


def read_found(pattern: str, text: str) -> dict[str, str]:
    """Path to content, from what :func:`find_argv` printed."""
    shape = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/:]*").replace(r"\?", "[^/:]")
    line = re.compile(rf"(?:\./)?(?P<path>{shape}):(?P<text>.*)")
    found: dict[str, list[str]] = {}
    for one in text.splitlines():
        if match := line.fullmatch(one):
            found.setdefault(match["path"], []).append(match["text"])
    return {path: "\n".join(lines) + "\n" for path, lines in sorted(found.items())}
