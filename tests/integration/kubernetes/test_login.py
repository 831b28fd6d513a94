# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way of logging in that users of kubernetes.core know works, and none leaks into another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

from tests.integration.kubernetes.table import TableServer
from tests.sandbox.kubernetes.server import KubernetesServer

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


def who(params: dict[str, Any]) -> str:
    """Whom the server takes us for."""
    answer = ApiServer(connect(params)).create("/apis/authentication.k8s.io/v1/selfsubjectreviews", REVIEW)
    name: str = answer["status"]["userInfo"]["username"]
    return name


@pytest.fixture
def robot(server: KubernetesServer, tmp_path: Path) -> dict[str, Any]:
    """A login by address and token."""
    authority = tmp_path / "ca.crt"
    authority.write_text(server.authority)
    return {"host": server.url, "api_key": "robot-token", "ca_cert": str(authority)}


def test_a_kubeconfig_is_a_file_or_its_content(server: KubernetesServer) -> None:
    by_file = who({"kubeconfig": str(server.kubeconfig)})
    by_content = who({"kubeconfig": yaml.safe_load(server.kubeconfig.read_text())})
    assert by_file == by_content != "robot"


def test_the_environment_variables_of_kubernetes_core_work(
    server: KubernetesServer, robot: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_AUTH_KUBECONFIG", str(server.kubeconfig))
    assert who({}) != "robot"
    monkeypatch.delenv("K8S_AUTH_KUBECONFIG")
    monkeypatch.setenv("K8S_AUTH_HOST", robot["host"])
    monkeypatch.setenv("K8S_AUTH_API_KEY", robot["api_key"])
    monkeypatch.setenv("K8S_AUTH_SSL_CA_CERT", robot["ca_cert"])
    assert who({}) == "robot"


def test_a_login_never_leaks_into_the_next(server: KubernetesServer, robot: dict[str, Any]) -> None:
    """The client keeps a kubeconfig's token as a default of the process and puts it back over a new one."""
    administrator = who({"kubeconfig": str(server.kubeconfig)})
    assert who(robot) == "robot"
    assert who({"kubeconfig": str(server.kubeconfig)}) == administrator


def test_a_program_for_tokens_runs_once_for_a_module_its_lock_and_its_record(
    server: KubernetesServer, robot: dict[str, Any], tmp_path: Path
) -> None:
    """Those of the large clouds take a second."""
    runs = tmp_path / "runs"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": robot["api_key"]},
    }
    program = tmp_path / "get-token"
    program.write_text(f"#!/bin/sh\necho >> {runs}\necho '{json.dumps(credential)}'\n")
    program.chmod(0o755)
    login = yaml.safe_load(server.kubeconfig.read_text())
    login["users"][0]["user"] = {
        "exec": {"apiVersion": credential["apiVersion"], "command": str(program), "interactiveMode": "Never"}
    }
    assert [who({"kubeconfig": login}) for _asker in ("lock", "record", "module")] == ["robot"] * 3
    assert runs.read_text() == "\n"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificates_are_verified_unless_told_otherwise(robot: dict[str, Any]) -> None:
    without = {**robot, "ca_cert": None}
    with pytest.raises(RollbackError, match=r"does not answer.*certificate"):
        ApiServer(connect(without), patience=0.1).get("/version")
    assert who({**without, "validate_certs": False}) == "robot"


def test_impersonation_is_in_every_request() -> None:
    with TableServer(lambda *_: (200, {})) as server:
        login = {"host": server.url, "api_key": "robot-token"}
        groups = {"impersonate_user": "dana", "impersonate_groups": ["dba", "dev"]}
        ApiServer(connect({**login, **groups})).get("/version")
        ApiServer(connect(login)).get("/version")
    as_dana, plain = server.headers
    assert as_dana["Impersonate-User"] == "dana"
    assert as_dana.get_all("Impersonate-Group") == ["dba", "dev"]
    assert as_dana["Authorization"] == plain["Authorization"] == "Bearer robot-token"
    assert plain["Impersonate-User"] is None


def test_exec_does_not_run_as_somebody_else_than_told(robot: dict[str, Any]) -> None:
    """The Python client leaves impersonation out when it opens a WebSocket."""
    cluster = ApiServer(connect({**robot, "impersonate_user": "dana"}))
    with pytest.raises(RollbackError, match="cannot impersonate in exec"):
        cluster.execute("production", "pod", "main", ["env"], 1)


def test_no_login_at_all_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match=r"cannot log in to Kubernetes: .*kubectl --kubeconfig FILE auth whoami"):
        connect({"kubeconfig": str(tmp_path / "gone")})
    with pytest.raises(RollbackError, match=r"cannot log in to Kubernetes"):
        connect({"kubeconfig": {"apiVersion": "v1"}, "context": "production"})


def test_a_server_that_is_not_verified_is_told_wherever_that_is_said(
    server: KubernetesServer, robot: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    careless = yaml.safe_load(server.kubeconfig.read_text())
    cluster = careless["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["insecure-skip-tls-verify"] = True
    told: list[str] = []

    def warnings(params: dict[str, Any]) -> list[str]:
        told.clear()
        ApiServer(connect(params, told.append)).get("/version")
        return told

    assert warnings({"kubeconfig": str(server.kubeconfig)}) == []
    wanted = [f"NOT SECURE: {server.url} is not verified: whoever is in between can read every secret"]
    assert warnings({"kubeconfig": careless}) == wanted
    assert warnings({**robot, "validate_certs": False}) == wanted
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "false")
    assert warnings({"host": robot["host"], "api_key": robot["api_key"]}) == wanted
