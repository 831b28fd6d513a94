# SPDX-License-Identifier: GPL-3.0-or-later
"""One module, run inside the control process and as a process of its own: the same arguments, the same result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
OPEN = {
    "state": "open",
    "release": "1.4.2",
    "environment": "here",
    "header": {"previous": "1.4.1", "service": "shop", "document": "P7-ROLLBACK-142"},
}


def run_task(tmp_path: Path, module: str, arguments: dict[str, Any], *options: str, **keywords: Any) -> dict[str, Any]:
    """Run one task through ansible-playbook and return what it registered; the output is under ``__output``."""
    result = tmp_path / "result.json"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"name": "Task", module: arguments, "register": "outcome", "ignore_errors": True, **keywords},
            {
                "name": "Keep",
                "ansible.builtin.copy": {"content": "{{ outcome | to_json }}", "dest": str(result), "mode": "0600"},
                "check_mode": False,
                "no_log": True,
            },
        ],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    interpreter = "ansible_python_interpreter='{{ ansible_playbook_python }}'"
    (tmp_path / "hosts").write_text(f"localhost ansible_connection=local {interpreter}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", tmp_path / "hosts", playbook, *options],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path / "ansible")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcome: dict[str, Any] = json.loads(result.read_text())
    return {**outcome, "__output": done.stdout + done.stderr}


def test_a_local_task_runs_in_the_control_process(tmp_path: Path) -> None:
    outcome = run_task(tmp_path, "octalume.rollback.rollback_record", {**OPEN, "directory": str(tmp_path / "records")})
    assert re.fullmatch(r".+@.+/\d+", outcome["record"]["opened_by"])


def test_a_lock_names_the_environment_that_it_is_taken_for(tmp_path: Path) -> None:
    arguments = {"name": "rollback-shop", "directory": str(tmp_path / "locks")}
    outcome = run_task(tmp_path, "octalume.rollback.rollback_lock", arguments)
    assert re.fullmatch(r".+@.+/\d+-\w+-\w*:localhost", outcome["holder"])


def test_of_two_environments_that_share_a_lock_one_is_refused_and_takes_nothing_away(tmp_path: Path) -> None:
    lock = {"name": "rollback-shop", "directory": str(tmp_path / "locks")}
    module = "octalume.rollback.rollback_lock"
    taken = {"name": "Take", module: lock, "register": "lock", "ignore_errors": True, "throttle": 1}
    free = {"name": "Free", module: {**lock, "state": "absent"}, "when": "lock is failed"}
    again = {"name": "Renew", module: lock, "when": "lock is success"}
    play = {"hosts": "all", "gather_facts": False, "tasks": [taken, free, again]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "eu,us,", "-c", "local", tmp_path / "play.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_HOME": str(tmp_path / "ansible")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("this run itself holds the lock rollback-shop, for ") == 1, done.stdout
    (kept,) = (tmp_path / "locks").glob("*.lock")
    assert re.search(r":(eu|us)$", json.loads(kept.read_text())["spec"]["holderIdentity"])


@pytest.mark.parametrize("keywords", [{"environment": {"A": "b"}}, {"async": 30, "poll": 1}])
def test_a_task_with_its_own_environment_or_async_runs_as_a_module(tmp_path: Path, keywords: dict[str, Any]) -> None:
    records = str(tmp_path / "records")
    outcome = run_task(tmp_path, "octalume.rollback.rollback_record", {**OPEN, "directory": records}, **keywords)
    assert re.fullmatch(r"[^/]+@[^/]+", outcome["record"]["opened_by"])
    assert outcome["record"]["service"] == "shop"
    assert outcome["changed"] is True


@pytest.mark.parametrize("keywords", [{}, {"environment": {"A": "b"}}])
def test_an_error_reads_the_same_either_way(tmp_path: Path, keywords: dict[str, Any]) -> None:
    arguments = {"version": "9.9.9", "directory": str(tmp_path / "nowhere")}
    outcome = run_task(tmp_path, "octalume.rollback.release_manifest_info", arguments, **keywords)
    assert outcome["failed"] is True
    assert outcome["known"] == []
    assert outcome["msg"].startswith("no manifest for release 9.9.9")
    assert "Traceback" not in outcome["__output"]


@pytest.mark.parametrize("keywords", [{}, {"environment": {"A": "b"}}])
def test_a_wrong_argument_is_refused_either_way(tmp_path: Path, keywords: dict[str, Any]) -> None:
    arguments = {"version": "1.4.2", "directory": str(tmp_path), "versoin": "1.4.2"}
    outcome = run_task(tmp_path, "octalume.rollback.release_manifest_info", arguments, **keywords)
    assert outcome["failed"] is True
    assert outcome["msg"] == (
        "Unsupported parameters for (octalume.rollback.release_manifest_info) module: versoin. "
        "Supported parameters include: directory, version."
    )


@pytest.mark.parametrize("keywords", [{}, {"environment": {"A": "b"}}])
def test_check_mode_writes_nothing_and_tells_the_same(tmp_path: Path, keywords: dict[str, Any]) -> None:
    records = tmp_path / "records"
    arguments = {**OPEN, "directory": str(records)}
    outcome = run_task(tmp_path, "octalume.rollback.rollback_record", arguments, "--check", **keywords)
    assert outcome["changed"] is True
    assert outcome["record"]["status"] == "running"
    assert not records.exists()


@pytest.mark.parametrize("keywords", [{}, {"environment": {"A": "b"}}])
def test_a_secret_argument_is_never_shown(tmp_path: Path, keywords: dict[str, Any]) -> None:
    arguments = {**OPEN, "directory": str(tmp_path / "records"), "api_key": "tok-planted-1234"}
    arguments["facts"] = {"note": "tok-planted-1234"}
    outcome = run_task(tmp_path, "octalume.rollback.rollback_record", arguments, "-vvv", **keywords)
    assert "tok-planted-1234" not in outcome.pop("__output")
    assert "tok-planted-1234" not in json.dumps(outcome)
