# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster for all tests of this folder, and a namespace for each of them."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import (
    MERGE_PATCH,
    ApiError,
    ApiServer,
    path_of,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call
from ansible_collections.octalume.rollback.plugins.modules import (
    k8s_configuration,
    k8s_configuration_info,
    k8s_maintenance,
    k8s_permissions_info,
    k8s_restore_point_info,
    k8s_rollout,
    k8s_rollout_info,
)

from tests.returned import seen
from tests.sandbox.kubernetes.server import KubernetesServer

Json = dict[str, Any]
MODULES = {
    "rollout": k8s_rollout,
    "rollout_info": k8s_rollout_info,
    "maintenance": k8s_maintenance,
    "permissions_info": k8s_permissions_info,
    "configuration": k8s_configuration,
    "configuration_info": k8s_configuration_info,
    "restore_point_info": k8s_restore_point_info,
}
COLLECTIONS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "ControllerRevision": "/apis/apps/v1/controllerrevisions",
    "Service": "/api/v1/services",
    "Secret": "/api/v1/secrets",
    "ConfigMap": "/api/v1/configmaps",
    "Pod": "/api/v1/pods",
    "ResourceQuota": "/api/v1/resourcequotas",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "PodDisruptionBudget": "/apis/policy/v1/poddisruptionbudgets",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Job": "/apis/batch/v1/jobs",
    "Application": "/apis/argoproj.io/v1alpha1/applications",
    "Kustomization": "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations",
    "ScaledObject": "/apis/keda.sh/v1alpha1/scaledobjects",
    "Role": "/apis/rbac.authorization.k8s.io/v1/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/rolebindings",
}


