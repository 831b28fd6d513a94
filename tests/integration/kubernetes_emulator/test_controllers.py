# SPDX-License-Identifier: GPL-3.0-or-later
"""StatefulSets, DaemonSets and Jobs do what the API's documentation says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from tests.sandbox.kubernetes.server import KubernetesServer

from .conftest import deployment

Until = Callable[..., Any]
NEW = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "shop/api-server:1.4.2"}]}}}}
BROKEN = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "shop/api-server:0"}]}}}}


@pytest.fixture
def apps(api: client.ApiClient) -> client.AppsV1Api:
    """The apps API."""
    return client.AppsV1Api(api)


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    """The core API."""
    return client.CoreV1Api(api)


def _stateful_set(apps: client.AppsV1Api, namespace: str, replicas: int = 3, **spec: Any) -> None:
    item = deployment("db", replicas, readinessProbe=None)
    item["spec"] |= {"serviceName": "db", **spec}
    apps.create_namespaced_stateful_set(namespace, {**item, "kind": "StatefulSet"})


def _settled(apps: client.AppsV1Api, namespace: str) -> Any:
    """The StatefulSet's status once every pod is there, ready and of the new revision."""
    found = apps.read_namespaced_stateful_set("db", namespace)
    status, wanted = found.status, found.spec.replicas
    counts = {status.replicas, status.ready_replicas or 0, status.updated_replicas or 0, status.available_replicas or 0}
    return status if status.observed_generation == found.metadata.generation and counts == {wanted} else None


def _pods(core: client.CoreV1Api, namespace: str) -> dict[str, tuple[str, str]]:
    """Image and uid of each pod that does not leave."""
    pods = core.list_namespaced_pod(namespace).items
    return {p.metadata.name: (p.spec.containers[0].image[-5:], p.metadata.uid) for p in pods
            if not p.metadata.deletion_timestamp}  # fmt: skip


def _order(core: client.CoreV1Api, namespace: str, reason: str) -> list[str]:
    """What the controller did, in its order."""
    events = [e for e in core.list_namespaced_event(namespace).items if e.reason == reason]
    events.sort(key=lambda event: int(event.metadata.resource_version))
    return [event.message.split()[2] for event in events]


