# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets over the wire: what each tracker is asked, once, and what is said when it does not want to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_ticket

from tests.integration.http.wire import Asked, Called, Reply, Table, WireServer, call
from tests.sandbox.process import free_port

LABEL = "rollback-1.4.2-20261123t192320z"
REPORT = "# Incident report\n\nüber 10 %"
TOKEN = "tok-8d1f9a77"


def ticket(wire: WireServer, system: str, **more: Any) -> Called:
    given = {"system": system, "url": wire.url, "project": "SHOP" if system == "jira" else "example/shop"}
    text = {"id": LABEL.removeprefix("rollback-"), "title": "shop 1.4.2 was rolled back", "body": REPORT}
    return call(rollback_ticket, **{**given, **text, "labels": ["incident"], "bearer_token": TOKEN, **more})


def tracker(place: str, none: object, entry: dict[str, str]) -> Table:
    """A tracker that has no ticket until it is given one."""
    kept: list[str] = []

    def answer(asked: Asked) -> Reply:
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        if asked.method == "POST":
            kept.append(asked.body)
            return Reply(201, json.dumps(entry))
        return Reply(200, json.dumps([entry] if kept else none))

    return {place: answer}


TRACKERS = [
    (
        "github",
        tracker("/repos/example/shop/issues", [], {"html_url": "https://github.example/17"}),
        "https://github.example/17",
        {"title": "shop 1.4.2 was rolled back", "body": REPORT, "labels": ["incident", LABEL]},
    ),
    (
        "gitlab",
        tracker("/api/v4/projects/example%2Fshop/issues", [], {"web_url": "https://gitlab.example/17"}),
        "https://gitlab.example/17",
        {"title": "shop 1.4.2 was rolled back", "description": REPORT, "labels": f"incident,{LABEL}"},
    ),
]


@pytest.mark.parametrize(("system", "table", "link", "body"), TRACKERS, ids=["github", "gitlab"])
def test_one_issue_is_opened_and_found_again(system: str, table: Table, link: str, body: dict[str, Any]) -> None:
    with WireServer(table) as wire:
        assert ticket(wire, system, check_mode=True).result == {"changed": True, "link": ""}
        assert ticket(wire, system).result == {"changed": True, "link": link}
        assert ticket(wire, system).result == {"changed": False, "link": link}
        methods = [asked.method for asked in wire.asked]
        [posted] = [json.loads(asked.body) for asked in wire.asked if asked.method == "POST"]
    assert methods == ["GET", "GET", "POST", "GET"]
    assert posted == body
    assert f"labels={LABEL}" in wire.asked[0].path


@pytest.mark.parametrize("search", ["/rest/api/2/search/jql", "/rest/api/2/search"], ids=["cloud", "data center"])
def test_jira_is_asked_in_either_way(search: str) -> None:
    table: Table = {
        search: [Reply(200, '{"issues": []}'), Reply(200, '{"issues": [{"key": "SHOP-17"}]}')],
        "/rest/api/2/issue": Reply(201, '{"id": "1", "key": "SHOP-17"}'),
    }
    with WireServer(table) as wire:
        link = f"{wire.url}/browse/SHOP-17"
        assert ticket(wire, "jira", issue_type="Bug").result == {"changed": True, "link": link}
        assert ticket(wire, "jira").result == {"changed": False, "link": link}
        [fields] = [json.loads(asked.body)["fields"] for asked in wire.asked if asked.method == "POST"]
    assert (fields["project"], fields["issuetype"]) == ({"key": "SHOP"}, {"name": "Bug"})
    assert fields["description"] == f"{{noformat}}\n{REPORT}\n{{noformat}}"


def test_a_webhook_can_tell_a_repetition() -> None:
    with WireServer({"/hook": Reply(200, '{"url": "https://desk.example/17"}')}) as wire:
        found = ticket(wire, "webhook", url=f"{wire.url}/hook")
        asked = wire.asked[0]
    assert found["link"] == "https://desk.example/17"
    assert asked.headers["Idempotency-Key"] == LABEL
    assert json.loads(asked.body)["body"] == REPORT


def test_a_report_that_is_too_long_is_cut() -> None:
    with WireServer(tracker("/repos/example/shop/issues", [], {"html_url": "x"})) as wire:
        ticket(wire, "github", body="a" * 100_000)
        body = json.loads(wire.asked[-1].body)["body"]
    assert len(body) == 65_000
    assert body.endswith("this tracker takes no more.)")


def test_a_tracker_that_refuses_is_quoted() -> None:
    table: Table = {"/repos/example/shop/issues": Reply(403, '{"message": "Resource not accessible"}')}
    refused = pytest.raises(RollbackError, match=r"answered 403: .*not accessible.*whether the token may open")
    with refused, WireServer(table) as wire:
        ticket(wire, "github")


def test_a_tracker_that_is_down_is_named() -> None:
    with WireServer({}) as wire, pytest.raises(RollbackError, match=r"no ticket: .*connection refused"):
        ticket(wire, "github", url=f"http://127.0.0.1:{free_port()}")
