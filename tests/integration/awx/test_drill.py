# SPDX-License-Identifier: GPL-3.0-or-later
"""``drill.yml``: a rollback for practice, where it is allowed, that counts as one."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.rollback.conftest import Operator, clean, operator, quiet_release, world
from tests.sandbox import proof
from tests.sandbox.demo import WANTED
from tests.sandbox.process import wait_until

__all__ = ["clean", "operator", "quiet_release"]
pytestmark = pytest.mark.sandbox

DRILL = ("drill", "-e", "version=1.4.2")


def test_a_drill_is_a_rollback_that_counts_as_a_drill(operator: Operator, quiet_release: proof.Rows) -> None:
    sandbox = operator.sandbox
    before = world(sandbox)
    assert "no drill is held in sandbox" in operator.play(*DRILL, rc=2)
    assert world(sandbox) == before

    with sandbox.load(20):
        wait_until(lambda: len(proof.rows(sandbox.endpoints)["orders"]) > 3, 60, "orders")
        output = operator.play(*DRILL, "-e", "drill_allowed=true", "-e", "drill_by=Dee")
        lines = list(proof.prove(sandbox.endpoints, quiet_release, WANTED))
        missing = [line for line in lines if not line.holds and quiet_release.get(line.claim) != {}]
        assert not missing, "\n".join(map(str, missing))
    assert re.search(
        r"1\.4\.2 can be rolled back in sandbox: a drill proved it\. So far 1 drills and 0\s+rollbacks", output
    )
    [record] = [
        json.loads(item["data"]["record.json"])
        for item in sandbox.cluster.items("ConfigMap", "app.kubernetes.io/managed-by=octalume.rollback")
        if "record.json" in item.get("data", {})
    ]
    assert record["facts"]["drill"] == {"by": "Drill: Dee", "reason": "A drill: nothing is wrong with the release"}
    assert record["status"] == "completed"
