# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoke tests of a small service that speaks real HTTP."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import smoke_test

from tests.integration.http.wire import Asked, Called, Reply, Table, WireServer, call
from tests.sandbox.postgres import PostgresServer
from tests.sandbox.process import free_port
from tests.sandbox.vault.tls import Authority

TOKEN = "tok-8d1f9a77"


def login(asked: Asked) -> Reply:
    right = json.loads(asked.body) == {"username": "smoke", "password": "hunter22"}
    return Reply(200, json.dumps({"token": TOKEN})) if right else Reply(401, '{"error": "wrong password"}')


def products(asked: Asked) -> Reply:
    known = asked.headers.get("Authorization") == f"Bearer {TOKEN}"
    return Reply(200, '{"products": [{"id": 1}]}') if known else Reply(401, f'{{"error": "bad token {TOKEN}"}}')


SHOP: Table = {
    "/health": Reply(200, "OK", {"Content-Type": "text/plain"}),
    "/version": Reply(200, '{"version": "1.4.1"}'),
    "/auth/login": login,
    "/api/products": products,
}
CHECKS: tuple[dict[str, Any], ...] = (
    {"name": "Health Check", "http": {"path": "/health"}},
    {"name": "Version Check", "http": {"path": "/version", "json": [{"path": "$.version", "equals": "1.4.1"}]}},
    {
        "name": "Core Function",
        "http": {
            "path": "/api/products",
            "headers": {"Authorization": "Bearer ${token}"},
            "json": [{"path": "$.products", "min_items": 1}],
        },
    },
    {
        "name": "Login",
        "http": {
            "path": "/auth/login",
            "method": "POST",
            "body_json": {"username": "smoke", "password": "${password}"},
            "extract": {"token": "$.token"},
        },
    },
)


def smoke(wire: WireServer, checks: Sequence[dict[str, Any]] = CHECKS, **options: Any) -> Called:
    given = {"secrets": {"password": "hunter22"}, "deadline": 5, "interval": 0.02, "fail_task": False, **options}
    return call(smoke_test, base_url=wire.url, checks=list(checks), **given)


def test_the_four_tests_of_the_plan_pass_and_the_token_is_never_shown() -> None:
    with WireServer(SHOP) as wire:
        result = smoke(wire)
    assert (result["verdict"], result["passed"], result["failed_tests"]) == ("pass", 4, [])
    assert [test["name"] for test in result["tests"]] == [check["name"] for check in CHECKS]
    assert {TOKEN, "hunter22"} <= result.secrets
    assert TOKEN not in str(result.result)


def test_a_wrong_password_is_tried_once_and_what_needs_it_is_not_run() -> None:
    with WireServer(SHOP) as wire:
        result = smoke(wire, secrets={"password": "wrong-one"}, deadline=1)
        verdicts = {test["name"]: (test["verdict"], test["attempts"]) for test in result["tests"]}
        assert verdicts["Login"] == ("fail", 1)
        assert verdicts["Core Function"] == ("inconclusive", 0)
        assert (wire.count("/auth/login"), wire.count("/api/products")) == (1, 0)
    assert result["verdict"] == "fail"
    assert result["failed_tests"] == ["Core Function", "Login"]


def test_a_failed_task_says_what_failed_and_keeps_the_results() -> None:
    with (
        WireServer({**SHOP, "/version": Reply(200, '{"version": "1.4.2"}')}) as wire,
        pytest.raises(
            RollbackError, match=r"1 of 4 smoke tests did not pass. Version Check: \$.version is 1.4.2"
        ) as caught,
    ):
        smoke(wire, fail_task=True, deadline=0)
    assert caught.value.details["passed"] == 3


def test_what_reads_is_repeated_until_it_passes() -> None:
    replies = [Reply(503), Reply(behave="cut"), Reply(200, "{}"), Reply(200, '{"version": "1.4.1"}')]
    with WireServer({"/version": replies}) as wire:
        result = smoke(wire, CHECKS[1:2])
        assert (result["verdict"], result["tests"][0]["attempts"]) == ("pass", 4)


@pytest.mark.parametrize(
    ("retry", "reply", "repeated"),
    [
        ("safe", Reply(503), True),
        ("safe", Reply(500), False),
        ("safe", Reply(behave="cut"), False),
        ("always", Reply(500), True),
        ("never", Reply(503), False),
    ],
)
def test_what_writes_is_repeated_only_if_nothing_was_done(retry: str, reply: Reply, repeated: bool) -> None:
    check = {"name": "order", "retry": retry, "http": {"path": "/orders", "method": "POST", "body": "x"}}
    with WireServer({"/orders": reply}) as wire:
        smoke(wire, [check], deadline=0.2)
        assert (wire.count("/orders") > 1) is repeated


def test_the_deadline_ends_the_repetitions() -> None:
    with WireServer({"/version": Reply(behave="hang")}) as wire:
        started = time.monotonic()
        result = smoke(wire, CHECKS[1:2], deadline=1.5, timeout=1)
        assert 1 < time.monotonic() - started < 4
    assert result["verdict"] == "fail"
    assert "no answer within" in result["tests"][0]["message"]


