# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the server writes into an object where its author wrote none."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from .kinds import Kind
from .meta import random_suffix

Object = dict[str, Any]
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_NOT_READY = [
    {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for taint in ("not-ready", "unreachable")
]


def _fill(target: Object, **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)


def _probe(probe: Object) -> None:
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if "httpGet" in probe:
        _fill(probe["httpGet"], path="/", scheme="HTTP")


def _pull_policy(image: str) -> str:
    name = image.rsplit("/", 1)[-1]
    pinned = "@" in name or (":" in name and not name.endswith(":latest"))
    return "IfNotPresent" if pinned else "Always"


def _container(container: Object) -> None:
    policy = _pull_policy(container.get("image", ""))
    _fill(container, resources={}, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
    _fill(container, imagePullPolicy=policy)
    for port in container.get("ports", []):
        _fill(port, protocol="TCP")
    for name in _PROBES:
        if name in container:
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if "httpGet" in handler:
            _fill(handler["httpGet"], path="/", scheme="HTTP")
    for variable in container.get("env", []):
        if "fieldRef" in (variable.get("valueFrom") or {}):
            _fill(variable["valueFrom"]["fieldRef"], apiVersion="v1")
        elif variable.get("value") == "":
            del variable["value"]


def containers_of(spec: Object) -> Iterable[Object]:
    """Init containers, then containers."""
    return [*spec.get("initContainers", []), *spec.get("containers", [])]


def pod_spec(spec: Object) -> None:
    """Defaults of a pod's spec or of a template's."""
    for container in containers_of(spec):
        _container(container)
    for volume in spec.get("volumes", []):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if source in volume:
                _fill(volume[source], defaultMode=420)
        if len(volume) == 1:
            volume["emptyDir"] = {}
    _fill(spec, restartPolicy="Always", terminationGracePeriodSeconds=30, dnsPolicy="ClusterFirst")
    _fill(spec, securityContext={}, schedulerName="default-scheduler")
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account


def _deployment(item: Object) -> None:
    spec = item["spec"]
    _fill(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        spec["strategy"].setdefault("rollingUpdate", {})
        _fill(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _statefulset(item: Object) -> None:
    spec = item["spec"]
    _fill(spec, replicas=1, podManagementPolicy="OrderedReady", updateStrategy={}, revisionHistoryLimit=10)
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        spec["updateStrategy"].setdefault("rollingUpdate", {"partition": 0})
    _fill(spec, persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"})


def _daemonset(item: Object) -> None:
    spec = item["spec"]
    _fill(spec, updateStrategy={}, revisionHistoryLimit=10)
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        spec["updateStrategy"].setdefault("rollingUpdate", {"maxUnavailable": 1, "maxSurge": 0})


def _job(item: Object) -> None:
    spec = item["spec"]
    _fill(spec, parallelism=1, completions=1, backoffLimit=6, completionMode="NonIndexed", suspend=False)
    _fill(spec, podReplacementPolicy="TerminatingOrFailed", manualSelector=False)
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    uid = item["metadata"]["uid"]
    _fill(labels, **{"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid})
    name = item["metadata"]["name"]
    _fill(labels, **{"batch.kubernetes.io/job-name": name, "job-name": name})
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    if spec.pop("manualSelector", None):
        spec["manualSelector"] = True


def _service(item: Object) -> None:
    spec = item["spec"]
    for port in spec.get("ports", []):
        _fill(port, protocol="TCP", targetPort=port["port"])
    _fill(spec, type="ClusterIP", sessionAffinity="None", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")
    _fill(spec, internalTrafficPolicy="Cluster")
    _fill(item, status={"loadBalancer": {}})


def _secret(item: Object) -> None:
    for key, value in item.pop("stringData", {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()
    _fill(item, type="Opaque")


def _binding(item: Object) -> None:
    _fill(item.get("roleRef", {}), apiGroup="rbac.authorization.k8s.io")
    for subject in item.get("subjects", []):
        if subject["kind"] in ("User", "Group"):
            _fill(subject, apiGroup="rbac.authorization.k8s.io")


def _namespace(item: Object) -> None:
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    item["spec"] = {"finalizers": ["kubernetes"]}
    _fill(item, status={"phase": "Active"})


def _autoscaler(item: Object) -> None:
    _fill(item["spec"], minReplicas=1)
    utilization = {"type": "Utilization", "averageUtilization": 80}
    item["spec"].setdefault("metrics", [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}])


def new_pod(item: Object) -> None:
    """What admission adds to a new pod: its ServiceAccount's token, tolerations, priority, quality of service."""
    spec = item["spec"]
    _fill(spec, serviceAccountName="default", serviceAccount="default", priority=0, enableServiceLinks=True)
    _fill(spec, preemptionPolicy="PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    held = {toleration.get("key") for toleration in tolerations}
    tolerations.extend(toleration for toleration in _NOT_READY if toleration["key"] not in held)
    if spec.get("automountServiceAccountToken", True):
        name = f"kube-api-access-{random_suffix()}"
        spec.setdefault("volumes", []).append({"name": name, "projected": {"sources": _TOKEN, "defaultMode": 420}})
        mount = {"name": name, "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        for container in containers_of(spec):
            container.setdefault("volumeMounts", []).append(mount)
    item["status"] = {"phase": "Pending", "qosClass": quality_of_service(spec)}


_TOKEN: list[Object] = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
        }
    },
]


def quality_of_service(spec: Object) -> str:
    """BestEffort, Burstable or Guaranteed, from the containers' resources."""
    resources = [container["resources"] for container in containers_of(spec)]
    if not any(found.get("requests") or found.get("limits") for found in resources):
        return "BestEffort"
    equal = all(
        set(found.get("limits", {})) == {"cpu", "memory"} and found.get("requests", found["limits"]) == found["limits"]
        for found in resources
    )
    return "Guaranteed" if equal else "Burstable"


_OWN = {
    "deployments": _deployment, "statefulsets": _statefulset, "daemonsets": _daemonset, "jobs": _job,
    "services": _service, "secrets": _secret, "rolebindings": _binding, "clusterrolebindings": _binding,
    "namespaces": _namespace, "horizontalpodautoscalers": _autoscaler,
    "replicasets": lambda item: _fill(item["spec"], replicas=1),
}  # fmt: skip


_WITHOUT_SPEC = (
    "configmaps", "secrets", "serviceaccounts", "events", "endpoints", "endpointslices", "controllerrevisions",
)  # fmt: skip


def apply(kind: Kind, item: Object) -> None:
    """Write the defaults of ``kind`` into ``item``."""
    if kind.plural not in _WITHOUT_SPEC and kind.group != "rbac.authorization.k8s.io":
        item.setdefault("spec", {})
    template = item.get("spec", {}).get("template")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        pod_spec(template.setdefault("spec", {}))
    if kind.plural == "pods":
        pod_spec(item["spec"])
    if own := _OWN.get(kind.plural):
        own(item)
