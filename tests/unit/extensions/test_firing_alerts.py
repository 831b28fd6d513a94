# SPDX-License-Identifier: GPL-3.0-or-later
"""Which alerts start a playbook, and with which words."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

FILTER = Path(__file__).resolve().parents[3] / "extensions/eda/plugins/event_filter/firing_alerts.py"
Filter = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def passed() -> Filter:
    """The filter as ansible-rulebook loads it, remembering nothing yet."""
    loader = SourceFileLoader("firing_alerts", str(FILTER))
    spec = importlib.util.spec_from_loader("firing_alerts", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    event = {"meta": {"endpoint": "x", "headers": {}}}
    return lambda payload, **options: module.main({**event, "payload": payload}, **options)


def alert(**changed: Any) -> dict[str, Any]:
    labels = {"alertname": "RollbackErrorRate", "release": "1.4.2", "environment": "eu", "pod": "a"}
    base = {"status": "firing", "labels": labels, "fingerprint": "abc", "startsAt": "2026-11-23T10:00:00Z"}
    return {**base, **changed}


def labelled(**labels: Any) -> dict[str, Any]:
    return alert(labels={**alert()["labels"], **labels})


def test_a_firing_alert_is_passed_on_with_nothing_but_what_is_needed(passed: Filter) -> None:
    assert passed({"alerts": [alert(annotations={"summary": "{{ 1 }}"})], "commonLabels": {"a": "{{ 2 }}"}}) == [
        {
            "alert": {
                "release": "1.4.2",
                "environment": "eu",
                "service": "",
                "name": "RollbackErrorRate",
                "fingerprint": "abc",
                "starts_at": "2026-11-23T10:00:00Z",
            },
            "meta": {"endpoint": "x"},
        }
    ]


def test_the_same_alert_is_passed_on_once(passed: Filter) -> None:
    assert len(passed({"alerts": [alert(), alert()]})) == 1
    assert passed({"alerts": [alert()]}) == []
    assert len(passed({"alerts": [alert(startsAt="2026-11-23T11:00:00Z")]})) == 1
    assert len(passed({"alerts": [alert(fingerprint="other")]})) == 1


def test_an_alert_that_goes_on_firing_is_passed_on_again_after_a_while(passed: Filter) -> None:
    assert len(passed({"alerts": [alert()]}, remember=0.0)) == 1
    assert len(passed({"alerts": [alert()]}, remember=0.0)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        {"alerts": [alert(status="resolved")]},
        {"alerts": []},
        {"alerts": "all"},
        {"alerts": ["one", None, {"labels": []}]},
        {"alerts": [alert(labels={"alertname": "x"})]},
        {"status": "firing"},
        ["no", "mapping"],
        None,
    ],
)
def test_nothing_else_is_passed_on(passed: Filter, payload: Any) -> None:
    assert passed(payload) == []


@pytest.mark.parametrize("value", ["{{ lookup('pipe', 'id') }}", "../x", "a b", "1.4.2;id", "a..b", "all:!eu", "-x"])
@pytest.mark.parametrize("label", ["release", "environment", "service"])
def test_a_label_that_could_be_more_than_a_name_is_refused(passed: Filter, label: str, value: str) -> None:
    assert passed({"alerts": [labelled(**{label: value})]}) == []


def test_names_are_shown_without_braces(passed: Filter) -> None:
    assert passed({"alerts": [labelled(alertname="{{ x }} Error-rate %}")]})[0]["alert"]["name"] == " x  Error-rate "


def test_other_senders_name_a_release_and_an_id(passed: Filter) -> None:
    message = {"release": "1.4.2", "environment": "eu", "id": "deploy-7"}
    found = passed(message)
    assert (found[0]["alert"]["release"], found[0]["alert"]["fingerprint"]) == ("1.4.2", "deploy7")
    assert passed(message) == []
    assert len(passed({**message, "id": "deploy-8"})) == 1
