# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources that this API server knows; routing, discovery and storage are drawn from this one table."""

from __future__ import annotations

from dataclasses import dataclass, field

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS = ("get", "patch", "update")


@dataclass(frozen=True)
class Kind:
    """One resource; ``subresources`` maps a name to its verbs, ``stored`` is the resource that holds its objects."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False, compare=False)

    @property
    def api_version(self) -> str:
        """``apps/v1``, ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """The lower-case singular name that discovery shows."""
        return self.kind.lower()

    @property
    def key(self) -> str:
        """Where its objects are stored: the two events APIs share one store."""
        return "events" if self.plural == "events" else f"{self.plural}.{self.group}" if self.group else self.plural


def _workload(plural: str, kind: str, short: str, *, scale: bool = True) -> Kind:
    subresources: dict[str, tuple[str, ...]] = {"status": STATUS}
    if scale:
        subresources["scale"] = STATUS
    return Kind("apps", "v1", plural, kind, short=(short,), categories=("all",), subresources=subresources)


_CREATE = ("create",)
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
_POD_SUBRESOURCES = {
    "attach": _CONNECT,
    "eviction": _CREATE,
    "exec": _CONNECT,
    "log": ("get",),
    "portforward": _CONNECT,
    "proxy": _PROXY,
    "status": STATUS,
}
_RBAC = "rbac.authorization.k8s.io"

NAMESPACE = Kind(
    "", "v1", "namespaces", "Namespace", False, ("ns",),
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    subresources={"status": STATUS},
)  # fmt: skip
NODE = Kind("", "v1", "nodes", "Node", False, ("no",), subresources={"proxy": _PROXY, "status": STATUS})
POD = Kind("", "v1", "pods", "Pod", True, ("po",), ("all",), subresources=_POD_SUBRESOURCES)
SERVICE = Kind(
    "", "v1", "services", "Service", True, ("svc",), ("all",), subresources={"proxy": _PROXY, "status": STATUS}
)
ENDPOINTS = Kind("", "v1", "endpoints", "Endpoints", True, ("ep",))
CONFIGMAP = Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",))
SECRET = Kind("", "v1", "secrets", "Secret")
SERVICE_ACCOUNT = Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",), subresources={"token": _CREATE})
EVENT = Kind("", "v1", "events", "Event", True, ("ev",))
QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), subresources={"status": STATUS})
DEPLOYMENT = _workload("deployments", "Deployment", "deploy")
REPLICASET = _workload("replicasets", "ReplicaSet", "rs")
STATEFULSET = _workload("statefulsets", "StatefulSet", "sts")
DAEMONSET = _workload("daemonsets", "DaemonSet", "ds", scale=False)
CONTROLLER_REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
JOB = Kind("batch", "v1", "jobs", "Job", True, (), ("all",), subresources={"status": STATUS})
CRON_JOB = Kind(
    "batch", "v1", "cronjobs", "CronJob", True, ("cj",), ("all",), subresources={"status": STATUS}
)  # fmt: skip
HPA = Kind(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True, ("hpa",), ("all",),
    subresources={"status": STATUS},
)  # fmt: skip
PDB = Kind(
    "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ("pdb",), subresources={"status": STATUS}
)
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
EVENT_V1 = Kind("events.k8s.io", "v1", "events", "Event", True, ("ev",))
ROLE = Kind(_RBAC, "v1", "roles", "Role")
ROLE_BINDING = Kind(_RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLE = Kind(_RBAC, "v1", "clusterroles", "ClusterRole", False)
CLUSTER_ROLE_BINDING = Kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False)


def _review(group: str, plural: str, kind: str, *, namespaced: bool = False) -> Kind:
    return Kind(f"{group}.k8s.io", "v1", plural, kind, namespaced, verbs=_CREATE)


REVIEWS = (
    _review("authentication", "selfsubjectreviews", "SelfSubjectReview"),
    _review("authorization", "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
    _review("authorization", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("authorization", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review("authorization", "subjectaccessreviews", "SubjectAccessReview"),
)
# What the tools that own workloads bring: custom resources, whose content the server does not know. They are served,
# but not told of: a server on which nobody has installed such a tool does not either.
APPLICATION = Kind("argoproj.io", "v1alpha1", "applications", "Application", short=("app",))
KUSTOMIZATION = Kind("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization", short=("ks",))
HELM_RELEASE = Kind("helm.toolkit.fluxcd.io", "v2", "helmreleases", "HelmRelease", short=("hr",))
SCALED_OBJECT = Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", short=("so",))
CUSTOM = (APPLICATION, KUSTOMIZATION, HELM_RELEASE, SCALED_OBJECT)
STORED = (
    CONFIGMAP, ENDPOINTS, EVENT, NAMESPACE, NODE, POD, QUOTA, SECRET, SERVICE_ACCOUNT, SERVICE,
    CONTROLLER_REVISION, DAEMONSET, DEPLOYMENT, REPLICASET, STATEFULSET, EVENT_V1, HPA, CRON_JOB, JOB, PDB,
    ROLE_BINDING, ROLE, CLUSTER_ROLE_BINDING, CLUSTER_ROLE, LEASE, ENDPOINT_SLICE,
    *CUSTOM,
)  # fmt: skip
KINDS = (*STORED, *REVIEWS)
BY_PATH = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}
BY_TYPE = {(kind.api_version, kind.kind): kind for kind in KINDS}
SERVED = tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS if kind.group))
GROUP_VERSIONS = tuple(place for place in SERVED if place not in {(kind.group, kind.version) for kind in CUSTOM})
SCALE = Kind("autoscaling", "v1", "scales", "Scale")  # a shape, not a resource of its own
