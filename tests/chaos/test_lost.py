# SPDX-License-Identifier: GPL-3.0-or-later
"""A write that arrives and whose answer is lost: it is repeated, refused as outdated, and recognised as one's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import MERGE_PATCH, ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.shelf import ClusterShelf
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import ConfigMapStore
from ansible_collections.octalume.rollback.plugins.modules import rollback_lock, rollback_record, rollback_record_info

from tests.chaos.matrix import ask
from tests.chaos.wire import LOST, Proxy
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox
DANA, KIM = "dana@far-away/1-x-1", "kim@elsewhere/2-y-1"


class Scene:
    """The cluster behind a proxy that loses answers."""

    def __init__(self, sandbox: Sandbox, certificate: Path) -> None:
        self.namespace = sandbox.endpoints["namespace"]
        url = urlsplit(sandbox.endpoints["kubernetes"]["url"])
        self.proxy = Proxy(url.hostname or "", url.port or 0, certificate)
        self.straight = yaml.safe_load(Path(sandbox.endpoints["kubernetes"]["kubeconfig"]).read_text())
        self.login = yaml.safe_load(Path(sandbox.endpoints["kubernetes"]["kubeconfig"]).read_text())
        self.login["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.proxy.port}"

    def record(self, **params: Any) -> Any:
        """Write the run record over the bad wire."""
        place = {"kubeconfig": self.login, "namespace": self.namespace, "release": "1.4.2", "environment": "lost"}
        return ask(rollback_record, {**place, **params})

    def lock(self, **params: Any) -> Any:
        """Ask for the lock over the bad wire."""
        return ask(
            rollback_lock, {"kubeconfig": self.login, "namespace": self.namespace, "name": "rollback-lost", **params}
        )

    def known(self) -> Any:
        """The records there are, by the good wire."""
        place = {"kubeconfig": self.straight, "namespace": self.namespace, "environment": "lost"}
        return ask(rollback_record_info, place)["records"]


@pytest.fixture
def scene(sandbox: Sandbox, tmp_path: Path) -> Iterator[Scene]:
    """One that leaves nothing behind."""
    if sandbox.endpoints["external"]["kubernetes"]:
        pytest.skip("the proxy needs the key of the API server")
    shutil.copy(sandbox.directory / "kubernetes/server.pem", tmp_path)
    found = Scene(sandbox, tmp_path / "server.pem")
    yield found
    found.proxy.close()
    sandbox.cluster.delete("Lease", "rollback-lost")
    for record in found.known():
        sandbox.cluster.delete("ConfigMap", f"rollback-{record['id']}")


def test_a_run_record_whose_answers_are_lost_is_written_once_and_goes_on(scene: Scene) -> None:
    header = {"previous": "1.4.1", "service": "shop", "document": "P7"}
    scene.proxy.fail(LOST, 1)
    opened = scene.record(state="open", header=header)
    assert scene.proxy.faults == 1
    scene.proxy.fail(LOST, 1)
    noted = scene.record(steps=[{"name": "backup", "status": "done", "details": {"size": 7}}])
    assert scene.proxy.faults == 1
    assert noted["record"]["id"] == opened["record"]["id"]
    assert [record["steps"] for record in scene.known()] == [noted["record"]["steps"]]
    assert scene.record(state="completed")["record"]["status"] == "completed"


def test_what_somebody_else_wrote_meanwhile_is_not_taken_for_ones_own(scene: Scene) -> None:
    scene.record(state="open", header={"previous": "1.4.1", "service": "shop", "document": "P7"})
    store = ConfigMapStore(ApiServer(connect({"kubeconfig": scene.login})), scene.namespace)
    (before,) = [record for record in store.load() if record.environment == "lost"]
    scene.record(facts={"note": "somebody else's"})
    with pytest.raises(RollbackError, match="409"):
        store.save(before)
    assert scene.known()[0]["facts"] == {"note": "somebody else's"}


def test_a_lock_whose_answers_are_lost_is_taken_renewed_and_released(scene: Scene) -> None:
    scene.proxy.fail(LOST, 1)
    taken = scene.lock(holder=DANA)
    assert (taken["why"], taken["token"], scene.proxy.faults) == ("free", 1, 1)
    scene.proxy.fail(LOST, 1)
    assert (scene.lock(holder=DANA)["why"], scene.proxy.faults) == ("mine", 1)
    scene.proxy.fail(LOST, 1)
    assert (scene.lock(holder=DANA, state="absent")["changed"], scene.proxy.faults) == (True, 1)
    scene.proxy.fail(LOST, 1)
    taken = scene.lock(holder=KIM)
    assert (taken["why"], taken["token"], scene.proxy.faults) == ("free", 2, 1)


def test_a_lock_that_somebody_else_took_meanwhile_is_theirs(scene: Scene) -> None:
    cluster = ApiServer(connect({"kubeconfig": scene.login}))
    shelf = ClusterShelf(cluster, scene.namespace, "rollback-lost")
    scene.lock(holder=DANA)
    before = shelf.read()
    scene.lock(holder=KIM, take_over=True)
    with pytest.raises(RollbackError, match="at the same moment"):
        shelf.write(before, {"holderIdentity": DANA})
    path = f"/apis/coordination.k8s.io/v1/namespaces/{scene.namespace}/leases/rollback-lost"
    assert cluster.get(path)["spec"]["holderIdentity"] == KIM
    assert cluster.patch(path, {}, content_type=MERGE_PATCH)["spec"]["holderIdentity"] == KIM