def test_independent_tests_run_side_by_side() -> None:
    together = threading.Barrier(4, timeout=5)

    def answer(_asked: Asked) -> Reply:
        together.wait()
        return Reply()

    checks = [{"name": str(number), "http": {"path": "/meet"}} for number in range(4)]
    with WireServer({"/meet": answer}) as wire:
        assert smoke(wire, checks, deadline=0)["passed"] == 4


def test_all_take_as_long_as_the_longest_chain(record_property: Any) -> None:
    """Ten checks of 0.4 s, of which three wait for each other: 1.2 s and not 4 s."""

    def slow(_asked: Asked) -> Reply:
        time.sleep(0.4)
        return Reply(200, '{"next": "n-1234"}')

    chain = [
        {"name": "first", "http": {"path": "/slow", "extract": {"one": "$.next"}}},
        {"name": "second", "http": {"path": "/slow?${one}", "extract": {"two": "$.next"}}},
        {"name": "third", "http": {"path": "/slow?${two}"}},
    ]
    alone = [{"name": str(number), "http": {"path": "/slow"}} for number in range(7)]
    with WireServer({"/slow": slow}) as wire:
        result = smoke(wire, [*alone, *chain], deadline=0)
    assert result["passed"] == 10
    record_property("smoke tests: seconds of ten checks, of which three of 0.4 s are a chain", result["seconds"])
    assert 1.2 <= result["seconds"] < 3.6, "one after the other they take 4 s"


PAGE = Reply(200, '{"items": [{"id": 7, "state": "open"}]}', {"Content-Type": "application/json", "X-Release": "1.4.1"})


@pytest.mark.parametrize(
    ("http", "verdict", "says"),
    [
        ({"json": [{"path": "$.items[?(@.id == 7)].state", "equals": "open"}]}, "pass", "status 200"),
        ({"json": [{"path": "$.items[*].state", "matches": "^closed$"}]}, "fail", "does not match '^closed$'"),
        ({"json": [{"path": "$.items", "min_items": 2}]}, "fail", "$.items has 1 items, wanted at least 2"),
        ({"json": [{"path": "$.total"}]}, "fail", "the answer has no $.total"),
        ({"regex": '"state": *"open"'}, "pass", "status 200"),
        ({"regex": "closed"}, "fail", "the body does not match 'closed'"),
        ({"answer_headers": {"X-Release": r"^1\.4\.1$", "Content-Type": "json"}}, "pass", "status 200"),
        ({"answer_headers": {"X-Release": r"^1\.4\.2$"}}, "fail", "the header X-Release does not match"),
        ({"answer_headers": {"ETag": "."}}, "fail", "the answer has no header ETag"),
        ({"status": [201, 204]}, "fail", "status 200, wanted 201 or 204"),
        ({"max_seconds": 10}, "pass", "status 200"),
        ({"path": "/late", "max_seconds": 0.1}, "fail", "more than 0.1 s"),
        ({"path": "/moved"}, "fail", "status 302, wanted 200"),
        ({"path": "/moved", "follow_redirects": True, "regex": "open"}, "pass", "status 200"),
        ({"method": "HEAD"}, "pass", "status 200"),
    ],
    ids=str,
)
def test_every_expectation_is_looked_at(http: dict[str, Any], verdict: str, says: str) -> None:
    def late(_asked: Asked) -> Reply:
        time.sleep(0.2)
        return PAGE

    table: Table = {"/page": PAGE, "/late": late, "/moved": Reply(302, "", {"Location": "/page"})}
    with WireServer(table) as wire:
        result = smoke(wire, [{"name": "page", "http": {"path": "/page", **http}}], deadline=0)
    assert (result["verdict"], says in result["tests"][0]["message"]) == (verdict, True), result["tests"][0]


def test_certificates_are_checked_and_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = map(str, authority.issue("smoke"))
    with WireServer(SHOP, authority.issue("shop"), clients=authority.path) as wire:
        trusted: dict[str, Any] = {"ca_path": str(authority.path), "deadline": 0}
        known = smoke(wire, CHECKS, **trusted, client_cert=certificate, client_key=key)
        unknown = smoke(wire, CHECKS[:1], **trusted)
        doubtful = smoke(wire, CHECKS[:1], deadline=0, client_cert=certificate, client_key=key)
        unchecked = smoke(wire, CHECKS[:1], validate_certs=False, client_cert=certificate, client_key=key)
    assert (known["verdict"], known["passed"]) == ("pass", 4)
    assert [one["verdict"] for one in (unknown, doubtful, unchecked)] == ["error", "error", "pass"]
    assert "certificate not accepted" in doubtful["tests"][0]["message"]


