# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback that nobody starts."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.rollback.conftest import Operator
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
