# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole rollbacks: the one command, judged by what the world is like afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.rollback.conftest import BIN, ROOT, Operator, wait_for_line, world
from tests.sandbox import proof
from tests.sandbox.demo import WANTED

pytestmark = pytest.mark.sandbox

DECISION = ("-e", "condition=security_vulnerability", "-e", 'decided_by="Security Lead: Kim Reyes"')


def assert_undone(operator: Operator, before: proof.Rows) -> None:
    """Every line of the proof holds."""
    lines = [line for line in proof.prove(operator.sandbox.endpoints, before, WANTED) if not line.holds]
    assert not lines, "\n".join(map(str, lines))


def test_a_bad_release_is_undone_and_nothing_is_lost(operator: Operator, bad_release: proof.Rows) -> None:
    before = world(operator.sandbox)
    predicted = operator.rollback("--check", "--diff")
    assert world(operator.sandbox)[:4] == before[:4], "check mode changed something"
    assert re.search(r"-\s+\"api\": \"shop/api-server:1.4.2\"\n\+\s+\"api\": \"shop/api-server:1.4.1\"", predicted)
    assert "-version: 42\n+version: 41" in predicted

    output = operator.rollback()
    assert re.search(r"Release 1.4.2 is rolled back to 1.4.1 in sandbox. Downtime: [\d.]+ s .*Report:", output)
    assert_undone(operator, bad_release)

    done = world(operator.sandbox)
    again = operator.rollback()
    assert re.search(r"sandbox : ok=\d+ changed=0 unreachable=0 failed=0", again)
    assert world(operator.sandbox) == done, "the second run changed something"


def test_a_person_decides_where_no_trigger_has_fired(operator: Operator, quiet_release: proof.Rows) -> None:
    before = world(operator.sandbox)
    refused = operator.rollback(rc=2)
    assert "no automatic trigger has fired" in refused
    assert "To call now: Dana Okafor (DevOps Lead), +00 100 0001" in refused
    assert "security_vulnerability" in refused
    half = operator.rollback("-e", "condition=data_corruption", "-e", 'decided_by="DBA: Ann Lee"', rc=2)
    assert "this is for DBA and Dev Lead to decide, and Dev Lead has not" in half
    assert world(operator.sandbox) == before

    with operator.sandbox.load(20):
        operator.rollback(*DECISION, "-e", 'reason="Tokens of others are shown"')
        assert_undone(operator, quiet_release)
    mails = sorted((operator.sandbox.directory / "smtp").glob("*.eml"))[-2:]
    texts = [mail.read_text() for mail in mails]
    assert "Subject: [ROLLBACK] shop is being rolled back from 1.4.2 to 1.4.1" in texts[0]
    assert "Subject: [ROLLBACK] shop rolled back from 1.4.2 to 1.4.1" in texts[1]
    assert all("Reason: Tokens of others are shown" in text for text in texts)


@pytest.mark.parametrize("step", ["Scale down and wait until every pod is gone", "Migrate down"])
def test_a_killed_run_is_finished_by_the_same_command(operator: Operator, bad_release: proof.Rows, step: str) -> None:
    process = operator.start("rollback", "-e", "version=1.4.2")
    wait_for_line(process, step)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    output = operator.rollback()
    assert "Release 1.4.2 is rolled back" in output
    assert_undone(operator, bad_release)
    records = [
        item for item in operator.sandbox.cluster.items("ConfigMap") if "rollback-1.4.2" in item["metadata"]["name"]
    ]
    newest = max(records, key=lambda item: item["metadata"]["creationTimestamp"])
    assert '"status": "completed"' in newest["data"]["record.json"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("9.9.9", "no manifest for release 9.9.9"),
        ("1.4.2; rm -rf /", "is not a release version"),
        ("../../etc/passwd", "is not a release version"),
        ("", "is not a release version"),
    ],
)
def test_a_wrong_version_is_one_clear_error(operator: Operator, version: str, message: str) -> None:
    before = world(operator.sandbox)
    output = operator.play("rollback", "-e", f'{{"version": "{version}"}}', rc=2)
    assert message in output
    assert "changed=0" in output
    assert output.count("\n") < 8, "an error is short"
    assert world(operator.sandbox) == before


@pytest.mark.usefixtures("quiet_release")
def test_wrong_variables_are_told_all_at_once_before_anything_is_touched(operator: Operator) -> None:
    before = world(operator.sandbox)
    wrong = {"database_timeout": "soon", "application_soak": "a while", "communication_chanels": []}
    output = operator.rollback(*DECISION, "-e", json.dumps(wrong), rc=2)
    assert "Nothing was touched, as variables are wrong: " in output
    assert "role database: argument 'database_timeout' is of type str and we were unable to convert to float" in output
    assert "role application: argument 'application_soak' is of type str" in output
    assert "no role knows the variable communication_chanels; was communication_channels meant?" in output
    assert "changed=0" in output
    assert world(operator.sandbox) == before


def test_it_runs_from_another_directory(operator: Operator, tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "ansible-playbook", "-i", ROOT / "inventories/sandbox/hosts.yml", ROOT / "playbooks/rollback.yml"],
        cwd=tmp_path,
        env=operator.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "version '' is not a release version" in done.stdout


def test_two_rollbacks_at_once_are_told_apart(operator: Operator, bad_release: proof.Rows) -> None:
    first = operator.start("rollback", "-e", "version=1.4.2")
    try:
        wait_for_line(first, "Take the lock")
        second = operator.rollback(rc=2)
        assert re.search(r"@.*/\d+ holds the lock rollback-shop since", second)
        assert "checklist_take_over=true" in second
    finally:
        output, _unused = first.communicate(timeout=120)
    assert first.returncode == 0, output
    assert_undone(operator, bad_release)


def test_the_plan_says_what_would_be_done(operator: Operator, quiet_release: proof.Rows) -> None:
    assert quiet_release["products"]
    before = world(operator.sandbox)
    output = operator.play("plan", "-e", "version=1.4.2")
    assert "Release 1.4.2 can be rolled back (quiesce)" in output
    assert world(operator.sandbox) == before
    plan = (operator.sandbox.directory / "plans" / "P7-ROLLBACK-142.md").read_text()
    headings = re.findall(r"^## (\d)\. ", plan, re.MULTILINE)
    assert headings == [str(number) for number in range(1, 10)]
    assert "| Database shop | Migration 42 | Migration 41 | Migration 42 |" in plan
    assert "Lost for good" in plan
