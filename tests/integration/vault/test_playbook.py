# SPDX-License-Identifier: GPL-3.0-or-later
"""Through ansible-playbook -vvv --diff: in the control process and as a module, nothing secret comes to light."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.vault.helpers import Engine, Meddler

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- name: Roll back
  hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
    ansible_hashi_vault_url: "{{ lookup('env', 'TEST_ADDRESS') }}"
    targets:
      - {path: one, engine_mount_point: "{{ mount }}", version: 1, current: 2}
      - {path: two, engine_mount_point: "{{ mount }}", version: 1}
  tasks:
    - name: Look
      octalume.rollback.vault_kv2_rollback_info: &look
        secrets: "{{ targets }}"
      register: seen
    - name: Look as a module
      octalume.rollback.vault_kv2_rollback_info: *look
      environment: {SOME: thing}
      register: seen_by_module
    - name: Be refused
      octalume.rollback.vault_kv2_rollback:
        secrets: "{{ targets + [{'path': 'three', 'engine_mount_point': mount, 'version': 1}] }}"
      ignore_errors: true
      register: refused
    - name: Roll back
      octalume.rollback.vault_kv2_rollback: &back
        secrets: "{{ targets }}"
        digest_key: "{{ lookup('env', 'TEST_KEY') }}"
      register: done
    - name: Again as a module
      octalume.rollback.vault_kv2_rollback: *back
      environment: {SOME: thing}
      register: again
    - name: Forward again
      octalume.rollback.vault_kv2_rollback:
        secrets: "{{ [{'path': 'one', 'engine_mount_point': mount, 'version': 2}] }}"
      environment: {SOME: thing}
      register: forward
    - name: Keep
      ansible.builtin.copy:
        dest: "{{ report }}"
        content: "{{ {'seen': seen, 'by_module': seen_by_module, 'refused': refused, 'done': done, 'again': again,
                      'forward': forward} | to_json }}"
        mode: "0600"
      diff: false
"""


def _plant(engine: Engine) -> list[str]:
    """Twenty secret values in three secrets, each in two versions."""
    planted = [f"planted-{secrets.token_hex(8)}" for _unused in range(20)]
    for place, path in enumerate(("one", "two")):
        for version in range(2):
            start = place * 10 + version * 5
            engine.put(path, {f"K{number}": planted[start + number] for number in range(version, 5)})
    engine.put("three", {"BIG": 2**60, "K": planted[0]}, {"K": planted[1]})
    return planted


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ansible-playbook needs, with every temporary file kept where it can be searched."""
    home = tmp_path_factory.mktemp("playbook")
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_LOCAL_TEMP": str(home / "local"),
        "ANSIBLE_REMOTE_TEMP": str(home / "remote"),
        "ANSIBLE_KEEP_REMOTE_FILES": "1",
        "ANSIBLE_LOG_PATH": str(home / "ansible.log"),
        "LANG": "C.UTF-8",
    }


def _command_lines() -> str:
    found = ""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process may end meanwhile
            found += path.read_text(errors="replace")
    return found


def _play(home: Path, variables: dict[str, str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ansible = Path(sys.executable).parent / "ansible-playbook"
    words = ["-vvv", "--diff", "--inventory=localhost,", "--connection=local", "-e", json.dumps(variables), "play.yml"]
    return subprocess.run(
        [ansible, *words], cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_twenty_planted_secrets_never_come_to_light(engine: Engine, environment: dict[str, str]) -> None:
    planted, key = _plant(engine), secrets.token_hex(16)
    home, command_lines = Path(environment["HOME"]), []
    (home / "play.yml").write_text(PLAYBOOK)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on(".", lambda: command_lines.append(_command_lines()))
        done = _play(
            home,
            {"mount": engine.mount, "report": str(home / "report.json")},
            {**environment, "TEST_ADDRESS": meddler.address, "TEST_KEY": key, "VAULT_TOKEN": engine.token},
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = [done.stdout, done.stderr, *command_lines, (home / "ansible.log").read_text()]
    files = [path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()]
    assert [text for text in told + files for word in planted if word in text] == []
    assert [text for text in told for word in (key, engine.token) if word in text] == []
    assert "hmac:" in done.stdout
    _check(json.loads((home / "report.json").read_text()))


def _check(report: dict[str, dict[str, Any]]) -> None:
    assert report["seen"]["secrets"] == report["by_module"]["secrets"]
    assert report["refused"]["failed"]
    assert "under BIG;" in report["refused"]["msg"]
    assert [secret["to_version"] for secret in report["done"]["secrets"]] == [3, 3]
    assert report["again"]["changed"] is False
    assert report["again"]["secrets"][0]["digests"] == report["done"]["secrets"][0]["digests"]
    assert report["forward"]["changed"] is True
