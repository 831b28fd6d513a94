# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module says when Prometheus cannot be asked: on the wire, with a server that misbehaves."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import Asked, Called, Reply, WireServer, call
from tests.sandbox.process import free_port
from tests.sandbox.vault.tls import Authority

CHECK = {"name": "errors", "query": "errors", "fail_if": "> 10%"}
STARTING = Reply(503, "Service Unavailable", {"Content-Type": "text/plain"})


def vector(value: str, **more: Any) -> Reply:
    """A successful answer with one series."""
    result = {"resultType": "vector", "result": [{"metric": {}, "value": [1000, value]}]}
    return Reply(200, json.dumps({"status": "success", "data": result, **more}))


def problem(kind: str) -> str:
    """The body of an answer by which Prometheus says what is wrong."""
    return json.dumps({"status": "error", "errorType": kind, "error": "of some kind"})


def ask(url: str, **options: Any) -> Called:
    """One check, asked quickly."""
    return call(prometheus_threshold_info, url=url, checks=[CHECK], **{"timeout": 2, "retries": 0, **options})


def test_a_server_that_is_starting_is_asked_again() -> None:
    with WireServer({"/api/v1/query": [STARTING, vector("1000"), vector("0.2")]}) as wire:
        result = ask(wire.url, retries=2)
        assert (result["verdict"], wire.count("/api/v1/query")) == ("fail", 3)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (STARTING, "unavailable"),
        (Reply(401, ""), "denied"),
        (Reply(403, "forbidden"), "denied"),
        (Reply(404, "page not found"), "not_found"),
        (Reply(400, problem("bad_data")), "bad_query"),
        (Reply(422, problem("execution")), "execution"),
        (Reply(503, problem("timeout")), "query_timeout"),
        (Reply(429, "slow down"), "unavailable"),
        (Reply(500, problem("internal")), "server_error"),
        (Reply(302, "", {"Location": "https://login.example.com/?next=secret"}), "redirect"),
        (Reply(200, "<html>"), "not_prometheus"),
        (Reply(behave="cut"), "broken"),
        (Reply(200, "x" * 100, behave="drip"), "timeout"),
        (Reply(behave="hang"), "timeout"),
    ],
)
def test_every_fault_is_an_error_and_never_a_pass(reply: Reply, kind: str) -> None:
    with WireServer({"/api/v1/query": reply}) as wire:
        started = time.monotonic()
        result = ask(wire.url, timeout=0.5)
        assert time.monotonic() - started < 3
    assert (result["verdict"], result["checks"][0]["error"], result["time"]) == ("error", kind, None)
    assert "secret" not in result["checks"][0]["message"]


def test_nothing_listening_is_told_once_for_all_checks() -> None:
    checks = [{**CHECK, "name": f"check {number}"} for number in range(100)]
    url = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    result = call(prometheus_threshold_info, url=url, checks=checks, retries=1, timeout=2)
    assert time.monotonic() - started < 3
    assert {entry["error"] for entry in result["checks"]} == {"refused"}
    assert result["failed_checks"] == []


@pytest.mark.parametrize("reply", [Reply(403, "denied"), Reply(behave="hang")])
def test_what_cannot_pass_away_is_not_repeated(reply: Reply) -> None:
    with WireServer({"/api/v1/query": reply}) as wire:
        ask(wire.url, retries=5, timeout=0.3)
        assert wire.count("/api/v1/query") == 1


def test_a_server_that_goes_away_in_the_middle_is_waited_for_once() -> None:
    checks = [{**CHECK, "name": f"check {number}", "query": f"errors{number}"} for number in range(200)]
    with WireServer({"/api/v1/query": [vector("1000"), STARTING]}) as wire:
        started = time.monotonic()
        result = call(prometheus_threshold_info, url=wire.url, checks=checks, retries=2)
        assert time.monotonic() - started < 10
    assert {entry["error"] for entry in result["checks"]} == {"unavailable"}


def test_a_server_that_answers_nothing_any_more_is_not_asked_a_thousand_times() -> None:
    checks = [{**CHECK, "name": f"check {number}", "query": f"errors{number}"} for number in range(1000)]
    with WireServer({"/api/v1/query": [vector("1000"), Reply(behave="hang")]}) as wire:
        started = time.monotonic()
        result = call(prometheus_threshold_info, url=wire.url, checks=checks, retries=0, timeout=0.5)
        assert time.monotonic() - started < 10
        assert wire.count("/api/v1/query") < 40
    assert {entry["error"] for entry in result["checks"]} == {"timeout"}