PROBED = {"readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1}}
"""For tests in which it matters when a pod is ready; without it a pod is as soon as it has started."""


def images() -> Json:
    """Versions of the test service, by image name."""
    argv = [sys.executable, str(Path(__file__).parent / "service.py")]

    def image(version: str, **env: str) -> Json:
        return {"argv": argv, "env": {"VERSION": version, "POD_IP": "$(POD_IP)", **env}, "cwd": "/"}

    return {
        "shop:1.4.0": image("1.4.0"),
        "shop:1.4.1": image("1.4.1"),
        "shop:1.4.2": image("1.4.2"),
        "shop:slow": image("slow", LEAVES_AFTER="2.5"),
        "shop:crash": image("crash", BEHAVIOUR="crash"),
        "shop:crash-later": image("crash-later", BEHAVIOUR="crash later"),
        "shop:cold": image("cold", BEHAVIOUR="crash twice"),
        "shop:far": {**image("far"), "pull_errors": ["dial tcp 10.0.0.9:443: i/o timeout", "unexpected EOF"]},
        "shop:unready": image("unready", BEHAVIOUR="unready"),
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """One emulated cluster."""
    options = ("--user", "robot:robot-token", "--haste", "15")
    cluster = KubernetesServer(tmp_path_factory.mktemp("kubernetes"), images(), None, *options)
    cluster.start()
    yield cluster
    cluster.stop()


class Namespace:
    """A namespace of its own, with short ways to make, look at and change what is in it."""

    def __init__(self, server: KubernetesServer) -> None:
        self.server = server
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.login = {"kubeconfig": str(server.kubeconfig)}
        self.api = ApiServer(connect(self.login))
        self.api.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": self.name}})
        self.told: list[str] = []
        self.warned: list[str] = []

    def path(self, kind: str, name: str | None = None) -> str:
        return path_of(COLLECTIONS[kind], self.name, name)

    def get(self, kind: str, name: str) -> Json:
        return self.api.get(self.path(kind, name))

    def items(self, kind: str) -> list[Json]:
        items: list[Json] = self.api.get(self.path(kind))["items"]
        return items

    def create(self, kind: str, name: str, body: Json, version: str = "v1", **metadata: Any) -> Json:
        head = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}
        return self.api.create(self.path(kind), {**head, **body})

    def patch(self, kind: str, name: str, change: Json) -> Json:
        for _attempt in range(5):
            with contextlib.suppress(ApiError):
                return self.api.patch(self.path(kind, name), change, content_type=MERGE_PATCH)
        return self.api.patch(self.path(kind, name), change, content_type=MERGE_PATCH)

    def deploy(self, name: str = "api", image: str = "shop:1.4.1", replicas: int = 2, **spec: Any) -> Json:
        """A Deployment, not waited for."""
        annotations, container = spec.pop("annotations", {}), spec.pop("container", {})
        body = {
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": template(name, **{"image": image, **container}),
                **spec,
            }
        }
        return self.create("Deployment", name, body, "apps/v1", annotations=annotations)

    def release(self, image: str, name: str = "api", kind: str = "Deployment", **container: Any) -> Json:
        """Put another image in, as a deploy does."""
        containers = self.get(kind, name)["spec"]["template"]["spec"]["containers"]
        containers[0] |= {"image": image, **container}
        return self.patch(kind, name, {"spec": {"template": {"spec": {"containers": containers}}}})

    def history(self, images: Sequence[str | Json], name: str = "api", replicas: int = 2, **spec: Any) -> None:
        """A Deployment that went through ``images``; pods are started for the last one only."""
        changes = [{"image": image} if isinstance(image, str) else image for image in images]
        self.deploy(name, replicas=0, **{**spec, "container": {**spec.get("container", {}), **changes[0]}})
        for index, change in enumerate(changes):
            if index:
                self.release(name=name, **change)
            self.until(lambda: self.revision(name) == index + 1)  # noqa: B023
        self.scale(replicas, name)

    def revision(self, name: str) -> int:
        annotations = self.get("Deployment", name)["metadata"].get("annotations") or {}
        return int(annotations.get("deployment.kubernetes.io/revision", 0))

    def scale(self, replicas: int, name: str = "api", kind: str = "Deployment") -> None:
        """Scale and wait."""
        self.patch(kind, name, {"spec": {"replicas": replicas}})
        self.settle(name, kind)

    def enforces_quotas(self) -> bool:
        """Whether a ResourceQuota keeps a pod out."""
        self.create("ResourceQuota", "none", {"spec": {"hard": {"pods": "0"}}})
        try:
            self.create("Pod", "probe", {"spec": template("probe", "shop:1.4.1")["spec"]})
        except ApiError as error:
            return error.status == 403
        finally:
            self.api.delete(self.path("ResourceQuota", "none"))
        self.api.delete(self.path("Pod", "probe"))
        return False

    def addresses(self, name: str = "api") -> list[str]:
        """Where a Service would send traffic: pods that are ready and not leaving."""
        return [
            pod["status"]["podIP"]
            for pod in self.pods(name)
            if not pod["metadata"].get("deletionTimestamp")
            for condition in pod["status"].get("conditions", [])
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]

    def workload(
        self, name: str = "api", current: str = "shop:1.4.2", previous: str = "shop:1.4.1", **more: Any
    ) -> Json:
        """An entry for a module's ``workloads``."""
        container = {"name": "main", "current": current, "previous": previous}
        return {"name": name, "namespace": self.name, "containers": [container], **more}

    def call(self, module: str, *, check: bool = False, **params: Any) -> Json:
        """Run a module as Ansible would, validating its arguments."""
        subject = MODULES[module]
        validated = ArgumentSpecValidator(subject.ARGUMENTS["argument_spec"]).validate({**self.login, **params})
        assert not validated.error_messages, validated.error_messages
        given = validated.validated_parameters
        call = Call(given, check_mode=check, warn=self.warned.append, progress=self.told.append)
        result: Json = subject.run(call)
        seen(subject, result)
        return result

    def info(self, **params: Any) -> Json:
        """What k8s_rollout_info tells of the one workload."""
        workloads = params.pop("workloads", None) or [self.workload()]
        entry: Json = self.call("rollout_info", workloads=workloads, **params)["workloads"][0]
        return entry

    def rollout(self, state: str, workloads: Sequence[Json] | None = None, **params: Any) -> Json:
        """k8s_rollout with short times."""
        times = {"timeout": 30, "soak": 0}
        return self.call("rollout", state=state, workloads=workloads or [self.workload()], **{**times, **params})

    def rollout_check(self, state: str, **params: Any) -> Json:
        """The same in check mode."""
        return self.call("rollout", check=True, state=state, workloads=[self.workload()], **params)

    def settle(self, name: str = "api", kind: str = "Deployment", timeout: float = 20) -> None:
        """Wait until a workload runs as its spec says."""
        deadline = time.monotonic() + timeout
        while True:
            live = self.get(kind, name)
            status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
            fields = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            counts = [status.get(field, 0) for field in fields]
            if status.get("observedGeneration") == live["metadata"]["generation"] and counts == [wanted] * 4:
                return
            assert time.monotonic() < deadline, status
            time.sleep(0.05)

    def until(self, condition: Callable[[], Any], timeout: float = 15) -> Any:
        """The first true value of ``condition()``."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, "not within the time"
            time.sleep(0.05)
        return value

    def pods(self, name: str = "api") -> list[Json]:
        query = {"labelSelector": f"app={name}"}
        items: list[Json] = self.api.get(self.path("Pod"), query)["items"]
        return items

    def images(self, name: str = "api", kind: str = "Deployment") -> list[str]:
        return [one["image"] for one in self.get(kind, name)["spec"]["template"]["spec"]["containers"]]

    def replicas(self, name: str = "api", kind: str = "Deployment") -> int:
        return int(self.get(kind, name)["spec"]["replicas"])


def template(name: str, image: str, **more: Any) -> Json:
    """A pod template of the test service."""
    container = {"name": "main", "image": image, **more}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 5}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


@pytest.fixture
def namespaces(server: KubernetesServer) -> Iterator[Callable[[], Namespace]]:
    """Make namespaces; they are deleted afterwards, so that no process stays."""
    made: list[Namespace] = []

    def make() -> Namespace:
        made.append(Namespace(server))
        return made[-1]

    yield make
    for namespace in made:
        namespace.api.delete(f"/api/v1/namespaces/{namespace.name}")


@pytest.fixture
def namespace(namespaces: Callable[[], Namespace]) -> Namespace:
    """An empty namespace."""
    return namespaces()


@pytest.fixture
def released(namespace: Namespace) -> Namespace:
    """1.4.2 is live with 2 replicas, 1.4.1 is the revision before."""
    cause = {"kubernetes.io/change-cause": "release 1.4.1", "team.example.com/owner": "shop"}
    namespace.history(["shop:1.4.1", "shop:1.4.2"], annotations=cause)
    return namespace
