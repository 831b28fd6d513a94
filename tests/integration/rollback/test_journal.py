# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock and the run record in a cluster: what several that write at the same moment find."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import fence_of
from ansible_collections.octalume.rollback.plugins.module_utils._release.lease import name_of
from ansible_collections.octalume.rollback.plugins.modules import (
    rollback_lock,
    rollback_record,
    rollback_record_info,
)

from tests.returned import seen
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox

DANA, KIM = "dana@far-away/1-x-1", "kim@elsewhere/2-y-1"
LOCK = {"state": "present", "name": "rollback-shop", "duration": 4, "take_over": False, "directory": None}
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


def login(sandbox: Sandbox) -> dict[str, Any]:
    """How to reach the cluster."""
    return {"kubeconfig": sandbox.endpoints["kubernetes"]["kubeconfig"]}


def ask(sandbox: Sandbox, module: Any, caller: str = DANA, check_mode: bool = False, **params: Any) -> Any:
    """What a module answers."""
    place = {**login(sandbox), "namespace": sandbox.endpoints["namespace"]}
    result = module.run(Call(params={**place, **params}, caller=caller, check_mode=check_mode))
    seen(module, result)
    return result


def hold(sandbox: Sandbox, holder: str = DANA, **params: Any) -> Any:
    """Take the lock as ``holder``."""
    return ask(sandbox, rollback_lock, **{**LOCK, "holder": holder, **params})


def test_of_many_at_once_exactly_one_gets_the_lock(sandbox: Sandbox) -> None:
    def attempt(number: int) -> str:
        try:
            return str(hold(sandbox, f"person{number}@far-away/1-x-1", duration=60, take_over=number == 99)["why"])
        except RollbackError as error:
            return error.message

    # One that comes later watches whether the winner renews; here it does, at once.
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(attempt, number) for number in range(8)]
        winner = next(one for one in as_completed(waiting) if one.result() == "free")
        holder = sandbox.cluster.get("Lease", "rollback-shop")["spec"]["holderIdentity"]
        hold(sandbox, holder, duration=60)
        answers = [one.result() for one in waiting if one is not winner]
    assert all("holds the lock" in answer or "at the same moment" in answer for answer in answers), answers
    assert len(answers) == 7


def test_the_lock_is_renewed_by_its_holder_and_released_by_nobody_else(sandbox: Sandbox) -> None:
    first, again = hold(sandbox), hold(sandbox)
    assert (first["why"], again["why"], again["changed"]) == ("free", "mine", False)
    stranger = hold(sandbox, KIM, state="absent")
    assert stranger == {"changed": False, "holder": DANA}
    taken = hold(sandbox, KIM, take_over=True)
    assert (taken["why"], taken["token"]) == ("taken over", first["token"] + 1)
    assert hold(sandbox, KIM, state="absent")["changed"] is True
    free = hold(sandbox)
    assert (free["why"], free["token"]) == ("free", taken["token"] + 1)


