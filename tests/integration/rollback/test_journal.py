# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock and the run record in a cluster: what several that write at the same moment find."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError
from ansible_collections.octalume.rollback.plugins.modules import (
    rollback_lock,
    rollback_record,
    rollback_record_info,
)

from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox

LOCK = {"state": "present", "name": "rollback-shop", "duration": 60, "take_over": False}
RECORD = {
    "state": "open",
    "release": "1.4.2",
    "environment": "here",
    "header": {"previous": "1.4.1", "service": "shop", "document": "P7"},
    "decision": {},
    "steps": [],
    "notices": [],
    "facts": {},
    "directory": None,
}


def ask(sandbox: Sandbox, module: Any, caller: str = "dana@far-away/1", check_mode: bool = False, **params: Any) -> Any:
    """What a module answers."""
    place = {"kubeconfig": sandbox.endpoints["kubernetes"]["kubeconfig"], "namespace": sandbox.endpoints["namespace"]}
    return module.run(Call(params={**place, **params}, caller=caller, check_mode=check_mode))


def test_of_many_at_once_exactly_one_gets_the_lock(sandbox: Sandbox) -> None:
    def attempt(number: int) -> str:
        try:
            return str(ask(sandbox, rollback_lock, f"person{number}@far-away/1", **LOCK)["holder"])
        except RollbackError as error:
            return error.message

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, range(8)))
    winners = [answer for answer in answers if answer.endswith("@far-away/1")]
    losers = [answer for answer in answers if "holds the lock" in answer or "at the same moment" in answer]
    assert [len(winners), len(losers)] == [1, 7], answers


def test_the_lock_is_renewed_by_its_holder_and_released_by_nobody_else(sandbox: Sandbox) -> None:
    first = ask(sandbox, rollback_lock, **LOCK)
    again = ask(sandbox, rollback_lock, **LOCK)
    assert (first["why"], again["why"], again["changed"]) == ("free", "mine", False)
    stranger = ask(sandbox, rollback_lock, "kim@elsewhere/2", **{**LOCK, "state": "absent"})
    assert stranger == {"changed": False, "holder": "dana@far-away/1"}
    with pytest.raises(RollbackError, match="dana@far-away/1 holds the lock rollback-shop since"):
        ask(sandbox, rollback_lock, "kim@elsewhere/2", **LOCK)
    taken = ask(sandbox, rollback_lock, "kim@elsewhere/2", **{**LOCK, "take_over": True})
    assert (taken["why"], taken["token"]) == ("taken over", first["token"] + 1)
    assert ask(sandbox, rollback_lock, "kim@elsewhere/2", **{**LOCK, "state": "absent"})["changed"] is True
    assert ask(sandbox, rollback_lock, **LOCK)["why"] == "free"


def test_a_lock_of_a_process_that_has_ended_is_taken(sandbox: Sandbox) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ask(sandbox, rollback_lock, f"dana@{socket.gethostname()}/{ended.pid}", **LOCK)
    assert ask(sandbox, rollback_lock, "kim@elsewhere/2", **LOCK)["why"] == "dead"


def test_check_mode_takes_no_lock(sandbox: Sandbox) -> None:
    assert ask(sandbox, rollback_lock, check_mode=True, **LOCK)["changed"] is True
    assert ask(sandbox, rollback_lock, "kim@elsewhere/2", **LOCK)["why"] == "free"


def test_an_unfinished_record_is_found_and_taken_up_from_another_machine(sandbox: Sandbox) -> None:
    opened = ask(sandbox, rollback_record, **RECORD)
    assert (opened["resumed"], opened["record"]["opened_by"]) == (False, "dana@far-away/1")
    noted = {**RECORD, "state": "noted", "steps": [{"name": "backup", "status": "done", "details": {"size": 7}}]}
    ask(sandbox, rollback_record, **noted)
    where = {"release": "1.4.2", "environment": "here", "directory": None}
    assert ask(sandbox, rollback_record_info, **where)["unfinished"]["id"] == opened["record"]["id"]
    resumed = ask(sandbox, rollback_record, "kim@elsewhere/2", **RECORD)
    assert resumed["resumed"] is True
    assert resumed["record"]["steps"][0]["details"] == {"size": 7}
    ask(sandbox, rollback_record, **{**RECORD, "state": "completed"})
    after = ask(sandbox, rollback_record_info, **where)
    assert after["unfinished"] is None
    assert [record["status"] for record in after["records"]] == ["completed"]


def test_a_note_without_an_open_record_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RollbackError, match=r"no run record is open for release 1.4.2 in here"):
        ask(sandbox, rollback_record, **{**RECORD, "state": "noted"})
