# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration's Job is made of, and what is read from its pods."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.job import (
    JOB_LABEL,
    Site,
    ended,
    find_argv,
    finished,
    job_name,
    make_job,
    make_secret,
    pods_of,
    read_found,
    rights,
    secrets_among,
    target_of,
    troubles,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

Json = dict[str, Any]
TEMPLATE: Json = {
    "metadata": {"labels": {"app": "api"}},
    "spec": {
        "serviceAccountName": "shop",
        "terminationGracePeriodSeconds": 300,
        "imagePullSecrets": [{"name": "registry"}],
        "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}, {"name": "data", "persistentVolumeClaim": {}}],
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "api",
                "image": "shop:1.4.2",
                "workingDir": "/srv",
                "env": [{"name": "PGHOST", "value": "pooler"}, {"name": "MODE", "value": "$(PGHOST)"}],
                "envFrom": [{"secretRef": {"name": "app-config"}}],
                "ports": [{"containerPort": 8080}],
                "livenessProbe": {"httpGet": {"path": "/", "port": 8080}},
                "volumeMounts": [{"name": "tls", "mountPath": "/tls"}, {"name": "data", "mountPath": "/data"}],
                "securityContext": {"runAsNonRoot": True},
            },
        ],
    },
}
VARIABLES = {"PGHOST": "db", "PGPASSWORD": "hun$ter2", "PGSSLROOTCERT": "/etc/ca.crt", "PGAPPNAME": "a$(b)"}


def job(site: Site, **more: Any) -> Json:
    settings = {
        "chdir": None,
        "variables": VARIABLES,
        "template": TEMPLATE,
        "seconds": 600,
        "once": True,
        **more,
    }
    return make_job(site, "rollback-migrate-1", "t1", ["./migrate.sh", "$x"], secret="s1", **settings)


