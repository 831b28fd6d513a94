# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are there already, used instead of the sandbox's own and left as they were found.

Another sandbox's servers stand for them here; the whole suite runs on real ones with ``make test-external``.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hvac
import pytest

from tests.sandbox.cluster import Cluster
from tests.sandbox.external import External
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until
from tests.sandbox.supervisor import down, up

NAMESPACE = "drill"
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(External.from_environment(os.environ).real, reason="the servers are real ones anyway"),
]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "external"
    down(tmp_path / "external")


def test_release_runs_on_servers_that_were_there(sandbox: Sandbox, directory: Path) -> None:
    vault = hvac.Client(sandbox.endpoints["vault"]["address"], sandbox.endpoints["vault"]["token"])
    vault.secrets.kv.v2.create_or_update_secret(f"{NAMESPACE}/app-config", {"left": "over"}, mount_point="secret")
    environment = {
        "SANDBOX_EXTERNAL": "1",
        "KUBECONFIG": sandbox.endpoints["kubernetes"]["kubeconfig"],
        "VAULT_ADDR": sandbox.endpoints["vault"]["address"],
        "VAULT_TOKEN": sandbox.endpoints["vault"]["token"],
        "SANDBOX_HOST_ADDRESS": "127.0.0.2",  # this machine, as the pods see it
        "SANDBOX_NODE_ADDRESS": "127.0.0.1",
        "SANDBOX_NAMESPACE": NAMESPACE,
    }
    endpoints = up(directory, bound=True, environment=environment)
    assert endpoints["external"] == {"kubernetes": True, "vault": True}
    assert {"kubernetes", "vault"}.isdisjoint(endpoints["processes"])
    assert endpoints["shop"]["database"]["APP_DB_HOST"] == "127.0.0.2"

    ours = replace(sandbox, endpoints=endpoints, steps=[])
    ours.ship("1.4.1")
    assert ours.steps[1] == f"configuration: version 6 of secret/{NAMESPACE}/app-config"
    with urllib.request.urlopen(f"{ours.url}/version", timeout=10) as answer:  # noqa: S310 -- the sandbox's URL
        assert json.load(answer) == {"version": "1.4.1"}
    with ours.load(rate=10) as load:
        wait_until(lambda: ours.query("SELECT count(*) > 0 FROM orders") == [(True,)], 20, "an order")
    assert load.report["failed"] == 0

    assert down(directory)
    cluster = Cluster(Path(environment["KUBECONFIG"]), NAMESPACE)
    assert cluster.get("Namespace", NAMESPACE) is None
    assert sandbox.cluster.get("Deployment", "maintenance") is not None