def test_a_holder_that_renews_keeps_the_lock_and_a_silent_one_loses_it_whatever_the_clocks_say(
    sandbox: Sandbox,
) -> None:
    fence = fence_of({**hold(sandbox)["fence"], "connection": login(sandbox)})
    fence.keep()
    with pytest.raises(RollbackError, match="dana@far-away/1 holds the lock rollback-shop since"):
        hold(sandbox, KIM)
    fence.stop()
    # Its clock is an hour ahead: by the clocks alone the lock would be held for an hour more.
    ahead = {"spec": {"renewTime": f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"}}
    path = sandbox.cluster.path("Lease", "rollback-shop")
    sandbox.cluster.call("PATCH", path, ahead, "application/merge-patch+json")
    started = time.monotonic()
    assert hold(sandbox, KIM)["why"] == "expired"
    assert time.monotonic() - started >= LOCK["duration"]


def test_a_lock_of_a_process_that_has_ended_is_taken_at_once(sandbox: Sandbox) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    hold(sandbox, name_of(f"dana@{socket.gethostname()}/{ended.pid}"), duration=600)
    ended.communicate()
    assert hold(sandbox, KIM)["why"] == "dead"


def test_a_process_that_is_at_work_here_is_told_at_once(sandbox: Sandbox) -> None:
    hold(sandbox, name_of(f"dana@{socket.gethostname()}/{os.getpid()}"), duration=600)
    with pytest.raises(RollbackError, match=f"/{os.getpid()} holds the lock"):
        hold(sandbox, KIM)


def test_check_mode_takes_no_lock(sandbox: Sandbox) -> None:
    assert ask(sandbox, rollback_lock, check_mode=True, **LOCK, holder=DANA)["changed"] is True
    assert hold(sandbox, KIM)["why"] == "free"


def test_a_record_too_large_for_one_object_lies_in_several_and_is_pruned_with_them(sandbox: Sandbox) -> None:
    ask(sandbox, rollback_record, **RECORD)
    for size in (1_900_000, 1_000_000):
        noted = {**RECORD, "state": "noted", "facts": {"log": "x" * size}}
        assert len(ask(sandbox, rollback_record, **noted)["record"]["facts"]["log"]) == size
    where = {"release": "1.4.2", "environment": "here", "directory": None}
    (kept,) = ask(sandbox, rollback_record_info, **where)["records"]
    assert len(kept["facts"]["log"]) == 1_000_000
    labels = "app.kubernetes.io/component=run-record-part"
    assert len(sandbox.cluster.items("ConfigMap", labels)) == 2
    ask(sandbox, rollback_record, **{**RECORD, "state": "completed"})
    newer = ask(sandbox, rollback_record, **RECORD)["record"]["id"]
    ended = ask(sandbox, rollback_record, **{**RECORD, "state": "aborted", "keep": 1})
    assert ended["pruned"] == [kept["id"]]
    assert [one["id"] for one in ask(sandbox, rollback_record_info, **where)["records"]] == [newer]
    assert sandbox.cluster.items("ConfigMap", labels) == []


def test_an_unfinished_record_is_found_and_taken_up_from_another_machine(sandbox: Sandbox) -> None:
    opened = ask(sandbox, rollback_record, **RECORD)
    assert (opened["resumed"], opened["record"]["opened_by"]) == (False, DANA)
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


def test_what_another_run_has_written_since_it_was_looked_at_is_not_acted_on(sandbox: Sandbox) -> None:
    where = {"release": "1.4.2", "environment": "here", "directory": None}
    looked = ask(sandbox, rollback_record_info, **where)["digest"]
    ask(sandbox, rollback_record, **{**RECORD, "environment": "there", "seen": None})
    assert ask(sandbox, rollback_record_info, **where)["digest"] == looked, "that is no business of this environment"
    ask(sandbox, rollback_record, "kim@elsewhere/2", **{**RECORD, "seen": looked})
    with pytest.raises(RollbackError, match=r"another run has worked on the rollback of 1\.4\.2 in here .*Run again"):
        ask(sandbox, rollback_record, **{**RECORD, "seen": looked})
    again = ask(sandbox, rollback_record_info, **where)["digest"]
    assert ask(sandbox, rollback_record, **{**RECORD, "seen": again})["resumed"] is True


def test_a_record_that_a_faster_clock_has_opened_and_aborted_hides_none_that_is_opened_later(
    sandbox: Sandbox,
) -> None:
    first = ask(sandbox, rollback_record, **RECORD)["record"]["id"]
    ask(sandbox, rollback_record, **{**RECORD, "state": "aborted"})
    path = f"{sandbox.cluster.path('ConfigMap', f'rollback-{first}')}"
    kept = json.loads(sandbox.cluster.get("ConfigMap", f"rollback-{first}")["data"]["record.json"])
    kept["opened_at"] = f"{datetime.now(UTC) + timedelta(minutes=11):%Y-%m-%dT%H:%M:%S.000Z}"
    sandbox.cluster.call("PATCH", path, {"data": {"record.json": json.dumps(kept)}}, "application/merge-patch+json")
    opened = ask(sandbox, rollback_record, **RECORD)["record"]
    assert opened["id"] != first
    again = ask(sandbox, rollback_record, **RECORD)
    assert (again["resumed"], again["record"]["id"]) == (True, opened["id"])
    noted = ask(sandbox, rollback_record, **{**RECORD, "state": "noted", "steps": [{"name": "a", "status": "done"}]})
    assert noted["record"]["id"] == opened["id"]


def test_a_note_without_an_open_record_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RollbackError, match=r"no run record is open for release 1.4.2 in here"):
        ask(sandbox, rollback_record, **{**RECORD, "state": "noted"})