def test_a_stateful_set_grows_is_updated_and_shrinks_in_order(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    _stateful_set(apps, namespace)
    first = until(lambda: _settled(apps, namespace))
    assert _order(core, namespace, "SuccessfulCreate") == ["db-0", "db-1", "db-2"]
    pod = core.read_namespaced_pod("db-1", namespace)
    labels = pod.metadata.labels
    assert labels["controller-revision-hash"] == first.current_revision == first.update_revision
    assert (labels["statefulset.kubernetes.io/pod-name"], labels["apps.kubernetes.io/pod-index"]) == ("db-1", "1")
    assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")

    apps.patch_namespaced_stateful_set("db", namespace, NEW)
    second = until(lambda: _settled(apps, namespace))
    assert _order(core, namespace, "SuccessfulDelete") == ["db-2", "db-1", "db-0"]
    assert second.current_revision == second.update_revision != first.update_revision
    revisions = apps.list_namespaced_controller_revision(namespace).items
    assert sorted(found.revision for found in revisions) == [1, 2]

    apps.patch_namespaced_stateful_set_scale("db", namespace, {"spec": {"replicas": 1}})
    until(lambda: list(_pods(core, namespace)) == ["db-0"])
    deleted = [event.message.split()[2] for event in core.list_namespaced_event(namespace).items
               if event.reason == "SuccessfulDelete" and event.count == 2]  # fmt: skip
    assert sorted(deleted) == ["db-1", "db-2"]


def test_a_partition_holds_the_lower_pods_back(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    _stateful_set(apps, namespace, 2, updateStrategy=strategy)
    until(lambda: _settled(apps, namespace))
    apps.patch_namespaced_stateful_set("db", namespace, NEW)
    until(lambda: _pods(core, namespace).get("db-1", ("",))[0] == "1.4.2")
    _unused, uid = _pods(core, namespace)["db-0"]
    core.delete_namespaced_pod("db-0", namespace)
    image, _unused = until(lambda: (found := _pods(core, namespace).get("db-0")) and found[1] != uid and found)
    assert image == "1.4.1"
    until(lambda: apps.read_namespaced_stateful_set("db", namespace).status.ready_replicas == 2)
    status = apps.read_namespaced_stateful_set("db", namespace).status
    assert (status.current_replicas, status.updated_replicas) == (1, 1)
    assert status.current_revision != status.update_revision


def test_a_pod_that_never_gets_ready_blocks_its_own_rollback(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    """The documentation's "Forced rollback": the template is right again, and the pod has to be deleted by hand."""
    _stateful_set(apps, namespace, 2)
    until(lambda: _settled(apps, namespace))
    apps.patch_namespaced_stateful_set("db", namespace, BROKEN)
    until(lambda: _pods(core, namespace).get("db-1", ("",))[0].endswith(":0"))
    apps.patch_namespaced_stateful_set("db", namespace, NEW)
    revision = until(lambda: apps.read_namespaced_stateful_set("db", namespace).status.observed_generation == 3)
    assert revision
    assert _pods(core, namespace)["db-1"][0].endswith(":0")
    core.delete_namespaced_pod("db-1", namespace)
    until(lambda: _settled(apps, namespace))
    assert {image for image, _unused in _pods(core, namespace).values()} == {"1.4.2"}


def test_on_delete_waits_for_somebody_to_delete(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    _stateful_set(apps, namespace, 1, updateStrategy={"type": "OnDelete"})
    until(lambda: _settled(apps, namespace))
    before = _pods(core, namespace)
    apps.patch_namespaced_stateful_set("db", namespace, NEW)
    until(lambda: apps.read_namespaced_stateful_set("db", namespace).status.observed_generation == 2)
    assert _pods(core, namespace) == before
    core.delete_namespaced_pod("db-0", namespace)
    until(lambda: _pods(core, namespace).get("db-0", ("",))[0] == "1.4.2")


def test_a_stateful_sets_service_is_for_ever(apps: client.AppsV1Api, namespace: str) -> None:
    _stateful_set(apps, namespace, 0)
    with pytest.raises(client.ApiException, match="updates to statefulset spec for fields other than") as refused:
        apps.patch_namespaced_stateful_set("db", namespace, {"spec": {"serviceName": "other"}})
    assert refused.value.status == 422


def _daemon_set(apps: client.AppsV1Api, namespace: str, **spec: Any) -> None:
    item = deployment("agent", readinessProbe=None)
    del item["spec"]["replicas"]
    item["spec"] |= spec
    apps.create_namespaced_daemon_set(namespace, {**item, "kind": "DaemonSet"})


def _spread(apps: client.AppsV1Api, namespace: str) -> Any:
    """The DaemonSet's status once every node has its new pod."""
    found = apps.read_namespaced_daemon_set("agent", namespace)
    status = found.status
    counts = (status.updated_number_scheduled, status.number_available, status.current_number_scheduled)
    seen = status.observed_generation == found.metadata.generation
    return status if seen and set(counts) == {status.desired_number_scheduled} else None


@pytest.mark.parametrize(("unavailable", "surge", "least"), [(1, 0, 1), (0, 1, 2)])
def test_a_daemon_set_has_a_pod_on_each_node_and_replaces_them_one_by_one(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until, unavailable: int, surge: int,
    least: int,
) -> None:  # fmt: skip
    limits = {"maxUnavailable": unavailable, "maxSurge": surge}
    _daemon_set(apps, namespace, updateStrategy={"type": "RollingUpdate", "rollingUpdate": limits})
    assert until(lambda: _spread(apps, namespace)).desired_number_scheduled == 2
    nodes = sorted(pod.spec.node_name for pod in core.list_namespaced_pod(namespace).items)
    assert nodes == ["node-1", "node-2"]
    apps.patch_namespaced_daemon_set("agent", namespace, NEW)
    there = [2]
    until(lambda: there.append(len(_pods(core, namespace))) or _spread(apps, namespace))
    assert min(there) >= least
    until(lambda: {image for image, _unused in _pods(core, namespace).values()} == {"1.4.2"})
    revisions = apps.list_namespaced_controller_revision(namespace).items
    assert sorted(found.revision for found in revisions) == [1, 2]
    words = {found.metadata.labels["controller-revision-hash"] for found in revisions}
    assert {p.metadata.labels["controller-revision-hash"] for p in core.list_namespaced_pod(namespace).items} <= words


def test_a_daemon_set_stops_at_what_is_not_available(apps: client.AppsV1Api, namespace: str, until: Until) -> None:
    _daemon_set(apps, namespace)
    until(lambda: _spread(apps, namespace))
    apps.patch_namespaced_daemon_set("agent", namespace, BROKEN)
    until(lambda: apps.read_namespaced_daemon_set("agent", namespace).status.updated_number_scheduled == 1)
    status = apps.read_namespaced_daemon_set("agent", namespace).status
    assert (status.number_unavailable, status.number_available) == (1, 1)
    apps.patch_namespaced_daemon_set("agent", namespace, NEW)  # old pods that do not serve are replaced at once
    until(lambda: _spread(apps, namespace))


def test_a_daemon_set_goes_where_its_selector_says(
    apps: client.AppsV1Api, core: client.CoreV1Api, namespace: str, until: Until
) -> None:
    _daemon_set(apps, namespace, revisionHistoryLimit=1)
    until(lambda: _spread(apps, namespace))
    for number in range(3):
        selector = {"spec": {"template": {"spec": {"nodeSelector": {"nowhere": str(number)}}}}}
        apps.patch_namespaced_daemon_set("agent", namespace, selector)
        generation = number + 2
        until(lambda: apps.read_namespaced_daemon_set("agent", namespace).status.observed_generation == generation)  # noqa: B023
    until(lambda: not core.list_namespaced_pod(namespace).items)
    assert apps.read_namespaced_daemon_set("agent", namespace).status.desired_number_scheduled == 0
    until(lambda: len(apps.list_namespaced_controller_revision(namespace).items) == 2)


@pytest.mark.parametrize(
    ("script", "policy", "condition", "counts"),
    [
        ("exit 0", "Never", ("Complete", "CompletionsReached"), (3, None)),
        ("exit 3", "Never", ("Failed", "BackoffLimitExceeded"), (None, 2)),
        ("exit 3", "OnFailure", ("Failed", "BackoffLimitExceeded"), (None, None)),
    ],
)
def test_a_job_ends_with_enough_successes_or_too_many_failures(
    api: client.ApiClient, core: client.CoreV1Api, namespace: str, until: Until, script: str, policy: str,
    condition: tuple[str, str], counts: tuple[int | None, int | None],
) -> None:  # fmt: skip
    batch = client.BatchV1Api(api)
    pod = {"restartPolicy": policy, "containers": [{"name": "c", "image": "tool:1", "command": ["sh", "-c", script]}]}
    spec = {"completions": 3, "parallelism": 2 if script == "exit 0" else 1, "backoffLimit": 1}
    batch.create_namespaced_job(namespace, {"metadata": {"name": "j"}, "spec": {**spec, "template": {"spec": pod}}})
    status = until(lambda: (found := batch.read_namespaced_job("j", namespace).status).conditions and found)
    last = status.conditions[-1]
    assert (last.type, last.reason) == condition
    assert (status.succeeded, status.failed) == counts
    assert bool(status.completion_time) is (condition[0] == "Complete")
    until(lambda: all(p.status.phase in ("Succeeded", "Failed") for p in core.list_namespaced_pod(namespace).items))


def test_no_controller_stumbled(server: KubernetesServer) -> None:
    """The last of this file: what went wrong inside is in the server's log."""
    assert server.process is not None
    assert "Traceback" not in server.process.log.read_text()
