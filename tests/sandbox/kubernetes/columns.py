# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of each kind's table, and how a cell is told from an object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kubernetes.client import models

from . import cells
from .cells import Value, age, path, pod_status

Object = dict[str, Any]


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


_NAME = Column("Name", path("metadata", "name"), description=documented(models.V1ObjectMeta, "name"), format="name")
_AGE = Column("Age", age, description=documented(models.V1ObjectMeta, "creation_timestamp"))
PLAIN = (_NAME, Column("Created At", path("metadata", "creationTimestamp"), "date"))


_TEMPLATE = (
    Column("Containers", cells.containers("name"), priority=1),
    Column("Images", cells.containers("image"), priority=1),
    Column("Selector", cells.selector, priority=1),
)


_POD = models.V1PodSpec
_STATE = "The aggregate"
_PODS = (
    _NAME,
    Column("Ready", cells.pod_ready, description=f"{_STATE} readiness state of this pod for accepting traffic."),
    Column("Status", pod_status, description=f"{_STATE} status of the containers in this pod."),
    Column(
        "Restarts",
        cells.pod_restarts,
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
        Column("Ready", cells.ready_of(path("spec", "replicas", default=0))),
        Column("Up-to-date", cells.status("updatedReplicas")),
        Column("Available", cells.status("availableReplicas")),
        _AGE,
        *_TEMPLATE,
    ),
    "replicasets": (
        _NAME,
        Column("Desired", path("spec", "replicas", default=0), "integer"),
        Column("Current", cells.status("replicas"), "integer"),
        Column("Ready", cells.status("readyReplicas"), "integer"),
        _AGE,
        *_TEMPLATE,
    ),
    "statefulsets": (_NAME, Column("Ready", cells.ready_of(path("spec", "replicas", default=0))), _AGE, *_TEMPLATE[:2]),
    "daemonsets": (
        _NAME,
        Column("Desired", cells.status("desiredNumberScheduled"), "integer"),
        Column("Current", cells.status("currentNumberScheduled"), "integer"),
        Column("Ready", cells.status("numberReady"), "integer"),
        Column("Up-to-date", cells.status("updatedNumberScheduled"), "integer"),
        Column("Available", cells.status("numberAvailable"), "integer"),
        Column("Node Selector", lambda _: "<none>"),
        _AGE,
        *_TEMPLATE,
    ),
    "services": (
        _NAME,
        Column("Type", path("spec", "type")),
        Column("Cluster-IP", path("spec", "clusterIP")),
        Column("External-IP", lambda _: "<none>"),
        Column("Port(s)", cells.service_ports),
        _AGE,
        Column("Selector", cells.selector, priority=1),
    ),
    "endpoints": (_NAME, Column("Endpoints", cells.endpoints), _AGE),
    "nodes": (
        _NAME,
        Column("Status", cells.node_status),
        Column("Roles", lambda _: "<none>"),
        _AGE,
        Column("Version", path("status", "nodeInfo", "kubeletVersion")),
    ),
    "namespaces": (_NAME, Column("Status", path("status", "phase")), _AGE),
    "configmaps": (_NAME, Column("Data", cells.size), _AGE),
    "secrets": (_NAME, Column("Type", path("type")), Column("Data", cells.size), _AGE),
    "serviceaccounts": (_NAME, Column("Secrets", lambda item: len(item.get("secrets", []))), _AGE),
    "events": (
        Column("Last Seen", cells.event_age),
        Column("Type", path("type")),
        Column("Reason", path("reason")),
        Column("Object", cells.event_object),
        Column("Message", path("message")),
    ),
    "leases": (_NAME, Column("Holder", path("spec", "holderIdentity")), _AGE),
    "jobs": (
        _NAME,
        Column("Status", cells.job_status),
        Column("Completions", lambda i: f"{i['status'].get('succeeded', 0)}/{i['spec'].get('completions', 1)}"),
        Column("Duration", cells.job_duration),
        _AGE,
    ),
    "horizontalpodautoscalers": (
        _NAME,
        Column("Reference", lambda i: f"{i['spec']['scaleTargetRef']['kind']}/{i['spec']['scaleTargetRef']['name']}"),
        Column("Targets", cells.metrics),
        Column("MinPods", path("spec", "minReplicas")),
        Column("MaxPods", path("spec", "maxReplicas")),
        Column("Replicas", cells.status("currentReplicas"), "integer"),
        _AGE,
    ),
    "poddisruptionbudgets": (
        _NAME,
        Column("Min Available", lambda i: str(path("spec", "minAvailable", default="N/A")(i))),
        Column("Max Unavailable", lambda i: str(path("spec", "maxUnavailable", default="N/A")(i))),
        Column("Allowed Disruptions", cells.status("disruptionsAllowed"), "integer"),
        _AGE,
    ),
    "resourcequotas": (_NAME, Column("Request", cells.quota("requests")), Column("Limit", cells.quota("limits")), _AGE),
    "rolebindings": (_NAME, Column("Role", cells.role), _AGE),
    "clusterrolebindings": (_NAME, Column("Role", cells.role), _AGE),
    "controllerrevisions": (
        _NAME,
        Column("Controller", lambda i: cells.owner(i)),
        Column("Revision", path("revision")),
        _AGE,
    ),
}
