# SPDX-License-Identifier: GPL-3.0-or-later
"""How the client takes what a server does on a bad day, and what a real one told, by the wire."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiError, ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.mirror import Mirror
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Container, Workload
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.observe import assemble
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.patience import PATIENCE
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.plan import Options
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.rollout import Rollout
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.wait import Waiter
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.table import Answer, Json, Replay, TableServer, status

OBJECTS = Path(__file__).parents[2] / "fixtures" / "kubernetes_objects"
DEPLOYMENT = "/apis/apps/v1/namespaces/production/deployments/api-server"


FORBIDDEN = 'pods is forbidden: User "robot" cannot watch resource "pods" in API group "" in the namespace "production"'


def recording(name: str) -> Any:
    return json.loads((OBJECTS / f"{name}.json").read_text())


def workload(current: str, previous: str) -> Workload:
    container = Container("api", f"shop/api-server:{current}", f"shop/api-server:{previous}")
    return Workload("Deployment", "api-server", "production", (container,))


def waiter(server: TableServer, live: Json, told: list[str], timeout: float) -> Waiter:
    observed = assemble(workload("1.4.2", "1.4.1"), live, (), ())
    return Waiter(ApiServer(server.client()), observed, observed.template, timeout, told.append, threading.Event())


def test_a_real_scale_to_zero_is_followed_until_the_last_pod_is_gone() -> None:
    events, told = recording("scale_to_zero_and_back"), list[str]()
    live = next(event["object"] for event in events if event["t"] > 1.25 and event["object"]["kind"] == "Deployment")
    with TableServer(Replay(events, 1.3, 7.0, speed=10)) as server:
        started = time.monotonic()
        final = waiter(server, live, told, 5).until_gone()
    assert final.pods == ()
    assert time.monotonic() - started > 0.45  # the status told of no replicas 5 s before, at this speed 0.5 s
    assert told[0] == "Deployment production/api-server: 3 pods left"


def test_a_real_rollout_is_followed_until_the_last_old_pod_is_gone() -> None:
    events, told = recording("rollout_to_1.4.2"), list[str]()
    live = next(event["object"] for event in events if event["t"] > 1.25 and event["object"]["kind"] == "Deployment")
    with TableServer(Replay(events, 1.25, 6.2, speed=10)) as server:
        final = waiter(server, live, told, 5).until_serving(3, soak=0)
    assert [pod.ready for pod in final.pods] == [True] * 3
    assert any("old left" in line for line in told)
    assert told[-1] == "Deployment production/api-server: 3/3 updated, 3/3 ready, 3/3 available"


def test_a_real_bad_image_ends_the_waiting_with_container_and_reason() -> None:
    events = recording("bad_image")
    live = next(event["object"] for event in events if event["t"] > 1.25 and event["object"]["kind"] == "Deployment")
    with TableServer(Replay(events, 1.25, 13.0, speed=10)) as server:
        started = time.monotonic()
        with pytest.raises(RollbackError, match=r"container api of pod \S+: ErrImagePull: .*9\.9\.9") as caught:
            waiter(server, live, [], 60).until_serving(3, soak=0)
    assert time.monotonic() - started < 3
    assert caught.value.details["container"] == "api"


def pods(*names: str) -> Json:
    items = [{"metadata": {"name": name, "uid": name, "resourceVersion": "1"}} for name in names]
    return {"metadata": {"resourceVersion": "1"}, "items": items}


def test_a_stale_watch_is_listed_again_at_once() -> None:
    """A stale watch is HTTP 200 and then an ERROR event with code 410."""
    lists: Iterator[Json] = iter([pods("a"), pods("a", "b")])
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
    watches = iter([[gone]])

    def handler(_method: str, _path: str, query: dict[str, str], _body: Any) -> Answer:
        return (200, next(watches, silence())) if query.get("watch") else (200, next(lists))

    with TableServer(handler) as server, Mirror(ApiServer(server.client()), {"pods": ("/api/v1/pods", {})}) as mirror:
        started, seen, names = time.monotonic(), 0, list[str]()
        while names != ["a", "b"] and time.monotonic() - started < 5:
            seen, items = mirror.snapshot(seen, 1)
            names = [item["metadata"]["name"] for item in items.get("pods", [])]
    assert names == ["a", "b"]
    assert time.monotonic() - started < 0.4


def silence() -> Iterator[Json]:
    """A watch in which nothing happens."""
    time.sleep(3)
    yield from ()


def test_a_watch_that_breaks_is_taken_up_again() -> None:
    lists = iter([pods("a"), pods("b")])

    def handler(_method: str, _path: str, query: dict[str, str], _body: Any) -> Answer:
        def broken() -> Iterator[Json]:
            yield {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "2"}}}
            raise ConnectionResetError

        return (200, broken()) if query.get("watch") else (200, next(lists, pods("b")))

    with TableServer(handler) as server, Mirror(ApiServer(server.client()), {"pods": ("/api/v1/pods", {})}) as mirror:
        deadline, seen, names = time.monotonic() + 5, 0, list[str]()
        while names != ["b"] and time.monotonic() < deadline:
            seen, items = mirror.snapshot(seen, 1)
            names = [item["metadata"]["name"] for item in items.get("pods", [])]
    assert names == ["b"]


def test_a_forbidden_watch_is_told_and_not_repeated() -> None:
    def handler(_method: str, _path: str, query: dict[str, str], _body: Any) -> Answer:
        return status(403, "Forbidden", FORBIDDEN) if query.get("watch") else (200, pods("a"))

    refused = pytest.raises(ApiError, match=r"pods is forbidden.*docs/policies/kubernetes-rollback\.yml")
    with TableServer(handler) as server, Mirror(ApiServer(server.client()), {"pods": ("/api/v1/pods", {})}) as mirror:
        for wait in (5, 0.2):
            with refused:
                mirror.snapshot(99, wait)
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(code: int) -> None:
    answers = iter([status(code, "Later"), status(code, "Later"), (200, {"kind": "Pod"})])
    with TableServer(lambda *_: next(answers)) as server:
        assert ApiServer(server.client()).get("/api/v1/pods") == {"kind": "Pod"}
    assert len(server.requests) == 3


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    with TableServer(lambda *_: (200, {})) as server:
        gone = server.client()
    with pytest.raises(ApiError, match=r"API at http://127\.0\.0\.1:\d+ does not answer.*kubectl cluster-info"):
        ApiServer(gone, patience=0.3).get("/version")


def test_a_server_that_never_answers_does_not_hang_the_client() -> None:
    def handler(*_: Any) -> Answer:
        time.sleep(2)
        return 200, {}

    started = time.monotonic()
    with TableServer(handler) as server, pytest.raises(ApiError, match="does not answer"):
        ApiServer(server.client(), read_timeout=0.2, patience=0.1).get("/version")
    assert time.monotonic() - started < 1


class Conflicts:
    """The recorded Deployment, which somebody else writes to ``times`` times just before us."""

    def __init__(self, times: int) -> None:
        self.objects = recording("api_server")
        self.times = times
        self.patches: list[Any] = []

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        if method == "PATCH":
            self.patches.append((query, body))
            if self.times:
                self.times -= 1
                live = self.objects["deployment"]
                live["metadata"]["resourceVersion"] = str(int(live["metadata"]["resourceVersion"]) + 1)
                live["metadata"]["annotations"]["someone"] = f"else {self.times}"
                return status(409, "Conflict", "the object has been modified")
            return 200, self.objects["deployment"]
        if path == DEPLOYMENT:
            return 200, self.objects["deployment"]
        items = self.objects.get(path.rpartition("/")[2], [])
        return 200, {"metadata": {"resourceVersion": "1"}, "items": items}


def test_whoever_wrote_in_between_is_looked_at_and_kept() -> None:
    table = Conflicts(2)
    with TableServer(table) as server:
        rollout = Rollout(ApiServer(server.client()), Options("rolled_back"), lambda _text: None)
        [outcome] = rollout.rehearse(rollout.plan([workload("1.4.3", "1.4.1")]))
    assert outcome.changed
    versions = [body[0]["value"] for _query, body in table.patches]
    assert [int(version) - int(versions[0]) for version in versions] == [0, 1, 2]
    annotations = next(change["value"] for change in table.patches[-1][1] if change["path"] == "/metadata/annotations")
    assert annotations["someone"] == "else 0"
    assert {query["dryRun"] for query, _body in table.patches} == {"All"}


def test_a_change_that_others_always_beat_ends_in_an_error() -> None:
    with TableServer(Conflicts(1000)) as server:
        rollout = Rollout(ApiServer(server.client()), Options("rolled_back"), lambda _text: None)
        with pytest.raises(RollbackError, match="others changed it 20 times in a row"):
            rollout.rehearse(rollout.plan([workload("1.4.3", "1.4.1")]))


DENIALS = {
    'admission webhook "validate.kyverno.svc-fail" denied the request: images must be signed': "policy of the cluster",
    "ValidatingAdmissionPolicy 'registries' with binding 'all' denied request: not from here": "policy of the cluster",
    'pods "api" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot': "policy of the cluster",
    'pods "api" is forbidden: exceeded quota: small, requested: pods=1': "kubectl describe resourcequota",
    FORBIDDEN: "k8s_permissions_info names what is missing",
}


@pytest.mark.parametrize(("message", "told"), DENIALS.items(), ids=["webhook", "VAP", "PSA", "quota", "RBAC"])
def test_a_policy_is_not_told_as_a_missing_right(message: str, told: str) -> None:
    """All of them are 403, and no Role helps against the first four."""
    with TableServer(lambda *_: status(403, "Forbidden", message)) as server, pytest.raises(ApiError) as caught:
        ApiServer(server.client()).patch("/api/v1/namespaces/n/pods/api", [])
    assert told in caught.value.message
    assert caught.value.lacks_right is (message == FORBIDDEN)
    assert ("docs/policies" in caught.value.message) is (message == FORBIDDEN)


class Policy(Conflicts):
    """An admission that lets nothing of 1.4.1 in; somebody else writes once in between."""

    def __init__(self, message: str) -> None:
        super().__init__(1)
        self._message = message

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        answer = super().__call__(method, path, query, body)
        if method == "PATCH" and answer[0] == 200 and "api-server:1.4.1" in json.dumps(body):
            return status(403, "Forbidden", self._message)
        return answer


def test_what_goes_back_is_shown_to_the_server_before_anything_is_taken_down() -> None:
    """A policy that came with the release would be found out with no pod left and the schema back."""
    table = Policy('admission webhook "validate.kyverno.svc" denied the request: unsigned image')
    with TableServer(table) as server:
        rollout = Rollout(ApiServer(server.client()), Options("quiesced"), lambda _text: None)
        plans = rollout.plan([workload("1.4.3", "1.4.1")])
        with pytest.raises(RollbackError, match=r"would be refused, so nothing was changed: .*kyverno"):
            rollout.foresee(plans)
    assert {query.get("dryRun") for query, _body in table.patches} == {"All"}


def test_a_webhook_that_takes_no_dry_run_is_told_and_holds_nothing_up() -> None:
    table = Policy('admission webhook "old.example.com" does not support dry run')
    with TableServer(table) as server:
        rollout = Rollout(ApiServer(server.client()), Options("quiesced"), lambda _text: None)
        [note] = rollout.foresee(rollout.plan([workload("1.4.3", "1.4.1")]))
    assert "whether its previous version is admitted is not known" in note


def test_one_refusal_refuses_all_workloads_before_any_write() -> None:
    table = Conflicts(0)
    with TableServer(table) as server:
        rollout = Rollout(ApiServer(server.client()), Options("rolled_back"), lambda _text: None)
        with pytest.raises(RollbackError, match="neither the release"):
            rollout.plan([workload("1.4.3", "1.4.1"), workload("7", "6")])
    assert table.patches == []


class Static:
    """Lists and single objects that never change by themselves; watches in which nothing happens."""

    def __init__(self, objects: dict[str, list[Json]]) -> None:
        self.objects = objects
        self.deleted: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        parts = path.split("/")
        if method == "DELETE":
            self.deleted.append((parts[-1], body["preconditions"]["uid"]))
            return 200, {}
        if query.get("watch"):
            return 200, silence()
        if parts[-1] in self.objects:
            return 200, {"metadata": {"resourceVersion": "1"}, "items": self.objects[parts[-1]]}
        return 200, self.objects[parts[-2]][0]


def test_a_command_in_a_pod_has_no_terminal_and_no_input() -> None:
    """`kubectl exec -it` has no TTY in automation, and hangs or fails; what a command says is in no error."""
    with TableServer(lambda *_: status(403, "Forbidden", "APP_PASSWORD=geheim")) as server:
        cluster = ApiServer(server.client())
        with pytest.raises(ApiError) as caught:
            cluster.execute("production", "api-1", "api", ["env", "-0"], 5)
    [(method, path, query, _body)] = server.requests
    assert (method, path) == ("GET", "/api/v1/namespaces/production/pods/api-1/exec")
    assert (query["tty"], query.get("stdin", "false"), query["container"]) == ("false", "false", "api")
    assert "grant create on pods/exec" in caught.value.message
    assert "geheim" not in caught.value.message


def test_a_full_quota_ends_the_waiting_though_progressing_tells_the_old_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PATIENCE, "FailedCreate", 0.3)
    objects, message = recording("api_server"), 'pods "api-server-x" is forbidden: exceeded quota: small'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    live = objects["deployment"]
    live["status"] |= {"readyReplicas": 1, "availableReplicas": 1, "replicas": 1, "updatedReplicas": 1}
    live["status"]["conditions"].append(failure)
    lists = {"deployments": [live], "replicasets": objects["replicasets"], "pods": objects["pods"][:1]}
    with (
        TableServer(Static(lists)) as server,
        pytest.raises(RollbackError, match=r"FailedCreate: .*exceeded quota: small"),
    ):
        waiter(server, live, [], 30).until_serving(3, soak=0)


def test_a_stateful_set_gets_out_of_the_dead_end_of_a_pod_that_is_never_ready() -> None:
    """Its controller waits for the broken pod of the release for ever: "Forced rollback" in the documentation."""
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {"containers": [{"name": "api", "image": "shop/api-server:1.4.1"}]},
    }
    owner = [{"kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}]
    meta = {"namespace": "production", "resourceVersion": "1"}
    live = {
        "metadata": {**meta, "name": "db", "uid": "u", "generation": 3},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "db"}}, "template": template},
        "status": {"observedGeneration": 3, "replicas": 2, "readyReplicas": 1},
    }
    revision = {
        "metadata": {**meta, "name": "db-1", "uid": "db-1", "ownerReferences": owner},
        "data": {"spec": {"template": template}},
        "revision": 3,
    }

    def pod(index: int, hash_label: str, ready: bool) -> Json:
        labels = {"app": "db", "controller-revision-hash": hash_label}
        return {
            "metadata": {**meta, "name": f"db-{index}", "uid": f"p{index}", "labels": labels, "ownerReferences": owner},
            "spec": {"nodeName": "node1"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
        }

    pods = [pod(0, "db-2", ready=True), pod(1, "db-2", ready=False)]
    table = Static({"statefulsets": [live], "controllerrevisions": [revision], "pods": pods, "events": []})
    container = Container("api", "shop/api-server:1.4.2", "shop/api-server:1.4.1")
    observed = assemble(Workload("StatefulSet", "db", "production", (container,)), live, (), ())
    told: list[str] = []
    with TableServer(table) as server, pytest.raises(RollbackError, match="not done after 1 s"):
        Waiter(ApiServer(server.client()), observed, {}, 1, told.append, threading.Event()).until_serving(2, soak=0)
    assert table.deleted == [("db-1", "p1")]
    assert any("removes pod db-1" in line for line in told)


def test_a_pod_that_took_the_name_of_the_removed_one_stays() -> None:
    """A lost answer is asked for again, and a StatefulSet's new pod has the name of the old one."""
    mismatch = "the UID in the precondition (p1) does not match the UID in record (p2)"
    answers = iter([status(500, "InternalError", "connection lost"), status(409, "Conflict", mismatch)])
    with TableServer(lambda *_: next(answers)) as server:
        ApiServer(server.client()).delete("/api/v1/namespaces/n/pods/db-1", uid="p1")
    assert [body["preconditions"]["uid"] for _method, _path, _query, body in server.requests] == ["p1", "p1"]