def test_it_takes_the_place_of_the_workloads_container() -> None:
    made = job(Site("production", workload="api-server", container="api"))
    pod = made["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["workingDir"], pod["serviceAccountName"]) == ("shop:1.4.2", "/srv", "shop")
    assert container["securityContext"] == {"runAsNonRoot": True}
    assert container["envFrom"] == [{"secretRef": {"name": "app-config"}}]
    assert [volume["name"] for volume in pod["volumes"]] == ["tls"], "a volume that one node may hold would block it"
    assert [mount["name"] for mount in container["volumeMounts"]] == ["tls"]
    assert not {"ports", "livenessProbe", "readinessProbe"} & set(container)
    assert "app" not in made["spec"]["template"]["metadata"]["labels"], "a Service would send it customers"
    assert made["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert (made["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert made["spec"]["activeDeadlineSeconds"] >= 600 + 120


def test_its_pod_is_not_moved_and_has_the_labels_that_are_asked_for() -> None:
    """Karpenter and the cluster-autoscaler would end a step down in the middle; a NetworkPolicy lets none through."""
    wanted = {"azure.workload.identity/use": "true", "sidecar.istio.io/inject": "true", JOB_LABEL: "another"}
    made = job(Site("production", workload="api-server", container="api", labels=wanted))
    meta = made["spec"]["template"]["metadata"]
    assert meta["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert meta["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    assert meta["labels"]["azure.workload.identity/use"] == "true"
    assert made["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert meta["labels"]["sidecar.istio.io/inject"] == "true", "who asks for a sidecar gets one"
    assert meta["labels"][JOB_LABEL] == "rollback-migrate-1", "it would not be found again"


def test_variables_stand_one_above_the_other() -> None:
    own = {"name": "PGPORT", "value": "6432"}
    made = job(Site("production", workload="api", container="api", env=(own,), image="shop:2"))
    (container,) = made["spec"]["template"]["spec"]["containers"]
    secret = {"secretKeyRef": {"name": "s1", "key": "PGPASSWORD"}}
    assert container["env"] == [
        {"name": "MODE", "value": "$(PGHOST)"},
        {"name": "PGHOST", "value": "db"},
        {"name": "PGPASSWORD", "valueFrom": secret},
        {"name": "PGAPPNAME", "value": "a$$(b)"},
        own,
    ]
    assert container["image"] == "shop:2"
    assert container["command"] == ["./migrate.sh", "$$x"]
    assert made["spec"]["suspend"] is True, "its Secret has to be there before a pod starts"
    assert "hun$ter2" not in str(made)


def test_the_secret_goes_with_its_job() -> None:
    made = job(Site("production", image="shop:1"), template=None)
    made["metadata"]["uid"] = "u1"
    secret = make_secret(Site("production"), made, VARIABLES)
    assert secret["metadata"]["name"] == "s1", "the next Job of the same name has a Secret of its own"
    assert secret["stringData"] == {"PGPASSWORD": "hun$ter2"}
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u1"
    own = Site("production", image="shop:1", env=({"name": "PGPASSWORD", "valueFrom": {}},))
    assert secrets_among(VARIABLES, own) == {}
    assert job(own, template=None)["spec"]["suspend"] is False


@pytest.mark.parametrize(
    ("site", "template", "said"),
    [
        (Site("production"), None, "has no image"),
        (Site("production", workload="api", container="x"), TEMPLATE, "has no container x; it has proxy, api"),
    ],
)
def test_what_cannot_be_made(site: Site, template: Json | None, said: str) -> None:
    with pytest.raises(RollbackError, match=said):
        job(site, template=template)


def test_a_step_has_the_same_name_each_time_and_each_database_its_own() -> None:
    one = target_of("production", {"PGDATABASE": "shop"}, None)
    assert one == target_of("production", {"PGDATABASE": "shop", "PGOPTIONS": "x"}, None)
    assert one != target_of("production", {"PGDATABASE": "shop_scratch_1"}, None)
    assert job_name(one, ["down", "41"]) == job_name(one, ["down", "41"]) != job_name(one, ["down", "40"])
    assert len(job_name(one, ["down"])) <= 63


def pod(state: Json, uid: str = "u1", **status: Any) -> Json:
    return {
        "metadata": {"name": "p1", "ownerReferences": [{"uid": uid, "controller": True, "kind": "Job", "name": "j"}]},
        "spec": {},
        "status": {"containerStatuses": [{"name": "migrate", "state": state}], **status},
    }


def test_what_pods_say() -> None:
    over = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    assert str(ended([pod(over)])) == "container migrate of pod p1: OOMKilled, exit code 137"
    assert ended([pod({"running": {}})]) is None
    waiting = pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    [doubt] = troubles([waiting])
    assert (doubt.text, doubt.patience) == ("container migrate of pod p1: ImagePullBackOff: not found", 0)
    tried = pod({"waiting": {"reason": "ErrImagePull", "message": "i/o timeout"}})
    [hiccup] = troubles([tried])
    assert (hiccup.key, hiccup.patience) == (doubt.key, 45)
    assert troubles([pod({"waiting": {"reason": "ContainerCreating"}})]) == []
    nowhere = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    [room] = troubles([{"metadata": {"name": "p1", "uid": "u"}, "spec": {}, "status": {"conditions": [nowhere]}}])
    assert (room.text, room.patience) == ("pod p1: Unschedulable: 0/3 nodes", math.inf), "start_timeout decides"
    # The pod of an earlier Job of that name is not this one's.
    assert pods_of([{"metadata": {"uid": "u2"}}], [pod(over)]) == []
    failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
    assert finished({"status": {"conditions": [failed]}}) == "DeadlineExceeded: too long"
    assert finished({"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}) == ""


@pytest.mark.parametrize(
    ("pattern", "root", "wanted", "text", "found"),
    [
        (
            "migrations/*.down.sql", "migrations", "migrations/*.down.sql",
            "migrations/042_a.down.sql:DROP TABLE a; -- x: y\nmigrations/042_a.down.sql:\nmigrations/041.down.sql:1;\n",
            {"migrations/041.down.sql": "1;\n", "migrations/042_a.down.sql": "DROP TABLE a; -- x: y\n\n"},
        ),
        ("*.sql", ".", "./*.sql", "./42.sql:x\n", {"42.sql": "x\n"}),
        ("sql/**/U*__*.sql", "sql", "sql/*U*__*.sql", "sql/a/U2__b.sql:x\nsql/U1__b.sql:y\n",
         {"sql/U1__b.sql": "y\n", "sql/a/U2__b.sql": "x\n"}),
        ("/srv/m/*.sql", "/srv/m", "/srv/m/*.sql", "warning: something\n/srv/m/d/1.sql:x\n", {}),
        ("m/*.sql", "m", "m/*.sql", "find: 'm': No such file or directory\n", {}),
    ],
)  # fmt: skip
def test_files_are_read_in_the_image(pattern: str, root: str, wanted: str, text: str, found: dict[str, str]) -> None:
    argv = find_argv(pattern)
    assert (argv[1], argv[argv.index("-path") + 1]) == (root, wanted)
    assert read_found(pattern, text) == found


def test_rights_are_those_of_the_shipped_role() -> None:
    assert {(right.resource, right.verb) for right in rights(Site("production", workload="api"))} == {
        *(("jobs", verb) for verb in ("create", "delete", "list", "patch", "watch")),
        *(("pods", verb) for verb in ("get", "list", "watch")),
        ("secrets", "create"),
        ("deployments", "get"),
    }
