# SPDX-License-Identifier: GPL-3.0-or-later
"""``awx.yml`` with AWX's own modules on the wire: what it makes, that it makes it once, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.awx.controller import Controller

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
TOKEN, SECRET = "awx-token-5b1f", "vault-secret-77aa"
VARIABLES: dict[str, Any] = {
    "awx_project_url": "https://git.example.com/rollback.git",
    "awx_execution_environment": {"name": "Rollback", "image": "registry.example.com/rollback-ee:0.1.0"},
    "awx_credentials": {"Rollback Vault": {"address": "https://vault", "role_id": "r", "secret_id": SECRET}},
    "awx_notifications": [
        {
            "name": "Chat",
            "type": "webhook",
            "configuration": {"url": "https://chat", "http_method": "POST", "headers": {}},
        }
    ],
    "awx_drills": [
        {
            "name": "A drill every Tuesday",
            "version": "1.4.2",
            "rrule": "DTSTART;TZID=UTC:20260106T090000 RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=TU",
        }
    ],
}


@pytest.fixture(scope="module")
def awx() -> Iterator[Controller]:
    """An AWX that has found the checkout's playbooks in the project."""
    playbooks = frozenset(f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml"))
    with Controller(playbooks, TOKEN) as controller:
        yield controller


def run(awx: Controller, directory: Path, *options: str, rc: int = 0, **variables: Any) -> str:
    """Run the playbook; what it printed."""
    file = directory / "awx.json"
    file.write_text(json.dumps({**VARIABLES, **variables}))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "CONTROLLER_HOST": awx.url,
        "CONTROLLER_OAUTH_TOKEN": TOKEN,
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        [BIN / "ansible-playbook", "-i", "localhost,", "playbooks/awx.yml", "-e", f"@{file}", *options],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == rc, output
    assert SECRET not in output
    return output


def variables_of(awx: Controller, template: dict[str, Any]) -> list[str]:
    """What the survey of a template asks for."""
    return [question["variable"] for question in awx.surveys[template["related"]["survey_spec"]]["spec"]]


@pytest.mark.timeout(900)  # each of 24 modules is a process of its own, twice
def test_it_makes_everything_once(awx: Controller, tmp_path: Path) -> None:
    run(awx, tmp_path)
    templates = awx.named("job_templates")
    assert {template["playbook"] for template in templates.values()} == {
        f"playbooks/{name}.yml"
        for name in ("plan", "rollback", "on_alert", "abort", "verify", "report", "record", "restore", "drill")
    }
    rollback = templates["Roll back a release"]
    assert variables_of(awx, rollback) == ["version", "condition", "decided_by", "reason", "checklist_take_over"]
    assert not rollback["ask_variables_on_launch"], "whoever may launch it could say anything"
    assert templates["Roll back on an alert"]["ask_variables_on_launch"]
    variables = {name: json.loads(template["extra_vars"]) for name, template in templates.items()}
    assert "awx_user_first_name" in variables["Roll back a release"]["requester"]
    stages = {name: given["rollback_stage_directory"] for name, given in variables.items()}
    assert stages.pop("Hold a drill") == "/runner/project/inventories/staging"
    assert set(stages.values()) == {"/runner/project/inventories/production"}
    assert len(awx.linked(rollback, "credentials")) == 5
    assert awx.linked(rollback, "notification_templates_error") == [awx.named("notification_templates")["Chat"]["id"]]
    assert templates["Hold a drill"]["inventory"] == awx.named("inventories")["staging"]["id"]

    vault = awx.named("credential_types")["Rollback Vault"]
    assert vault["injectors"]["env"]["VAULT_SECRET_ID"] == "{{ secret_id }}"
    database = awx.named("credential_types")["Rollback database"]
    assert database["injectors"]["env"]["SHOP_DB_PASSWORD"] == "{{ password }}"
    example = (ROOT / "inventories/example/group_vars/all/rollback.yml").read_text()
    looked_up = set(re.findall(r"lookup\('ansible.builtin.env', '(\w+)'\)", example))
    injected = {name for kind in awx.named("credential_types").values() for name in kind["injectors"]["env"]}
    assert looked_up <= injected, "what the example looks up is in no credential"
    [drill] = awx.named("schedules").values()
    assert drill["unified_job_template"] == templates["Hold a drill"]["id"]
    assert drill["extra_data"] == {"version": "1.4.2"}
    assert awx.named("projects")["Rollback"]["scm_url"] == VARIABLES["awx_project_url"]

    before = len(awx.written)
    again = run(awx, tmp_path)
    # An approval has no field that awx.awx could compare, so its module writes it each time, and says so.
    assert re.search(r"localhost : ok=\d+ changed=1 ", again), again
    assert re.search(r"Make the workflow +changed", again)
    assert {path.split("/")[3] for _method, path in awx.written[before:]} <= {"workflow_approval_templates", "projects"}


def test_the_workflow_waits_for_approval_and_always_tells(awx: Controller) -> None:
    nodes = awx.named("workflow_job_template_nodes")
    by_id = {node["id"]: name for name, node in nodes.items()}
    ways = {
        name: {
            way: [by_id[number] for number in awx.linked(node, f"{way}_nodes")]
            for way in ("success", "failure", "always")
        }
        for name, node in nodes.items()
    }
    assert [name for name in nodes if ways[name]["success"]] == ["plan", "approval", "rollback"]
    assert ways["plan"] == {"success": ["approval"], "failure": ["notify"], "always": []}
    assert ways["approval"] == {"success": ["rollback"], "failure": ["notify"], "always": []}
    assert ways["rollback"] == {"success": ["verify"], "failure": ["notify"], "always": []}
    assert ways["verify"] == {"success": [], "failure": [], "always": ["notify"]}
    approval = awx.objects["workflow_approval_templates"][nodes["approval"]["unified_job_template"]]
    assert approval["timeout"] == 3600
    [workflow] = awx.named("workflow_job_templates").values()
    assert variables_of(awx, workflow) == ["version", "condition", "decided_by", "reason", "checklist_take_over"]
    assert awx.linked(workflow, "notification_templates_approvals")


def test_without_a_project_it_says_what_to_type(awx: Controller, tmp_path: Path) -> None:
    output = run(awx, tmp_path, rc=2, awx_project_url="")
    assert "-e awx_project_url=https://git.example.com/rollback.git" in output
