# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of each kind's table, and how a cell is told from an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes.client import models

from . import selectors
from .meta import seconds_since

Object = dict[str, Any]
Value = Callable[[Object], Any]


@dataclass(frozen=True)
class Column:
    """One column; ``priority`` 1 is shown by ``-o wide`` only."""

    name: str
    value: Value
    type: str = "string"
    priority: int = 0
    description: str = ""
    format: str = ""


def documented(model: Any, attribute: str) -> str:
    """A field's description in the API's own documentation, which the Python client carries."""
    text: str = model.model_fields[attribute].description
    return text.replace("  ", "\n\n")


def duration(seconds: float) -> str:
    """``5s``, ``3m20s``, ``4h``, ``2d`` as kubectl shortens times."""
    seconds = int(max(seconds, 0))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d{hours % 24}h" if days < 8 and hours % 24 else f"{days}d"


def age(item: Object) -> str:
    """The time since the object was made."""
    stamp = item["metadata"].get("creationTimestamp")
    return duration(seconds_since(stamp)) if stamp else "<unknown>"


def path(*keys: str, default: Any = "<none>") -> Value:
    """A cell that is a field of the object."""

    def value(item: Any) -> Any:
        for key in keys:
            item = item.get(key) if isinstance(item, dict) else None
        return default if item is None or item == "" else item

    return value


_NAME = Column("Name", path("metadata", "name"), description=documented(models.V1ObjectMeta, "name"), format="name")
_AGE = Column("Age", age, description=documented(models.V1ObjectMeta, "creation_timestamp"))
PLAIN = (_NAME, Column("Created At", path("metadata", "creationTimestamp"), "date"))


def _containers(what: str) -> Value:
    return lambda item: ",".join(found[what] for found in item["spec"]["template"]["spec"].get("containers", []))


def _selector(item: Object) -> str:
    found = item["spec"].get("selector") or {}
    text = selectors.to_text(found) if "matchLabels" in found or "matchExpressions" in found else _pairs(found)
    return text or "<none>"


def _pairs(values: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))


_TEMPLATE = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector, priority=1),
)


def _terminated_word(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def pod_status(pod: Object) -> str:
    """The word in the STATUS column: the phase, or what is the matter with a container."""
    status = pod["status"]
    word = status.get("reason") or status.get("phase", "Pending")
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in status.get("conditions", []))
    running = False
    for container in reversed(status.get("containerStatuses", [])):
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            word = state["waiting"]["reason"]
        elif "terminated" in state:
            word = _terminated_word(state["terminated"])
        elif "running" in state:
            running = True
    if word == "Completed" and running:
        word = "Running" if ready else "NotReady"
    for index, container in enumerate(status.get("initContainerStatuses", [])):
        state = container.get("state", {})
        if state.get("terminated", {}).get("exitCode") == 0:
            continue
        waiting = state.get("waiting", {}).get("reason")
        detail = (
            waiting if waiting not in (None, "PodInitializing") else f"{index}/{len(pod['spec']['initContainers'])}"
        )
        word = f"Init:{_terminated_word(state['terminated'])}" if "terminated" in state else f"Init:{detail}"
        break
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            return "Unknown"
        word = word if status.get("phase") in ("Succeeded", "Failed") else "Terminating"
    return str(word)


def _pod_ready(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    return f"{sum(1 for found in statuses if found.get('ready'))}/{len(pod['spec']['containers'])}"


def _pod_restarts(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", [])
    count = sum(found.get("restartCount", 0) for found in statuses)
    ends = [s["lastState"]["terminated"]["finishedAt"] for s in statuses if "terminated" in s.get("lastState", {})]
    return f"{count} ({duration(seconds_since(max(ends)))} ago)" if count and ends else str(count)


def _status(key: str) -> Value:
    return path("status", key, default=0)


def _ready_of(total: Value) -> Value:
    return lambda item: f"{item.get('status', {}).get('readyReplicas', 0)}/{total(item)}"


def _service_ports(item: Object) -> str:
    return ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}" if p.get("nodePort") else f"{p['port']}/{p['protocol']}"
        for p in item["spec"].get("ports", [])
    ) or "<none>"  # fmt: skip


