# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations as Jobs in a cluster: they run once, their end is told, and nothing of them stays."""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import (
    migration_downgrade,
    migration_info,
    migration_rehearse,
    postgres_backup,
)

from tests.integration.migrations.projects import ALL, environment_of
from tests.integration.postgres.calling import call
from tests.sandbox.cluster import Cluster
from tests.sandbox.kubernetes.server import KubernetesServer
from tests.sandbox.postgres import PostgresServer
from tests.sandbox.process import wait_until

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "docs/policies/kubernetes-migration-job.yml"
JOBS = "/apis/batch/v1/namespaces/{}/jobs"
IN_ITS_OWN_PROCESS = """
import json, sys
from ansible_collections.octalume.rollback.plugins.modules import migration_downgrade
from tests.integration.postgres.calling import call
call(migration_downgrade, **json.load(sys.stdin))
"""
_numbers = itertools.count(1)


@dataclass
class Place:
    """A namespace with a release's image in it, and the options that lead the modules there."""

    cluster: Cluster
    options: dict[str, Any]
    folder: Path

    def jobs(self) -> list[dict[str, Any]]:
        """The Jobs that are there."""
        items: list[dict[str, Any]] = self.cluster.call("GET", JOBS.format(self.cluster.namespace))["items"]
        return items

    def at_work(self) -> bool:
        """Whether a step down is being run."""
        return any(job["status"].get("ready") for job in self.jobs() if "migrate" in job["metadata"]["name"])

    def leftovers(self) -> list[str]:
        """Jobs, Secrets and pods that are there."""
        found = [job["metadata"]["name"] for job in self.jobs()]
        found += [item["metadata"]["name"] for item in self.cluster.items("Secret", "app.kubernetes.io/managed-by")]
        return found + [item["metadata"]["name"] for item in self.cluster.items("Pod", "app.kubernetes.io/managed-by")]

    def clean(self) -> bool:
        """Whether nothing is left."""
        return not self.leftovers()

    def step(self, sql: str) -> None:
        """Put more into the way down from 42."""
        script = next(self.folder.glob("migrations/42_*"))
        script.write_text(f"{script.read_text()}\n{sql}\n")


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesServer]:
    """One cluster for all."""
    server = KubernetesServer(tmp_path_factory.mktemp("kubernetes"), {}).start()
    yield server
    server.stop()


@pytest.fixture
def place(kubernetes: KubernetesServer, project: dict[str, Any], tmp_path: Path) -> Place:
    """The throwaway project as an image, and a Deployment of it that was scaled to none."""
    number = next(_numbers)
    image, namespace = f"app:{number}", f"ns{number}"
    known = json.loads(kubernetes.images.read_text())
    kubernetes.images.write_text(json.dumps({**known, image: {"argv": ["./migrate.sh"], "cwd": str(tmp_path)}}))
    cluster = Cluster(kubernetes.kubeconfig, namespace)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    container = {"name": "api", "image": image, "env": [{"name": "GREETING", "value": "hello"}]}
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [container]}}
    cluster.apply({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "api"}}, "template": template},
    })  # fmt: skip
    job = {"namespace": namespace, "workload": "api", "connection": {"kubeconfig": str(kubernetes.kubeconfig)}}
    options = {name: value for name, value in project.items() if name != "chdir"}
    return Place(cluster, {**options, "job": job, "target": "41"}, tmp_path)


def test_down_as_a_job(place: Place, server: PostgresServer) -> None:
    seen = call(migration_info, **place.options)
    assert (seen["current"], seen["direction"], seen["problems"]) == ("42", "down", [])
    assert seen["loss"]["rows"] == 12  # the SQL was read in the image
    foreseen = call(migration_downgrade, **place.options, check_mode=True)
    assert (foreseen["changed"], foreseen["to"]) == (True, "41")
    heard: list[str] = []
    done = call(migration_downgrade, **place.options, progress=heard)
    assert (done["changed"], done["from"], done["to"], done["steps"][0]["version"]) == (True, "42", "41", "42")
    assert done["output"] == heard == ["now at 41"]
    assert server.execute("SELECT version FROM state", place.options["login_db"]) == [(41,)]
    assert call(migration_downgrade, **place.options)["changed"] is False
    wait_until(place.clean, 10, "nothing left of the Jobs")


