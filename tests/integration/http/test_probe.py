# SPDX-License-Identifier: GPL-3.0-or-later
"""Health checks of real HTTP servers, well and badly behaved."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import http_probe_info

from tests.integration.http.wire import Asked, Called, Reply, WireServer, call
from tests.sandbox.process import free_port
from tests.sandbox.vault.tls import Authority

BAD = Reply(503, "down")


def probe(*targets: str, **options: Any) -> Called:
    """Probe quickly."""
    return call(http_probe_info, targets=list(targets), **{"interval": 0.01, "timeout": 1, **options})


@pytest.mark.parametrize(
    ("replies", "verdict", "attempts"),
    [
        ([Reply()], "pass", 1),
        ([BAD, BAD, BAD, Reply()], "pass", 4),
        ([BAD], "fail", 4),
        ([BAD, BAD, BAD, BAD, Reply()], "fail", 4),
    ],
)
def test_more_than_three_failures_in_a_row_are_a_fail(replies: list[Reply], verdict: str, attempts: int) -> None:
    with WireServer({"/health": replies}) as wire:
        result = probe(f"{wire.url}/health")
        assert (result["verdict"], result["targets"][0]["attempts"]) == (verdict, attempts)
        assert wire.count("/health") == attempts


@pytest.mark.parametrize(
    ("reply", "options", "verdict", "says"),
    [
        (Reply(200, '{"status": "ok"}'), {"body": '"status": *"ok"'}, "pass", "status 200"),
        (Reply(200, '{"status": "sick"}'), {"body": '"status": *"ok"'}, "fail", "does not match"),
        (Reply(204, ""), {"status": [200, 204]}, "pass", "status 204"),
        (Reply(302, "", {"Location": "/login"}), {}, "fail", "status 302, wanted 200"),
        (Reply(behave="hang"), {"timeout": 0.1}, "fail", "no answer within 0.1 s"),
        (Reply(behave="cut"), {}, "fail", "the connection broke"),
        (Reply(200, "x" * 50, behave="drip"), {"timeout": 0.3}, "fail", "no answer within 0.3 s"),
    ],
)
def test_what_a_service_does_wrong_is_a_failure(reply: Reply, options: dict[str, Any], verdict: str, says: str) -> None:
    with WireServer({"/health": reply}) as wire:
        result = probe(f"{wire.url}/health", max_consecutive_failures=1, **options)
    assert result["verdict"] == verdict
    assert says in result["targets"][0]["message"]


def test_a_refused_connection_is_a_failure() -> None:
    result = probe(f"http://127.0.0.1:{free_port()}/health")
    assert (result["verdict"], result["targets"][0]["failures"]) == ("fail", 4)


def test_a_name_that_does_not_resolve_is_no_failure_of_the_service() -> None:
    result = probe("http://shop.invalid/health", max_consecutive_failures=1)
    assert (result["verdict"], result["targets"][0]["failures"], result["failed_targets"]) == ("error", 0, [])
    assert "does not resolve" in result["targets"][0]["message"]


def test_certificates_are_checked_and_an_unknown_one_is_no_failure_of_the_service(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with WireServer({"/health": Reply()}, authority.issue("shop")) as wire:
        unknown = probe(f"{wire.url}/health", max_consecutive_failures=0)
        known = probe(f"{wire.url}/health", ca_path=str(authority.path))
        unchecked = probe(f"{wire.url}/health", validate_certs=False)
    assert (unknown["verdict"], known["verdict"], unchecked["verdict"]) == ("error", "pass", "pass")
    assert "certificate not accepted" in unknown["targets"][0]["message"]


def test_targets_are_probed_side_by_side_and_judged_together() -> None:
    with WireServer({"/good": Reply(), "/bad": BAD, "/hang": Reply(behave="hang")}) as wire:
        targets = [f"{wire.url}/{name}" for name in ("good", "bad", "hang", "hang", "hang", "hang")]
        started = time.monotonic()
        result = probe(*targets, timeout=0.2, max_consecutive_failures=1, quorum="all")
        assert time.monotonic() - started < 1
        assert [target["verdict"] for target in result["targets"]] == ["pass", *["fail"] * 5]
        assert result["verdict"] == "pass"
        assert probe(*targets[:2], quorum="any")["verdict"] == "fail"


def test_logins_of_urls_are_used_and_not_shown() -> None:
    def answer(asked: Asked) -> Reply:
        return Reply() if asked.headers.get("Authorization", "").startswith("Basic ") else Reply(401)

    with WireServer({"/health": answer}) as wire:
        result = probe(wire.url.replace("//", "//me:hunter22@") + "/health?key=hunter22")
    assert result["verdict"] == "pass"
    assert "hunter22" not in str(result.result)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"targets": ["shop/health"]}, "targets: not an absolute"),
        ({"body": "("}, "body: "),
        ({"ca_path": "/no/ca"}, "ca_path"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(RollbackError, match=says):
        call(http_probe_info, **{"targets": ["http://127.0.0.1/"], **options})
