# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision as the playbooks take it, with run records of earlier rollbacks on disk."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_decision_info

from tests.integration.http.wire import call

ROOT = Path(__file__).resolve().parents[3]
PEOPLE = {"condition": "data_corruption", "decided_by": "DBA: Ann Lee, Dev Lead: Bo Chen", "requester": "Sam Ode"}


def earlier(records: Path, release: str, minutes: float, environment: str = "eu") -> None:
    """A rollback of ``release`` that ended so many minutes ago."""
    ended = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    record = {"id": f"{release}-{environment}-{minutes}", "release": release, "previous": "1.4.0", "service": "shop"}
    times = {"document": "", "opened_at": ended, "opened_by": "ann@ops", "status": "completed", "closed_at": ended}
    decision = {"decision": {"reason": "Error Rate: 24 %."}}
    path = records / f"rollback-{record['id']}.json"
    path.write_text(json.dumps({**record, **times, **decision, "environment": environment}))


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The folder of the run records."""
    (tmp_path / "records").mkdir()
    return tmp_path / "records"


def decide(records: Path, **extra: Any) -> tuple[str, dict[str, Any] | None]:
    """Run the playbook; what it printed and the decision, if there is one."""
    decisions = records.parent / "decisions"
    decisions.mkdir(exist_ok=True)
    variables = {"version": "1.4.2", "records": str(records), "decisions": str(decisions), **extra}
    inventory = records.parent / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"all": {"hosts": {"eu": host}}}))
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            inventory,
            "-e",
            json.dumps(variables),
            Path(__file__).parent / "decide.yml",
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = [json.loads(path.read_text()) for path in sorted(decisions.iterdir())]
    assert (done.returncode == 0) == bool(found), done.stdout + done.stderr
    return done.stdout + done.stderr, found[0] if found else None


def test_a_release_that_was_rolled_back_is_never_returned_to(records: Path) -> None:
    earlier(records, "1.4.1", 5000, environment="us")
    output, decision = decide(records, **PEOPLE)
    assert decision is None
    assert "release 1.4.1, which this rollback returns to, is quarantined: it was rolled back itself in us" in output
    assert "-e break_glass=true" in output

    output, decision = decide(records, break_glass=True, decided_by="Duty Manager: Rae Novak", reason="Nobody can pay")
    assert decision is not None
    assert decision["kind"] == "break_glass"
    assert decision["makers"] == ["Rae Novak (Duty Manager)"]
    assert decision["overridden"][0].startswith("release 1.4.1, which this rollback returns to, is quarantined")
    assert "[WARNING]: BREAK GLASS by Rae Novak (Duty Manager): Nobody can pay" in output
    assert "decision       BREAK GLASS by Rae Novak (Duty Manager): Nobody can pay. Overridden: release" in output


def test_people_are_told_of_what_triggers_would_give_way_to(records: Path) -> None:
    for minutes in (1, 60, 120):
        earlier(records, "1.4.2", minutes)
    alone = {name: value for name, value in PEOPLE.items() if name != "requester"}
    output, decision = decide(records, **alone)
    assert decision is None
    assert "say who does: -e 'requester=" in output
    # In AWX it is whoever launched the job.
    output, decision = decide(records, **alone, awx_user_name="Sam Ode", reason="Orders without products")
    assert decision is not None
    assert decision["requester"] == "Sam Ode"
    assert decision["makers"] == ["Ann Lee (DBA)", "Bo Chen (Dev Lead)"]
    assert len(decision["overridden"]) == 2
    assert re.search(
        r"\[WARNING\]: Rolling back although shop was rolled back from 1.4.2 to 1.4.0 \d+ (s|min) ago", output
    )
    assert "[WARNING]: Rolling back although release 1.4.2 was rolled back 3 times already" in output


def test_triggers_give_way(records: Path) -> None:
    earlier(records, "1.4.2", 1)
    fired = {"triggers": [{"name": "Error Rate", "verdict": "fail", "message": "24 % for 5m", "held": 300}]}
    output, decision = decide(records, watch_seen=fired)
    assert decision is None
    assert "nothing is rolled back for Error Rate: 24 % for 5m, because shop was rolled back" in output
    assert "people may decide with -e condition=NAME" in output
    output, decision = decide(records, watch_seen=fired, decision_cooldown=0)
    assert decision is not None
    assert (decision["kind"], decision["overridden"]) == ("automatic", [])


def test_triggers_blame_a_release_for_what_begins_soon_after_it() -> None:
    rollback = {"release": "1.4.2", "previous": "1.4.1", "service": "shop", "environment": "eu"}
    fired = {"name": "Error Rate", "verdict": "fail", "message": "24 % for 5m", "held": 300}
    now = datetime.now(UTC)
    old, new = ((now - timedelta(hours=hours)).isoformat() for hours in (30, 1))
    options: dict[str, Any] = {"triggers": [fired], "conditions": {}, "recent_hours": 24}
    both = call(rollback_decision_info, rollback={**rollback, "deployed_at": [old, new]}, **options)
    assert both["decision"]["overridden"] == []
    with pytest.raises(RollbackError, match=r"release 1\.4\.2 was deployed 30 h ago") as caught:
        call(rollback_decision_info, rollback={**rollback, "deployed_at": [old]}, **options)
    assert caught.value.details["decision"]["kind"] == "automatic"
    assert len(caught.value.details["objections"]) == 1
