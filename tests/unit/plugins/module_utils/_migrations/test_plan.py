# SPDX-License-Identifier: GPL-3.0-or-later
"""The way down, decided from what a tool says."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.model import Migration, Script, Status, Step
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.plan import (
    plan_down,
    resolve,
    same,
    script_problems,
)

LISTED = tuple(Migration(str(number), f"m{number}") for number in (40, 41, 42))


@pytest.mark.parametrize(
    ("target", "direction", "steps"),
    [
        ("42", "none", []),
        ("042", "none", []),
        ("41", "down", [("42", "41", "m42")]),
        ("40", "down", [("42", "41", "m42"), ("41", "40", "m41")]),
        ("0", "down", [("42", "41", "m42"), ("41", "40", "m41"), ("40", "0", "m40")]),
        ("43", "up", []),
        ("39", "unknown", []),
        ("4", "unknown", []),
        ("", "unknown", []),
    ],
)
def test_listed_versions(target: str, direction: str, steps: list[tuple[str, str, str]]) -> None:
    plan = plan_down(Status("42", LISTED, ("43",)), target, "0")
    assert plan.direction == direction
    assert [(step.version, step.to, step.name) for step in plan.steps] == steps
    assert bool(plan.problems) == (direction in ("up", "unknown"))


@pytest.mark.parametrize(
    ("current", "target", "direction", "steps"),
    [
        ("42", "41", "down", [("42", "41")]),
        ("42", "39", "down", [("42", "40"), ("40", "39")]),
        ("042", "41", "down", [("042", "41")]),
        ("42", "42", "none", []),
        ("42", "43", "up", []),
        ("42", "v41", "unknown", []),
        ("abc", "41", "unknown", []),
    ],
)
def test_numbers_alone(current: str, target: str, direction: str, steps: list[tuple[str, str]]) -> None:
    plan = plan_down(Status(current, scripts=(Migration("40"), Migration("42"), Migration("43"))), target, "0")
    assert plan.direction == direction
    assert [(step.version, step.to) for step in plan.steps] == steps


def test_dirty_schema_is_a_problem_even_at_the_target() -> None:
    assert "dirty at 42" in plan_down(Status("42", LISTED, dirty=True), "42", "0").problems[0]


def test_names_may_be_abbreviated_if_only_one_fits() -> None:
    assert resolve("0041", ["0041_currency", "0042_loyalty"]) == "0041_currency"
    assert resolve("004", ["0041_currency", "0042_loyalty"]) is None


def test_versions_are_numbers_where_they_look_like_it() -> None:
    assert same("042", "42")
    assert not same("042a", "42a")


def test_scripts_without_a_way_down_are_named() -> None:
    steps = (Step("42", "41"), Step("41", "40"), Step("40", "0"))
    scripts = {"42": Script("DROP TABLE a"), "41": Script(None, "it is empty")}
    assert script_problems(steps, scripts) == ["step 41 cannot be undone: it is empty"]
