# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback that nobody starts."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.rollback.conftest import Operator, world
from tests.sandbox import proof
from tests.sandbox.demo import WANTED

pytestmark = pytest.mark.sandbox

WATCH = ("-e", "version=1.4.2", "-e", "watch_interval=1s", "-e", "watch_duration=60s")


def test_a_watched_release_is_rolled_back_by_itself(operator: Operator, bad_release: proof.Rows) -> None:
    sandbox = operator.sandbox
    output = operator.play("watch", *WATCH)
    assert re.search(r"\d\d:\d\d:\d\d  1\. Error Rate [\d.]+ %.*, P99 Latency .*/health (pass|fail)\n", output)
    assert "Release 1.4.2 is rolled back to 1.4.1 in sandbox." in output
    lines = [line for line in proof.prove(sandbox.endpoints, bad_release, WANTED) if not line.holds]
    assert not lines, "\n".join(map(str, lines))
    records = sandbox.cluster.items("ConfigMap", "app.kubernetes.io/component=run-record")
    decision = json.loads(records[0]["data"]["record.json"])["decision"]
    assert decision["kind"] == "automatic"
    assert [one["name"] for one in decision["evidence"]][:2] == ["Error Rate", "P99 Latency"]
    assert decision["detected_at"]

    gone = operator.play("watch", *WATCH)
    assert "the release is not live: Deployment production/api-server runs shop/api-server:1.4.1" in gone
    assert "changed=0" in gone


# One health check of the service is wrong after the rollback.
WRONG = {
    "verification_smoke_deadline": 2,
    "verification_smoke_tests": [{"name": "Search", "http": {"path": "/search", "json": [{"path": "$.hits"}]}}],
}
DECIDED = ("-e", "condition=critical_bug", "-e", 'decided_by="Deployment Lead: Ann Lee"')


@pytest.mark.usefixtures("quiet_release")
def test_an_alert_leaves_a_rollback_that_has_failed_to_people(operator: Operator) -> None:
    operator.rollback(*DECIDED, "-e", json.dumps(WRONG), rc=2)
    before = world(operator.sandbox)
    output = " ".join(operator.play("on_alert", "-e", "version=1.4.2", rc=2).split())
    assert "the rollback of 1.4.2 in sandbox has failed and waits for people (" in output
    assert "Search: status 404, wanted 200" in output
    assert "go on by hand: ansible-playbook playbooks/rollback.yml -e version=1.4.2" in output
    assert world(operator.sandbox) == before
    by_hand = operator.rollback("-e", json.dumps({"verification_monitoring": []}))
    assert "Release 1.4.2 is rolled back to 1.4.1 in sandbox." in by_hand


def test_an_alert_that_names_no_environment_is_refused(operator: Operator) -> None:
    output = operator.play("on_alert", "-e", "version=1.4.2", "-e", "environments=nowhere", rc=2)
    assert "no environment of the inventory matches nowhere: nothing was done" in output