def _endpoints(item: Object) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in item.get("subsets", [])
        for port in subset.get("ports", [])
        for address in subset.get("addresses", [])
    ]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<none>"


def _node_status(item: Object) -> str:
    ready = next((c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready"), "Unknown")
    text = "Ready" if ready == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if item["spec"].get("unschedulable") else text


def _event_age(item: Object) -> str:
    stamp = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"]["creationTimestamp"]
    return duration(seconds_since(stamp))


def _event_object(item: Object) -> str:
    found = item["involvedObject"]
    return f"{found.get('kind', '').lower()}/{found.get('name', '')}"


def _size(item: Object) -> int:
    return len(item.get("data") or {}) + len(item.get("binaryData") or {})


def _role(item: Object) -> str:
    return f"{item['roleRef']['kind']}/{item['roleRef']['name']}"


def _metrics(item: Object) -> str:
    current = {m["resource"]["name"]: m["resource"]["current"] for m in item["status"].get("currentMetrics") or []}
    shown = []
    for metric in item["spec"].get("metrics", []):
        name, target = metric["resource"]["name"], metric["resource"]["target"].get("averageUtilization")
        value = current.get(name, {}).get("averageUtilization")
        shown.append(f"{name}: {'<unknown>' if value is None else f'{value}%'}/{target}%")
    return ", ".join(shown) or "<none>"


def _job_duration(item: Object) -> str:
    start, end = item["status"].get("startTime"), item["status"].get("completionTime")
    return duration(seconds_since(start) - (seconds_since(end) if end else 0)) if start else ""


def _job_status(item: Object) -> str:
    held = {c["type"] for c in item["status"].get("conditions", []) if c["status"] == "True"}
    return next((word for word in ("Complete", "Failed", "FailureTarget", "Suspended") if word in held), "Running")


def _quota(what: str) -> Value:
    def value(item: Object) -> str:
        hard, used = item["status"].get("hard", {}), item["status"].get("used", {})
        named = {key: text for key, text in hard.items() if key.startswith("limits.") is (what == "limits")}
        return ", ".join(f"{key}: {used.get(key, '0')}/{text}" for key, text in sorted(named.items()))

    return value


_POD = models.V1PodSpec
_STATE = "The aggregate"
_PODS = (
    _NAME,
    Column("Ready", _pod_ready, description=f"{_STATE} readiness state of this pod for accepting traffic."),
    Column("Status", pod_status, description=f"{_STATE} status of the containers in this pod."),
    Column(
        "Restarts",
        _pod_restarts,
        description="The number of times the containers in this pod have been restarted and when the last container in "
        "this pod has restarted.",
    ),
    _AGE,
    Column("IP", path("status", "podIP"), priority=1, description=documented(models.V1PodStatus, "pod_ip")),
    Column("Node", path("spec", "nodeName"), priority=1, description=documented(_POD, "node_name")),
    Column(
        "Nominated Node",
        path("status", "nominatedNodeName"),
        priority=1,
        description=documented(models.V1PodStatus, "nominated_node_name"),
    ),
    Column("Readiness Gates", lambda _: "<none>", priority=1, description=documented(_POD, "readiness_gates")),
)
OF: dict[str, tuple[Column, ...]] = {
    "pods": _PODS,
    "deployments": (
        _NAME,
        Column("Ready", _ready_of(path("spec", "replicas", default=0))),
        Column("Up-to-date", _status("updatedReplicas")),
        Column("Available", _status("availableReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "replicasets": (
        _NAME,
        Column("Desired", path("spec", "replicas", default=0), "integer"),
        Column("Current", _status("replicas"), "integer"),
        Column("Ready", _status("readyReplicas"), "integer"),
        _AGE,
        *_TEMPLATE,
    ),
    "statefulsets": (_NAME, Column("Ready", _ready_of(path("spec", "replicas", default=0))), _AGE, *_TEMPLATE[:2]),
    "daemonsets": (
        _NAME,
        Column("Desired", _status("desiredNumberScheduled"), "integer"),
        Column("Current", _status("currentNumberScheduled"), "integer"),
        Column("Ready", _status("numberReady"), "integer"),
        Column("Up-to-date", _status("updatedNumberScheduled"), "integer"),
        Column("Available", _status("numberAvailable"), "integer"),
        Column("Node Selector", lambda _: "<none>"),
        _AGE,
        *_TEMPLATE,
    ),
    "services": (
        _NAME,
        Column("Type", path("spec", "type")),
        Column("Cluster-IP", path("spec", "clusterIP")),
        Column("External-IP", lambda _: "<none>"),
        Column("Port(s)", _service_ports),
        _AGE,
        Column("Selector", _selector, priority=1),
    ),
    "endpoints": (_NAME, Column("Endpoints", _endpoints), _AGE),
    "nodes": (
        _NAME,
        Column("Status", _node_status),
        Column("Roles", lambda _: "<none>"),
        _AGE,
        Column("Version", path("status", "nodeInfo", "kubeletVersion")),
    ),
    "namespaces": (_NAME, Column("Status", path("status", "phase")), _AGE),
    "configmaps": (_NAME, Column("Data", _size), _AGE),
    "secrets": (_NAME, Column("Type", path("type")), Column("Data", _size), _AGE),
    "serviceaccounts": (_NAME, Column("Secrets", lambda item: len(item.get("secrets", []))), _AGE),
    "events": (
        Column("Last Seen", _event_age),
        Column("Type", path("type")),
        Column("Reason", path("reason")),
        Column("Object", _event_object),
        Column("Message", path("message")),
    ),
    "leases": (_NAME, Column("Holder", path("spec", "holderIdentity")), _AGE),
    "jobs": (
        _NAME,
        Column("Status", _job_status),
        Column("Completions", lambda i: f"{i['status'].get('succeeded', 0)}/{i['spec'].get('completions', 1)}"),
        Column("Duration", _job_duration),
        _AGE,
    ),
    "horizontalpodautoscalers": (
        _NAME,
        Column("Reference", lambda i: f"{i['spec']['scaleTargetRef']['kind']}/{i['spec']['scaleTargetRef']['name']}"),
        Column("Targets", _metrics),
        Column("MinPods", path("spec", "minReplicas")),
        Column("MaxPods", path("spec", "maxReplicas")),
        Column("Replicas", _status("currentReplicas"), "integer"),
        _AGE,
    ),
    "poddisruptionbudgets": (
        _NAME,
        Column("Min Available", lambda i: str(path("spec", "minAvailable", default="N/A")(i))),
        Column("Max Unavailable", lambda i: str(path("spec", "maxUnavailable", default="N/A")(i))),
        Column("Allowed Disruptions", _status("disruptionsAllowed"), "integer"),
        _AGE,
    ),
    "resourcequotas": (_NAME, Column("Request", _quota("requests")), Column("Limit", _quota("limits")), _AGE),
    "rolebindings": (_NAME, Column("Role", _role), _AGE),
    "clusterrolebindings": (_NAME, Column("Role", _role), _AGE),
    "controllerrevisions": (
        _NAME,
        Column("Controller", lambda i: _owner(i)),
        Column("Revision", path("revision")),
        _AGE,
    ),
}


def _owner(item: Object) -> str:
    found = next((ref for ref in item["metadata"].get("ownerReferences", []) if ref.get("controller")), None)
    return f"{found['kind'].lower()}.{found['apiVersion'].partition('/')[0]}/{found['name']}" if found else "<none>"
