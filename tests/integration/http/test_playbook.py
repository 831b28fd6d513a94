# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as a playbook runs them, in the control process and as module processes: same results, no secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http.wire import Asked, Reply, Table, WireServer

ROOT = Path(__file__).resolve().parents[3]
SECRETS = {"password": "hunter22-long", "token": "tok-8d1f9a77", "hook": "hook-s3cret", "bearer": "bearer-s3cret"}

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  environment: "{{ {'ANYTHING': 'x'} if as_module | bool else {} }}"
  tasks:
    - octalume.rollback.smoke_test:
        base_url: "{{ url }}"
        deadline: 0
        fail_task: false
        junit_path: "{{ junit }}"
        secrets: {password: "{{ password }}"}
        checks:
          - name: login
            http:
              path: /login
              method: POST
              body_json: {password: "${password}"}
              extract: {token: $.token}
          - name: echo
            http: {path: /echo, headers: {Authorization: "Bearer ${token}"}}
      register: smoke
    - octalume.rollback.http_probe_info:
        targets: ["{{ url }}/health"]
        interval: 0.01
      register: probe
    - octalume.rollback.prometheus_threshold_info:
        url: "{{ url }}"
        bearer_token: "{{ bearer }}"
        retries: 0
        checks: [{name: errors, query: errors, fail_if: "> 10%", "for": 0}]
      register: threshold
    - octalume.rollback.notice:
        id: r1
        event: failed
        subject: s
        body: b
        channels: [{type: slack, url: "{{ url }}/{{ hook }}"}]
      register: notice
    - ansible.builtin.copy:
        content: "{{ {'smoke': smoke, 'probe': probe, 'threshold': threshold, 'notice': notice} | to_json }}"
        dest: "{{ out }}"
        mode: "0600"
"""


def echo(asked: Asked) -> Reply:
    """An error that quotes the token it was given."""
    return Reply(500, json.dumps({"error": f"no database for {asked.headers.get('Authorization')}"}))


TABLE: Table = {
    "/login": Reply(200, json.dumps({"token": SECRETS["token"]})),
    "/echo": echo,
    "/health": Reply(503, "down"),
    "/api/v1/query": Reply(403, "forbidden"),
    f"/{SECRETS['hook']}": Reply(404, "no such hook"),
}


@pytest.mark.parametrize("as_module", [False, True], ids=["in the control process", "as a module"])
def test_results_are_the_same_and_no_secret_is_shown(tmp_path: Path, as_module: bool) -> None:
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "inventory").write_text(
        "localhost ansible_connection=local ansible_python_interpreter=" + sys.executable
    )
    with WireServer(TABLE) as wire:
        values: dict[str, Any] = {
            "url": wire.url,
            "as_module": as_module,
            "out": str(tmp_path / "out.json"),
            "junit": str(tmp_path / "junit.xml"),
            **{name: SECRETS[name] for name in ("password", "hook", "bearer")},
        }
        (tmp_path / "values.json").write_text(json.dumps(values))
        argv = [Path(sys.executable).with_name("ansible-playbook"), "-vvv", "-i", tmp_path / "inventory"]
        done = subprocess.run(
            [*map(str, argv), "-e", f"@{tmp_path / 'values.json'}", str(tmp_path / "play.yml")],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
                "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert [test["verdict"] for test in result["smoke"]["tests"]] == ["pass", "fail"]
    assert (result["probe"]["verdict"], result["probe"]["targets"][0]["failures"]) == ("fail", 4)
    assert (result["threshold"]["verdict"], result["threshold"]["checks"][0]["error"]) == ("error", "denied")
    assert (result["notice"]["verdict"], result["notice"]["changed"]) == ("fail", False)
    junit = (tmp_path / "junit.xml").read_text()
    assert "no database for Bearer ***" in junit
    shown = done.stdout + done.stderr + junit
    assert [name for name, secret in SECRETS.items() if secret in shown] == []
