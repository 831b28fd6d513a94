# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration is compared by keyed hash, and switches are decided, without a cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._digest import digest
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.configuration import (
    compare,
    parse_environment,
    worst,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.maintenance import (
    config_map_switch,
    service_switch,
)
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

KEY = "k"
WANTED = {"APP_URL": digest(KEY, "postgres://a"), "APP_MODE": digest(KEY, "old"), "APP_GONE": digest(KEY, "")}
MAINTENANCE = {"app": "maintenance"}


def test_keys_are_told_apart_by_what_became_of_them() -> None:
    found = compare({"APP_URL": "postgres://a", "APP_MODE": "new", "APP_EXTRA": "1", "HOME": "/"}, WANTED, KEY, "APP_")
    assert found.matched == ("APP_URL",)
    assert found.differing == ("APP_MODE",)
    assert found.missing == ("APP_GONE",)
    assert found.unexpected == ("APP_EXTRA",)
    assert not found.same
    assert compare({"APP_GONE": "", "APP_URL": "postgres://a", "APP_MODE": "old"}, WANTED, KEY, "").same


def test_one_differing_pod_is_enough() -> None:
    good = compare({"APP_MODE": "old"}, {"APP_MODE": WANTED["APP_MODE"]}, KEY, "")
    bad = compare({"APP_MODE": "new"}, {"APP_MODE": WANTED["APP_MODE"]}, KEY, "")
    assert worst([good, good]).same
    assert worst([good, bad]).differing == ("APP_MODE",)
    assert worst([good, bad]).matched == ()


@pytest.mark.parametrize(
    ("output", "variables"),
    [
        (b"A=1\0B=two words\0C=\0", {"A": "1", "B": "two words", "C": ""}),
        (b"A=line\nB=not a variable\0C=3\0", {"A": "line\nB=not a variable", "C": "3"}),
        (b"A=1\nB=two\nC=x=y\n", {"A": "1", "B": "two", "C": "x=y"}),
        (b"A=first\nsecond line\nC=3\n", {"A": "first\nsecond line", "C": "3"}),
        ("A=grün\0".encode(), {"A": "grün"}),
        (b"", {}),
    ],
)
def test_environments_are_read_with_and_without_null_characters(output: bytes, variables: dict[str, str]) -> None:
    assert parse_environment(output) == variables


def switched(live: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What a merge patch makes of a Service."""
    annotations = {**(live["metadata"].get("annotations") or {}), **patch["metadata"]["annotations"]}
    selector = {**live["spec"]["selector"], **patch["spec"]["selector"]}
    return {
        "metadata": {**live["metadata"], "annotations": {k: v for k, v in annotations.items() if v is not None}},
        "spec": {**live["spec"], "selector": {k: v for k, v in selector.items() if v is not None}},
    }


def test_a_service_goes_to_maintenance_and_back(recorded: dict[str, Any]) -> None:
    live = recorded["service"]
    on = service_switch(live, "p", {"tier": "maintenance"}, on=True)
    assert on.needs_pods == {"tier": "maintenance"}
    assert on.patch["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    during = switched(live, on.patch)
    assert during["spec"]["selector"] == {"tier": "maintenance"}
    assert json.loads(during["metadata"]["annotations"]["rollback.octalume.io/selector"]) == {"app": "api-server"}
    assert not service_switch(during, "p", {"tier": "maintenance"}, on=True).patch
    off = service_switch(during, "p", {"tier": "maintenance"}, on=False)
    assert off.needs_pods == {"app": "api-server"}
    after = switched(during, off.patch)
    assert after["spec"] == live["spec"]
    assert "rollback.octalume.io/selector" not in after["metadata"]["annotations"]
    assert not service_switch(after, "p", {"tier": "maintenance"}, on=False).patch


def test_a_second_switch_on_keeps_the_first_record(recorded: dict[str, Any]) -> None:
    during = switched(recorded["service"], service_switch(recorded["service"], "p", MAINTENANCE, on=True).patch)
    during["spec"]["selector"] = {"app": "somewhere-else"}
    again = switched(during, service_switch(during, "p", MAINTENANCE, on=True).patch)
    assert again["spec"]["selector"] == MAINTENANCE
    assert json.loads(again["metadata"]["annotations"]["rollback.octalume.io/selector"]) == {"app": "api-server"}


def test_nobody_guesses_where_a_service_was_before(recorded: dict[str, Any]) -> None:
    recorded["service"]["spec"]["selector"] = MAINTENANCE
    with pytest.raises(RollbackError, match="set selector service api-server"):
        service_switch(recorded["service"], "p", MAINTENANCE, on=False)


def test_a_config_map_is_changed_once() -> None:
    live = {"metadata": {"resourceVersion": "7"}, "data": {"maintenance": "false", "other": "x"}}
    switch = config_map_switch(live, "p", "maintenance", "true")
    assert switch.patch == {"metadata": {"resourceVersion": "7"}, "data": {"maintenance": "true"}}
    assert config_map_switch(live, "p", "maintenance", "false").patch == {}
    assert config_map_switch({"metadata": {"resourceVersion": "7"}}, "p", "maintenance", "true").before == {
        "maintenance": None
    }
