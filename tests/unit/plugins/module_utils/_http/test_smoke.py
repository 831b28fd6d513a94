# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoke tests: what is refused before anything is asked, the order, and how an answer is judged."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._http import junit
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Answer
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_judge import judge, same
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_model import (
    HttpTest,
    SmokeOutcome,
    SmokeTest,
    filled,
    order,
)
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_options import CHECK_OPTIONS, read_tests
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

SPEC = {"checks": {"type": "list", "elements": "dict", "options": CHECK_OPTIONS}}
BASE = "http://shop"


def declared(*checks: dict[str, Any]) -> list[SmokeTest]:
    """Checks as the module reads them."""
    validated = ArgumentSpecValidator(SPEC).validate({"checks": list(checks)})
    assert not validated.error_messages, validated.error_messages
    return read_tests(validated.validated_parameters["checks"], BASE, 5, {})


def http(name: str = "a", **options: Any) -> dict[str, Any]:
    return {"name": name, "http": {"path": "/x", **options}}


def judged(answer: Answer, values: dict[str, str] | None = None, **options: Any) -> tuple[str, str]:
    """The verdict on ``answer`` and its reason."""
    what = declared(http(**options))[0].what
    assert isinstance(what, HttpTest)
    tried = judge(what, answer, values or {})
    return tried.verdict.value, tried.message


def answer(body: Any, status: int = 200) -> Answer:
    content = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, {}, content.encode(), 0.01)


PRODUCTS = {
    "products": [{"id": 1, "name": "pen"}, {"id": 2, "name": "cup"}],
    "version": "1.4.1",
    "ok": True,
    "none": None,
}


@pytest.mark.parametrize(
    ("options", "verdict", "says"),
    [
        ({}, "pass", "status 200 in 10 ms"),
        ({"status": [204]}, "fail", "status 200, wanted 204"),
        ({"status": [201, 200]}, "pass", ""),
        ({"regex": '"pen"'}, "pass", ""),
        ({"regex": "umbrella"}, "fail", "does not match 'umbrella'"),
        ({"max_seconds": 0.005}, "fail", "took 0.01 s, more than 0.005 s"),
        ({"answer_headers": {"X-Version": r"^1\.4"}}, "pass", ""),
        ({"answer_headers": {"x-version": r"^1\.5"}}, "fail", "the header x-version does not match"),
        ({"answer_headers": {"ETag": "."}}, "fail", "no header ETag"),
        ({"json": [{"path": "$.version", "equals": "1.4.1"}]}, "pass", ""),
        ({"json": [{"path": "$.version", "equals": "1.4.2"}]}, "fail", "$.version is 1.4.1, wanted 1.4.2"),
        ({"json": [{"path": "$.version", "equals": "${wanted}"}]}, "pass", ""),
        ({"json": [{"path": "$.ok", "equals": "true"}]}, "pass", ""),
        ({"json": [{"path": "$.ok", "equals": 1}]}, "fail", "$.ok is true, wanted 1"),
        ({"json": [{"path": "$.products[0].id", "equals": "1"}]}, "pass", ""),
        ({"json": [{"path": "$.products[*].id", "equals": 1}]}, "fail", "is 2, wanted 1"),
        ({"json": [{"path": "$.products", "min_items": 2}]}, "pass", ""),
        ({"json": [{"path": "$.products", "min_items": 3}]}, "fail", "has 2 items, wanted at least 3"),
        ({"json": [{"path": "$.products[?(@.id > 1)].name", "matches": "^cup$"}]}, "pass", ""),
        ({"json": [{"path": "$.products[*].name", "matches": "^cup$"}]}, "fail", "does not match"),
        ({"json": [{"path": "$.products"}]}, "pass", ""),
        ({"json": [{"path": "$.none"}]}, "fail", "$.none is empty"),
        ({"json": [{"path": "$.nothing"}]}, "fail", "the answer has no $.nothing"),
        ({"extract": {"id": "$.products[0].id"}}, "pass", ""),
        ({"extract": {"id": "$.none"}}, "fail", "no $.none to extract as id"),
    ],
)
def test_an_answer_is_judged_by_all_that_is_expected(options: dict[str, Any], verdict: str, says: str) -> None:
    found = judged(
        Answer(200, {"x-version": "1.4.1"}, json.dumps(PRODUCTS).encode(), 0.01), {"wanted": "1.4.1"}, **options
    )
    assert (found[0], says in found[1]) == (verdict, True), found


