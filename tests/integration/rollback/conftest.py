# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as a person runs them, on the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sandbox import proof
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import wait_until
from tests.sandbox.releases import SHOP, owner_environment

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
TIMEOUT = 240  # seconds for one playbook
MAINTENANCE = "rollback.octalume.io/selector"


@dataclass
class Operator:
    """Somebody at a shell in the checkout, with a sandbox in place of production."""

    sandbox: Sandbox

    def environment(self) -> dict[str, str]:
        """The shell's variables."""
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "SANDBOX_DIR": str(self.sandbox.directory), "ANSIBLE_NOCOLOR": "1"}

    def start(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Begin a playbook, in a process group of its own."""
        return subprocess.Popen(
            [BIN / "ansible-playbook", f"playbooks/{playbook}.yml", *options, *self.manifests()],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str, *options: str, rc: int = 0) -> str:
        """Run a playbook to its end and return what it printed; it has to end with ``rc``."""
        process = self.start(playbook, *options)
        try:
            output, _unused = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
        assert process.returncode == rc, output
        return output

    def rollback(self, *options: str, rc: int = 0) -> str:
        """``ansible-playbook playbooks/rollback.yml -e version=1.4.2``."""
        return self.play("rollback", "-e", "version=1.4.2", *options, rc=rc)

    def manifests(self) -> tuple[str, ...]:
        """The option that names manifests of this sandbox; none where those of the checkout fit it."""
        endpoints = self.sandbox.endpoints
        prefix, namespace = endpoints["shop"]["image_prefix"], endpoints["namespace"]
        if (prefix, namespace) == ("shop/", "production"):
            return ()
        text = (ROOT / "inventories/sandbox/releases/1.4.2.yml").read_text()
        text = text.replace("shop/api-server", f"{prefix}api-server").replace(" production", f" {namespace}")
        directory = self.sandbox.scratch / "releases"
        directory.mkdir(exist_ok=True)
        (directory / "1.4.2.yml").write_text(text)
        return ("-e", f"plan_manifests={directory}")


@pytest.fixture
def operator(sandbox: Sandbox) -> Operator:
    """The person on call."""
    return Operator(sandbox)


def let_customers_in(sandbox: Sandbox) -> None:
    """The Service as it was shipped, whatever maintenance mode an earlier test has left."""
    cluster = sandbox.cluster
    service = {"metadata": {"annotations": {MAINTENANCE: None}}, "spec": {"selector": {"app": "api-server"}}}
    cluster.call("PATCH", cluster.path("Service", "api-server"), service, "application/merge-patch+json")


@pytest.fixture(autouse=True)
def clean(sandbox: Sandbox) -> None:
    """What a failed test may have left behind is gone: records, the lock, maintenance mode, the newer schema."""
    cluster = sandbox.cluster
    for item in cluster.items("ConfigMap", "app.kubernetes.io/managed-by=octalume.rollback"):
        cluster.delete("ConfigMap", item["metadata"]["name"])
    cluster.delete("Lease", "rollback-shop")
    let_customers_in(sandbox)
    if sandbox.query("SELECT to_regclass('loyalty_accounts') IS NOT NULL")[0][0]:
        argv = [SHOP / "migrate.sh", "down", "--env", "sandbox", "--to-version", "41"]
        environment = {**os.environ, **owner_environment(sandbox.endpoints)}
        subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=60)


@pytest.fixture
def bad_release(sandbox: Sandbox) -> Iterator[proof.Rows]:
    """1.4.2 is out, customers suffer; gives the rows that must survive."""
    sandbox.ship("1.4.1")
    with sandbox.load(20):
        sandbox.ship("1.4.2")
        proof.wait_for_trouble(sandbox.endpoints, 0.10, 6)
        yield proof.rows(sandbox.endpoints)


@pytest.fixture
def quiet_release(sandbox: Sandbox) -> proof.Rows:
    """1.4.2 is out and nobody has noticed yet: no customers, no trigger; gives the rows that must survive."""
    sandbox.ship("1.4.1")
    sandbox.ship("1.4.2")
    wait_until(lambda: proof.idle(sandbox.endpoints), 30, "a window without requests")
    return proof.rows(sandbox.endpoints)


def wait_for_line(process: subprocess.Popen[str], text: str, seconds: float = 60) -> str:
    """Read what a playbook prints until a line holds ``text``; what was read."""
    assert process.stdout is not None
    read: list[str] = []
    deadline = time.monotonic() + seconds
    for line in process.stdout:
        read.append(line)
        if text in line:
            return "".join(read)
        assert time.monotonic() < deadline, "".join(read)
    raise AssertionError(f"ended without {text!r}:\n{''.join(read)}")


def world(sandbox: Sandbox) -> Sequence[object]:
    """Everything a playbook could change, by versions that grow with every write."""
    cluster = sandbox.cluster
    objects = [
        (kind, item["metadata"]["name"], item["metadata"]["resourceVersion"])
        for kind in ("Service", "ConfigMap", "Secret")
        for item in cluster.items(kind)
    ]
    objects += [
        ("Deployment", item["metadata"]["name"], (item["metadata"]["generation"], item["metadata"]["annotations"]))
        for item in cluster.items("Deployment")
    ]
    staying = [item["metadata"] for item in cluster.items("Pod") if "deletionTimestamp" not in item["metadata"]]
    pods = sorted(item["uid"] for item in staying)
    tables = sandbox.query(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    files = sorted(str(path) for name in ("backups", "evidence") for path in (sandbox.directory / name).rglob("*"))
    notices = sorted(str(path) for path in (sandbox.directory / "smtp").glob("*.eml"))
    return [objects, pods, tables, proof.vault_version(sandbox.endpoints), files, notices]
