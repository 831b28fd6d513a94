# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance switches outside the cluster: real requests, real programs, and switches that lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_maintenance

from tests.integration.http.wire import Asked, Called, Reply, Table, WireServer, call
from tests.sandbox.process import free_port

TOKEN = "tok-5f0b1c77"
PROGRAM = """#!/bin/sh
# A switch that is a file: on, off, is-on.
case $1 in
  on) echo "$SECRET" > "$2" ;;
  off) rm -f "$2" ;;
  is-on) test -e "$2" ;;
  *) echo "no such word: $1" >&2; exit 7 ;;
esac
"""


def balancer(*, lies: bool = False) -> Table:
    """A load balancer with one switch."""
    state = {"enabled": False}

    def answer(asked: Asked) -> Reply:
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        if asked.method == "PUT" and not lies:
            state.update(json.loads(asked.body))
        return Reply(200, json.dumps({"shop": state}))

    return {"/shop": answer}


def over_http(wire: WireServer, state: str, *, ask: bool = True, **more: Any) -> Called:
    url = f"{wire.url}/shop"
    switch: dict[str, Any] = {
        word: {"url": url, "method": "PUT", "body_json": {"enabled": word == "enable"}}
        for word in ("enable", "disable")
    }
    if ask:
        switch["ask"] = {"url": url, "path": "$.shop.enabled"}
    return call(rollback_maintenance, state=state, http=switch, bearer_token=TOKEN, diff=True, **more)


def test_a_switch_behind_an_address_is_turned_once_and_proven() -> None:
    with WireServer(balancer()) as wire:
        predicted = over_http(wire, "present", check_mode=True)
        assert [asked.method for asked in wire.asked] == ["GET"], "check mode only asks"
        first, again = over_http(wire, "present"), over_http(wire, "present")
        off, over = over_http(wire, "absent"), over_http(wire, "absent")
        puts = [json.loads(asked.body) for asked in wire.asked if asked.method == "PUT"]
    assert [one["changed"] for one in (predicted, first, again, off, over)] == [True, True, False, True, False]
    assert [one["enabled"] for one in (first, again, off, over)] == [True, True, False, False]
    assert puts == [{"enabled": True}, {"enabled": False}]
    assert (first["diff"]["before"], first["diff"]["after"]) == ("maintenance: off\n", "maintenance: on\n")
    assert first["proven"] is True


def test_a_switch_that_cannot_be_asked_is_set_every_time_and_says_so() -> None:
    with WireServer(balancer()) as wire:
        found = [over_http(wire, "absent", ask=False) for _unused in range(2)]
    assert [(one["changed"], one["proven"]) for one in found] == [(True, False), (True, False)]
    assert found[0]["diff"]["before"] == "maintenance: not known\n"


def test_a_switch_that_says_it_did_and_did_not_is_found_out() -> None:
    found_out = r"/shop said that it did, and maintenance mode is still off"
    with WireServer(balancer(lies=True)) as wire, pytest.raises(RollbackError, match=found_out):
        over_http(wire, "present")


BAD = [
    (Reply(503, "busy"), r"cannot tell whether maintenance mode is on: GET .*/shop answered 503: busy"),
    (Reply(200, "<html>"), r"/shop answers no JSON; correct http.ask.url"),
    (Reply(200, '{"other": 1}'), r"/shop has nothing at \$.shop.enabled; correct http.ask.path"),
    (Reply(behave="cut"), r"cannot tell whether .*the connection broke"),
]


@pytest.mark.parametrize(("reply", "message"), BAD, ids=["busy", "no JSON", "no such value", "cut"])
def test_a_switch_that_cannot_tell_stops_the_task(reply: Reply, message: str) -> None:
    with WireServer({"/shop": reply}) as wire, pytest.raises(RollbackError, match=message):
        over_http(wire, "present")


def test_a_refused_request_is_quoted_without_the_token() -> None:
    refused = pytest.raises(RollbackError, match=r"cannot turn maintenance mode on: PUT .*answered 403: not yours")
    with WireServer({"/shop": Reply(403, "not yours")}) as wire, refused as caught:
        over_http(wire, "present", ask=False)
    assert TOKEN not in caught.value.message
    wire.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RollbackError, match=r"nothing listens there"):
        over_http(wire, "present")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A switch that is a program."""
    file = tmp_path / "maintenance.sh"
    file.write_text(PROGRAM)
    file.chmod(0o755)
    return file


def by_command(program: Path, state: str, *, ask: str = "is-on", on: str = "on", **more: Any) -> Called:
    flag = str(program.with_name("flag; touch oops"))
    switch = {
        "enable": [str(program), on, flag],
        "disable": [str(program), "off", flag],
        "ask": [str(program), ask, flag],
    }
    return call(rollback_maintenance, state=state, command={**switch, "environment": {"SECRET": TOKEN}}, **more)


def test_a_program_is_a_switch_and_no_shell_reads_its_arguments(program: Path) -> None:
    assert by_command(program, "present", check_mode=True)["changed"] is True
    assert sorted(path.name for path in program.parent.iterdir()) == ["maintenance.sh"]
    first = by_command(program, "present")
    assert (first["changed"], by_command(program, "present")["changed"]) == (True, False)
    assert sorted(path.name for path in program.parent.iterdir()) == ["flag; touch oops", "maintenance.sh"]
    assert program.with_name("flag; touch oops").read_text().strip() == TOKEN
    assert TOKEN in first.secrets
    assert (by_command(program, "absent")["changed"], by_command(program, "absent")["changed"]) == (True, False)


def test_a_program_that_fails_is_quoted(program: Path) -> None:
    with pytest.raises(RollbackError, match=r"cannot turn maintenance mode on: .* ended with 7: no such word: odd"):
        by_command(program, "present", on="odd")
    with pytest.raises(RollbackError, match=r"ended with 7: no such word: eh; wanted is 0 where"):
        by_command(program, "present", ask="eh")
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(RollbackError, match=r"did not end within 0\.3 s"):
        by_command(program, "present", timeout=0.3)
    program.unlink()
    with pytest.raises(RollbackError, match=r"could not be started: No such file"):
        by_command(program, "present")