def test_an_answer_that_is_no_json_has_no_path() -> None:
    assert judged(answer("<html>"), json=[{"path": "$.a"}])[1] == "the body is no JSON, so there is no $.a"


def test_only_the_body_of_an_error_is_quoted() -> None:
    assert "column x" in judged(answer({"error": "no column x"}, 500))[1]
    assert "s3cr3t" not in judged(answer({"token": "s3cr3t"}), status=[401])[1]


def test_extracted_values_become_text() -> None:
    what = declared(http(extract={"id": "$.products[1].id", "ok": "$.ok"}))[0].what
    assert isinstance(what, HttpTest)
    assert judge(what, answer(PRODUCTS), {}).extracted == {"id": "2", "ok": "true"}


@pytest.mark.parametrize(
    ("wanted", "value", "equal"),
    [("3", 3, True), (3, 3.0, True), (3, "3", False), ("True", True, True), (True, 1, False), ("a", ["a"], False)],
)
def test_texts_of_templates_equal_what_is_written_like_them(wanted: Any, value: Any, equal: bool) -> None:
    assert same(wanted, value) is equal


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([{"name": "a"}], r"checks\[a\]: give exactly one of http, tcp, command, sql; it has none"),
        ([{**http(), "tcp": {"host": "h", "port": 1}}], "it has http, tcp"),
        ([http(), http()], "the same name"),
        ([http(headers={"A": "Bearer ${token}"})], r"nobody provides \$\{token\}"),
        ([{**http(), "needs": ["b"]}], r"checks\[a\]\.needs: there is no check b"),
        ([{**http("a"), "needs": ["b"]}, {**http("b"), "needs": ["a"]}], "a, b wait for each other in a circle"),
        ([http(body="${t}", extract={"t": "$.t"})], "circle"),
        ([http(regex="(")], r"checks\[a\]\.http\.regex: '\(' is no regular expression"),
        ([http(json=[{"path": "$.["}])], "is no JSON path"),
        ([{"name": "a", "command": {"argv": []}}], "argv is empty"),
        ([{"name": "a", "http": {"path": "http://"}}], "not an absolute"),
    ],
)
def test_a_list_that_cannot_be_run_is_refused_before_anything_is_asked(checks: list[Any], message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        order(declared(*checks), {})


def test_a_path_without_a_base_is_refused() -> None:
    validated = ArgumentSpecValidator(SPEC).validate({"checks": [http()]})
    with pytest.raises(RollbackError, match="there is no base_url"):
        read_tests(validated.validated_parameters["checks"], None, 5, {})


def test_references_make_the_order() -> None:
    checks = (
        http("products", headers={"Authorization": "Bearer ${token}"}),
        http("login", body_json={"password": "${password}"}, extract={"token": "$.token"}),
        {**http("last"), "needs": ["products"]},
    )
    before = order(declared(*checks), {"password": "x"})
    assert before == {"products": {"login"}, "login": set(), "last": {"products"}}


def test_references_are_filled_in_anywhere_and_strangers_stay() -> None:
    values = {"a": "1", "b": "2"}
    assert filled({"${a}": ["x${b}y", {"z": "${c} $a {b}"}], "n": 3}, values) == {
        "1": ["x2y", {"z": "${c} $a {b}"}],
        "n": 3,
    }


def test_junit_counts_and_escapes() -> None:
    test = SmokeTest('<login> & "more"', HttpTest(BASE))
    outcomes = [
        SmokeOutcome(test, Verdict.PASS, "fine", 1, 200, 0.5),
        SmokeOutcome(test, Verdict.FAIL, "status <500>\x00", 3, 500, 0.25),
        SmokeOutcome(test, Verdict.ERROR, "no route", 1),
        SmokeOutcome(test, Verdict.INCONCLUSIVE, "not run"),
    ]
    root = Xml.fromstring(junit.document("smoke & mirrors", outcomes))  # noqa: S314 -- our own document
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped", "time")] == [
        "4",
        "1",
        "1",
        "1",
        "0.750",
    ]
    assert [case.get("name") for case in root] == [test.name] * 4
    failure = root.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "status <500>?"