def test_what_the_job_is(place: Place) -> None:
    place.step("SELECT pg_sleep(30);")
    place.options["job"]["labels"] = {"database-access": True}
    process = begin(place)
    try:
        wait_until(place.at_work, 20, "a Job at work")
        (job,) = place.jobs()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (spec["backoffLimit"], pod["restartPolicy"], spec["ttlSecondsAfterFinished"]) == (0, "Never", 3600)
    assert spec["activeDeadlineSeconds"] > 600
    (container,) = pod["containers"]
    assert container["command"] == ["./migrate.sh", "down", "--env", "production", "--to-version", "41"]
    assert job["spec"]["template"]["metadata"]["labels"]["database-access"] == "true"
    variables = {entry["name"]: entry for entry in container["env"]}
    assert variables["GREETING"]["value"] == "hello"
    secret = variables["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["name"]
    assert re.fullmatch(rf"{job['metadata']['name']}-[0-9a-f]{{6}}", secret)
    assert "lock_timeout" in variables["PGOPTIONS"]["value"]
    assert place.options["login_password"] not in json.dumps(job)
    assert not place.cluster.items("Pod", "app=api"), "a Service would send it customers"
    place.cluster.call("DELETE", f"{JOBS.format(place.cluster.namespace)}/{job['metadata']['name']}",
                       {"propagationPolicy": "Background"})  # fmt: skip


def begin(place: Place) -> subprocess.Popen[str]:
    """A downgrade in a process of its own, on a control node that will be lost."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'collections'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", IN_ITS_OWN_PROCESS], stdin=subprocess.PIPE, text=True, env=environment, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(json.dumps(place.options))
    process.stdin.close()
    return process


@pytest.mark.parametrize("read_when", ["at work", "over"])
def test_a_lost_control_node_does_not_make_it_run_twice(place: Place, server: PostgresServer, read_when: str) -> None:
    database = place.options["login_db"]
    server.execute("CREATE TABLE runs (at timestamptz)", database)
    place.step("INSERT INTO runs VALUES (now()); DO 'BEGIN PERFORM pg_sleep(2); END';")
    process = begin(place)
    try:
        wait_until(place.at_work, 20, "a Job at work")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if read_when == "over":
        wait_until(lambda: all(job["status"].get("succeeded") for job in place.jobs()), 20, "the end of the Job")
    heard: list[str] = []
    # What only asks waits for it too: nothing may be backed up or counted meanwhile.
    assert call(migration_info, **place.options, progress=heard)["current"] == "41"
    assert ("left by a run that broke off" in "".join(heard)) is (read_when == "at work")
    done = call(migration_downgrade, **place.options)
    assert (done["changed"], done["output"]) == (False, ["now at 41"])
    assert server.execute("SELECT count(*) FROM runs", database) == [(1,)]
    wait_until(place.clean, 10, "nothing left of the Jobs")


def test_a_failing_step_tells_container_reason_and_log(place: Place, server: PostgresServer) -> None:
    place.step("DROP TABLE nothing_like_that;")
    with pytest.raises(RollbackError) as failed:
        call(migration_downgrade, **place.options)
    said = failed.value.message
    assert 'table "nothing_like_that" does not exist' in said
    assert "container migrate of pod rollback-migrate-" in said
    assert "Error, exit code" in said
    assert "The schema is at 42" in said
    assert server.execute("SELECT count(*) FROM points", place.options["login_db"]) == [(7,)]
    wait_until(place.clean, 10, "nothing left of the Jobs")
    # Mended, the same step runs again, though its Job has the same name.
    script = next(place.folder.glob("migrations/42_*"))
    script.write_text(script.read_text().replace("DROP TABLE nothing_like_that;", ""))
    assert call(migration_downgrade, **place.options)["to"] == "41"


@pytest.mark.parametrize(
    ("job", "command", "said"),
    [
        ({"image": "app:unknown"}, None, "container migrate of pod .*ImagePull"),
        ({}, ["./nothing-like-that"], "nothing-like-that"),
        ({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "x"}}}]}, None, 'secret "gone"'),
        ({"workload": "other"}, None, 'deployments.apps "other" not found'),
        ({"container": "sidecar"}, None, "has no container sidecar; it has api"),
        ({"connection": {"kubeconfg": "x"}}, None, "job.connection has no option kubeconfg"),
    ],
)
def test_what_cannot_start_is_said_at_once(
    place: Place, job: dict[str, Any], command: list[str] | None, said: str
) -> None:
    options = {**place.options, "job": {**place.options["job"], **job}, "command": command}
    with pytest.raises(RollbackError, match=said):
        call(migration_info, **{name: value for name, value in options.items() if value is not None})
    wait_until(place.clean, 15, "nothing left of the Jobs")


def test_one_that_takes_too_long_is_ended_with_its_session(place: Place, server: PostgresServer) -> None:
    place.step("SELECT pg_sleep(60);")
    with pytest.raises(RollbackError, match=r"not done within 3 s in pod rollback-migrate-.* The schema is at 42"):
        call(migration_downgrade, **place.options, timeout=3)
    wait_until(place.clean, 10, "nothing left of the Jobs")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    wait_until(lambda: server.execute(sleeping) == [(0,)], 10, "the end of the session")
    assert server.execute("SELECT count(*) FROM points", place.options["login_db"]) == [(7,)]


def test_a_rehearsal_goes_to_the_copy(place: Place, server: PostgresServer, tmp_path: Path) -> None:
    login = {name: value for name, value in place.options.items() if name.startswith("login")}
    path = str(tmp_path / "app.dump")
    call(postgres_backup, **login, path=path, release="1.4.2")
    told = call(migration_rehearse, **place.options, path=path, ignore_tables=["state"])
    assert (told["verdict"], told["from"], told["to"], told["loss"]["rows"]) == ("pass", "42", "41", 12)
    assert server.execute("SELECT version FROM state", place.options["login_db"]) == [(42,)]
    assert server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%_scratch_%'") == [(0,)]
    wait_until(place.clean, 10, "nothing left of the Jobs")


def test_the_shipped_role_is_enough_and_what_is_missing_is_named(place: Place, kubernetes: KubernetesServer) -> None:
    cluster, namespace = place.cluster, place.cluster.namespace
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}})
    authority = place.folder / "ca.crt"
    authority.write_text(kubernetes.authority)
    login = {"host": kubernetes.url, "api_key": cluster.token("robot"), "ca_cert": str(authority)}
    options = {**place.options, "job": {**place.options["job"], "connection": login}}
    role, binding = yaml.safe_load(POLICY.read_text())["items"]
    binding["subjects"] = [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}]
    pods = [rule for rule in role["rules"] if rule["resources"] == ["pods"]]
    for wanted in ({**role, "rules": pods}, binding):
        cluster.apply({**wanted, "metadata": {**wanted["metadata"], "namespace": namespace}})
    with pytest.raises(RollbackError) as refused:
        call(migration_info, **options)
    missing = refused.value.details["missing_permissions"]
    assert f"create jobs.batch -n {namespace}" in missing
    assert f"get pods --subresource=log -n {namespace}" in missing
    assert f"create secrets -n {namespace}" in missing
    assert not [right for right in missing if "watch pods" in right]
    assert "kubernetes-migration-job.yml" in refused.value.message
    cluster.apply({**role, "metadata": {**role["metadata"], "namespace": namespace}})
    assert call(migration_downgrade, **options)["to"] == "41"


@pytest.mark.parametrize("name", ["dbmate", "sqitch"])
def test_tools_with_files_and_addresses_of_their_own(
    kubernetes: KubernetesServer, server: PostgresServer, database: str, tmp_path: Path, name: str
) -> None:
    made = ALL[name](tmp_path)
    environment = environment_of(made, server.environment(database))
    up = [*made.command, *made.up]
    subprocess.run(up, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60)
    image, namespace = f"{name}:1", name
    known = json.loads(kubernetes.images.read_text())
    kubernetes.images.write_text(json.dumps({**known, image: {"argv": made.command, "cwd": str(tmp_path)}}))
    cluster = Cluster(kubernetes.kubeconfig, namespace)
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    job = {"namespace": namespace, "image": image, "connection": {"kubeconfig": str(kubernetes.kubeconfig)}}
    options = {**server.login(database), "tool": made.tool, "command": made.command, "job": job}
    options["environment"] = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.com"}
    first, second, third = made.versions
    done = call(migration_downgrade, **options, target=first)
    assert [(step["version"], step["to"]) for step in done["steps"]] == [(third, second), (second, first)]
    assert [(item["table"], item["column"]) for item in done["loss"]["items"]] == [
        ("public.points", ""), ("public.users", "tier"),
    ]  # fmt: skip
    assert call(migration_info, **options)["current"] == first


def test_variables_from_a_secret_of_ones_own_are_not_sent(place: Place) -> None:
    password = place.options["login_password"]
    kept = {"stringData": {"password": base64.b64encode(password.encode()).decode()}}
    place.cluster.apply({
        "apiVersion": "v1", "kind": "Secret", **kept,
        "metadata": {"name": "database", "namespace": place.cluster.namespace},
    })  # fmt: skip
    reference = {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}}
    options = {**place.options, "job": {**place.options["job"], "env": [reference]}}
    with pytest.raises(RollbackError, match="password authentication failed"):
        call(migration_info, **options)  # it is that Secret's, which holds another one
    kept = {"stringData": {"password": password}}
    place.cluster.apply({
        "apiVersion": "v1", "kind": "Secret", **kept,
        "metadata": {"name": "database", "namespace": place.cluster.namespace},
    })  # fmt: skip
    assert call(migration_info, **options)["current"] == "42"