def test_a_proxy_that_allows_only_get_gets_get() -> None:
    def answer(asked: Asked) -> Reply:
        return vector("0.2") if asked.method == "GET" else Reply(405, "Method Not Allowed")

    with WireServer({"/prefix/api/v1/query": answer}) as wire:
        result = ask(f"{wire.url}/prefix/", time=1000)
        assert result["verdict"] == "fail"
        assert [asked.method for asked in wire.asked] == ["POST", "GET"]


def test_tenant_token_and_login_are_sent_and_hidden() -> None:
    with WireServer({"/api/v1/query": vector("0.2")}) as wire:
        headers = {"X-Scope-OrgID": "production", "X-Api-Key": "very-secret-key"}
        result = ask(wire.url, headers=headers, bearer_token="t0ken-of-ours")
        ask(wire.url, url_username="me", url_password="hunter22")
        sent = [asked.headers for asked in wire.asked]
    assert sent[0]["X-Scope-OrgID"] == "production"
    assert sent[0]["Authorization"] == "Bearer t0ken-of-ours"
    assert sent[-1]["Authorization"].startswith("Basic ")
    assert {"very-secret-key", "t0ken-of-ours"} <= result.secrets
    assert "production" not in result.secrets


def test_a_server_that_wants_a_certificate_of_its_clients_gets_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("rollback")
    table = {"/api/v1/query": vector("0.2")}
    with WireServer(table, authority.issue("prometheus"), clients=authority.path) as wire:
        known = ask(wire.url, ca_path=str(authority.path), client_cert=str(certificate), client_key=str(key))
        unknown = ask(wire.url, ca_path=str(authority.path))
        doubtful = ask(wire.url, client_cert=str(certificate), client_key=str(key))
    assert known["verdict"] == "fail"
    assert (unknown["verdict"], doubtful["verdict"]) == ("error", "error")
    assert (unknown["checks"][0]["error"], doubtful["checks"][0]["error"]) == ("tls", "tls")


def test_mimir_answers_its_tenants_and_nobody_else() -> None:
    """Below a path, to a tenant with a token, with many queries in few requests, and after a moment of overload."""

    def mimir(asked: Asked) -> Reply:
        if (asked.headers.get("X-Scope-OrgID"), asked.headers.get("Authorization")) != ("team-a", "Bearer t0ken"):
            return Reply(401, "no org id", {"Content-Type": "text/plain"})
        if len(wire.asked) == 1:
            return Reply(429, '{"status": "error", "errorType": "too_many_requests", "error": "wait"}')
        whose = re.findall(r'"rollback_question", "(\d+)"', parse_qs(asked.body)["query"][0])
        found = [{"metric": {"rollback_question": one}, "value": [1000, "0.2"]} for one in whose]
        alone = [{"metric": {}, "value": [1000, "0.2"]}]
        return Reply(200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": found or alone}}))

    checks = [{**CHECK, "name": f"check {number}", "query": f"errors{number}"} for number in range(200)]
    with WireServer({"/prometheus/api/v1/query": mimir}) as wire:
        asked: dict[str, Any] = {"url": f"{wire.url}/prometheus", "time": 1000.0, "checks": checks}
        found = call(
            prometheus_threshold_info,
            **asked,
            headers={"X-Scope-OrgID": "team-a"},
            bearer_token="t0ken",
            retries=2,
            concurrency=2,
        )
        other = call(prometheus_threshold_info, **asked, headers={"X-Scope-OrgID": "team-b"}, retries=0)
    assert (found["verdict"], len(found["failed_checks"]), found["queries"]) == ("fail", 200, 200)
    assert found["requests"] < 20
    assert {entry["error"] for entry in other["checks"]} == {"denied"}


def test_the_window_ends_at_the_clock_of_prometheus() -> None:
    def answer(asked: Asked) -> Reply:
        fields = parse_qs(asked.body)
        if fields["query"] == ["time()"]:
            return vector("5000")
        assert (fields["time"], fields["timeout"]) == (["4940.000"], ["2.000"])
        return vector("0.2")

    with WireServer({"/api/v1/query": answer}) as wire:
        result = ask(wire.url, delay="1m")
    assert (result["time"], result["verdict"]) == (4940.0, "fail")


def test_warnings_of_the_server_are_passed_on() -> None:
    with WireServer({"/api/v1/query": vector("0.2", warnings=["store gateway down"])}) as wire:
        assert ask(wire.url)["checks"][0]["warnings"] == ["store gateway down"]
