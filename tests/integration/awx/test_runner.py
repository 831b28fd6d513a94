# SPDX-License-Identifier: GPL-3.0-or-later
"""As AWX runs it: ansible-runner, a copy of the project, no terminal, and a private data directory that goes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.rollback.conftest import clean, operator
from tests.sandbox import proof
from tests.sandbox.demo import WANTED
from tests.sandbox.fixtures import Sandbox
from tests.sandbox.process import kill_tree, wait_until

__all__ = ["clean", "operator"]
pytestmark = pytest.mark.sandbox

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
PROJECT = ("collections", "galaxy.yml", "inventories", "meta", "playbooks", "plugins", "roles", "README.md")
VARIABLES = {
    "version": "1.4.2",
    "condition": "critical_bug",
    "decided_by": "Deployment Lead: Ann Lee",
    "reason": "decided in AWX",
}


class Job:
    """One job: a private data directory of its own, with the project copied into it as AWX does."""

    def __init__(self, directory: Path, sandbox: Sandbox, **variables: Any) -> None:
        self.directory = directory
        project = directory / "project"
        project.mkdir(parents=True)
        names = [name for name in (*PROJECT, "extensions", "tests/sandbox/shop") if (ROOT / name).exists()]
        subprocess.run(["cp", "--archive", "--parents", *names, project], cwd=ROOT, check=True)
        settings = {"runner_mode": "subprocess", "suppress_env_files": True}
        self._write("settings", settings)
        # The disk of the container: what lies here is gone with the job.
        stage = {"rollback_stage_directory": str(project / "inventories/sandbox")}
        self._write(
            "extravars", {**VARIABLES, **stage, "database_backup_directory": str(directory / "backups"), **variables}
        )
        self._hand_over_inventory(sandbox)
        self._write("envvars", {"SANDBOX_DIR": str(sandbox.directory), "ANSIBLE_HOME": str(directory / "home")})
        self.process: subprocess.Popen[str] | None = None

    def _hand_over_inventory(self, sandbox: Sandbox) -> None:
        """As AWX does: what ansible-inventory exported, as a script in a folder of its own."""
        exported = subprocess.run(
            [BIN / "ansible-inventory", "-i", "inventories/sandbox/hosts.yml", "--list", "--export"],
            cwd=self.directory / "project", env={**os.environ, "SANDBOX_DIR": str(sandbox.directory)},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        hosts = self.directory / "inventory/hosts"
        hosts.parent.mkdir()
        hosts.write_text(f"#!{sys.executable}\nprint({exported!r})\n")
        hosts.chmod(0o700)

    def _write(self, name: str, content: Any) -> None:
        file = self.directory / "env" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(content))

    def start(self) -> Job:
        """Begin; in a session of its own, so without a controlling terminal."""
        words = ["run", self.directory, "-p", "playbooks/rollback.yml", "--ident", "job", "--quiet"]
        inventory = self.directory / "inventory/hosts"
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        environment.pop("ANSIBLE_CONFIG", None)
        self.process = subprocess.Popen(
            [BIN / "ansible-runner", *words, "--inventory", inventory],
            cwd=self.directory, env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return self

    def wait(self) -> int:
        """The status it ends with."""
        assert self.process is not None
        self.process.communicate(timeout=240)
        return self.process.returncode

    def wait_for(self, task: str) -> None:
        """Until a task whose name holds ``task`` has begun."""

        def begun() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.artifacts / "stdout").read_text()
            return any(task in name for name in self.tasks())

        wait_until(begun, 200, task)

    def kill(self) -> None:
        """As a node that is lost: nothing of it gets to say anything."""
        assert self.process is not None
        kill_tree(self.process.pid)
        self.process.wait(10)

    @property
    def artifacts(self) -> Path:
        """What ansible-runner keeps of it."""
        return self.directory / "artifacts/job"

    def events(self) -> list[dict[str, Any]]:
        """What AWX shows as the job's events, in their order."""
        files = (self.artifacts / "job_events").glob("[0-9]*-*.json")
        events = [json.loads(file.read_text()) for file in files if not file.name.endswith("-partial.json")]
        return sorted(events, key=lambda event: int(event["counter"]))

    def tasks(self) -> list[str]:
        """Names of the tasks that have begun."""
        return [event["event_data"]["task"] for event in self.events() if event["event"] == "playbook_on_task_start"]


@pytest.fixture
def release(sandbox: Sandbox) -> Iterator[proof.Rows]:
    """1.4.2 is out, and customers are there; gives the rows that must survive."""
    sandbox.ship("1.4.1")
    sandbox.ship("1.4.2")
    with sandbox.load(20):
        wait_until(lambda: len(proof.rows(sandbox.endpoints)["orders"]) > 5, 60, "orders")
        yield proof.rows(sandbox.endpoints)


def test_a_job_that_is_lost_is_finished_by_another_one(sandbox: Sandbox, release: proof.Rows, tmp_path: Path) -> None:
    first = Job(tmp_path / "first", sandbox).start()
    first.wait_for("Migrate down")
    first.kill()
    shutil.rmtree(first.directory)  # nothing of the node is left, and no backup either

    second = Job(tmp_path / "second", sandbox, checklist_take_over=True).start()
    assert second.wait() == 0, (second.artifacts / "stdout").read_text()
    assert (second.artifacts / "status").read_text() == "successful"
    lines = list(proof.prove(sandbox.endpoints, release, WANTED))
    assert all(line.holds for line in lines), "\n".join(map(str, lines))

    events = second.events()
    names = {event["event_data"].get("task_action") for event in events}
    assert {"octalume.rollback.k8s_rollout", "octalume.rollback.rollback_record"} <= names
    assert events[-1]["event"] == "playbook_on_stats"
    assert events[-1]["event_data"]["failures"] == {}
    told = "".join(path.read_text() for path in second.artifacts.rglob("*") if path.is_file())
    for secret in (sandbox.endpoints["vault"]["token"], sandbox.endpoints["postgres"]["users"]["owner"]["password"]):
        assert secret not in told