def test_forms_headers_and_references_in_paths_are_sent_as_asked() -> None:
    checks = [
        {"name": "form", "http": {"path": "/form", "method": "PUT", "form": {"a": "1 2", "b": ["x", "y"]}}},
        {"name": "item", "http": {"path": "/items/${odd}", "headers": {"X-Mine": "${odd}"}, "status": [404]}},
    ]
    with WireServer({"/form": Reply()}) as wire:
        result = smoke(wire, checks, secrets={"odd": "a/b c"}, headers={"X-All": "yes"})
        form, item = sorted(wire.asked, key=lambda asked: asked.path)
    assert result["verdict"] == "pass"
    assert (form.method, form.body) == ("PUT", "a=1+2&b=x&b=y")
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (item.path, item.headers["X-Mine"], item.headers["X-All"]) == ("/items/a%2Fb%20c", "a/b c", "yes")


def test_a_service_that_echoes_a_secret_in_an_error_does_not_reveal_it() -> None:
    checks = [
        *CHECKS[:1],
        {**CHECKS[2], "http": {**CHECKS[2]["http"], "headers": {"X-Not-Used": "${token}"}}},
        CHECKS[3],
    ]
    with WireServer(SHOP) as wire:
        result = smoke(wire, checks, deadline=0)
    assert "bad token ***" in result["tests"][1]["message"]


def test_check_mode_asks_nothing_and_still_refuses_nonsense(tmp_path: Path) -> None:
    with WireServer(SHOP) as wire:
        options: dict[str, Any] = {
            "base_url": wire.url,
            "secrets": {"password": "x"},
            "junit_path": str(tmp_path / "j.xml"),
        }
        result = call(smoke_test, check_mode=True, checks=list(CHECKS), **options)
        assert (wire.asked, result["verdict"]) == ([], "inconclusive")
        with pytest.raises(RollbackError, match="nobody provides"):
            call(smoke_test, check_mode=True, checks=list(CHECKS[2:3]), **options)
    assert not list(tmp_path.iterdir())


def test_results_are_written_as_junit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "smoke.xml"
    with WireServer(SHOP) as wire:
        smoke(wire, junit_path=str(path), suite="shop 1.4.1")
    assert path.read_text().count("<testcase ") == 4
    assert list(path.parent.iterdir()) == [path]


def test_ports_and_programs_are_checked_as_well() -> None:
    dead = free_port()
    program = [sys.executable, "-c", "import sys; print('ready'); sys.exit(int(sys.argv[1]))"]
    with WireServer({}) as wire:
        port = int(wire.url.rpartition(":")[2])
        checks: list[dict[str, Any]] = [
            {"name": "open", "tcp": {"host": "127.0.0.1", "port": port}},
            {"name": "closed", "tcp": {"host": "127.0.0.1", "port": dead}},
            {"name": "unknown", "tcp": {"host": "db.invalid", "port": 1}},
            {"name": "right", "command": {"argv": [*program, "0"], "regex": "^ready$"}},
            {"name": "status", "command": {"argv": [*program, "3"], "rc": 3}},
            {"name": "wrong", "command": {"argv": [*program, "1"]}},
            {"name": "silent", "command": {"argv": [*program, "0"], "regex": "set"}},
            {"name": "slow", "timeout": 0.2, "command": {"argv": [sys.executable, "-c", "import time; time.sleep(9)"]}},
            {"name": "absent", "command": {"argv": ["/no/such/program"]}},
        ]
        found = {test["name"]: test["verdict"] for test in smoke(wire, checks, deadline=0)["tests"]}
    assert found == {
        "open": "pass",
        "closed": "fail",
        "unknown": "error",
        "right": "pass",
        "status": "pass",
        "wrong": "fail",
        "silent": "fail",
        "slow": "fail",
        "absent": "error",
    }


def test_queries_are_read_only_and_judged_by_their_first_value(tmp_path: Path) -> None:
    with WireServer({}) as wire, PostgresServer(tmp_path) as server:
        login = server.login()
        hidden = {**login, "login_password": "${db}"}
        checks: list[dict[str, Any]] = [
            {"name": "rows", "sql": {**hidden, "query": "SELECT 1"}},
            {"name": "equal", "sql": {**hidden, "query": "SELECT count(*) FROM generate_series(1, 3)", "equals": "3"}},
            {"name": "other", "sql": {**hidden, "query": "SELECT 'a'", "equals": "b"}},
            {"name": "none", "sql": {**hidden, "query": "SELECT 1 WHERE false"}},
            {"name": "writes", "sql": {**hidden, "query": "CREATE TABLE x ()"}},
            {"name": "slow", "timeout": 0.2, "sql": {**hidden, "query": "SELECT pg_sleep(5)"}},
            {"name": "denied", "sql": {**login, "login_password": "hunter22", "query": "SELECT 1"}},
        ]
        tests = smoke(wire, checks, deadline=0, secrets={"db": login["login_password"]})["tests"]
    found = {test["name"]: (test["verdict"], test["message"]) for test in tests}
    assert [name for name, (verdict, _unused) in found.items() if verdict == "pass"] == ["rows", "equal"]
    assert {verdict for verdict, _unused in found.values()} == {"pass", "fail"}
    assert found["other"][1] == "the first value is a, wanted b"
    assert "read-only transaction" in found["writes"][1]
    assert "statement timeout" in found["slow"][1]
    assert "authentication failed" in found["denied"][1]
