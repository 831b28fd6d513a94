# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions about secrets, in tables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._vault.model import (
    Difference,
    Observation,
    Reading,
    Target,
)
from ansible_collections.octalume.rollback.plugins.module_utils._vault.plan import (
    difference,
    equal,
    needed,
    plan,
    position,
    problems,
    target_state,
    targets,
    text,
    unfaithful,
)

OLD, NEW, OTHER = {"a": "1"}, {"a": "2"}, {"a": "3"}


def _at(version: int, data: Any) -> Reading:
    return Reading("exists", version, data)


def _seen(live: Reading, wanted: Reading, release: Reading | None = None, **more: Any) -> Observation:
    current = release.version if release else None
    return Observation(Target("secret", "app", wanted.version, current), live, wanted, release, **more)


@pytest.mark.parametrize(
    ("live", "wanted", "current", "expected"),
    [
        (_at(2, NEW), _at(1, OLD), 2, "release"),
        (_at(2, NEW), _at(1, OLD), None, "other"),
        (_at(3, OLD), _at(1, OLD), 2, "previous"),
        (_at(1, OLD), _at(1, OLD), 2, "previous"),
        (_at(2, OLD), _at(1, OLD), 2, "previous"),
        (_at(3, NEW), _at(1, OLD), 2, "release"),
        (_at(3, OTHER), _at(1, OLD), 2, "other"),
        (Reading("deleted", 2), _at(1, OLD), 2, "release"),
        (Reading("deleted", 3), _at(1, OLD), 2, "other"),
        (Reading("deleted", 1), Reading("deleted", 1), None, "previous"),
    ],
)
def test_position(live: Reading, wanted: Reading, current: int | None, expected: str) -> None:
    assert position(_seen(live, wanted, _at(current, NEW) if current else None)) == expected


@pytest.mark.parametrize(
    ("wanted", "version", "expected"),
    [
        (_at(1, OLD), 1, "exists"),
        (Reading("deleted", 1), 1, "deleted"),
        (Reading("destroyed", 1), 1, "destroyed"),
        (Reading("absent"), 4, "pruned"),
        (Reading("absent"), 5, "pruned"),
        (Reading("absent"), 6, "missing"),
    ],
)
def test_target_state(wanted: Reading, version: int, expected: str) -> None:
    assert target_state(Observation(Target("secret", "app", version), _at(5, NEW), wanted)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {}, False),
        ({"a": Decimal("1.5")}, {"a": Decimal("1.50")}, True),
        ({"a": "1"}, {"a": 1}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        (None, None, True),
        (None, {}, False),
    ],
)
def test_equality_is_that_of_json(one: Any, other: Any, expected: bool) -> None:
    assert equal(_seen(_at(2, one), _at(1, other))) is expected


def test_what_is_gone_equals_nothing() -> None:
    assert not equal(_seen(Reading("deleted", 2), Reading("deleted", 2)))


def test_difference_names_keys_only() -> None:
    before, after = {"kept": 1, "changed": True, "gone": "x"}, {"kept": 1, "changed": 1, "new": "y"}
    assert difference(before, after) == Difference(("new",), ("gone",), ("changed",))
    assert difference(None, {"a": 1}) == Difference(added=("a",))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (2**53, True),
        (-(2**53), True),
        (2**53 + 1, False),
        (-(2**53) - 1, False),
        ({"in": ["side", 2**60]}, False),
        (Decimal("1.5"), True),
        (Decimal("0.1"), True),
        (Decimal("0.10000000000000000001"), False),
        (Decimal("1e400"), False),
        (Decimal("1e300"), False),
        (True, True),
        (None, True),
        ("é☃", True),
        ("\ud800", False),
        ({"\udfff": 1}, False),
    ],
)
def test_values_vault_would_alter(value: Any, kept: bool) -> None:
    assert unfaithful({"key": value, "fine": "x"}) == (() if kept else ("key",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("on", "on"), (10, "10"), (True, "true"), (None, "null"), (Decimal("1.50"), "1.5"), ({"a": [1]}, '{"a":[1]}')],
)
def test_values_as_an_environment_has_them(value: Any, expected: str) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        (_at(2, OLD), _at(1, OLD), {"data": ("read",)}),
        (_at(2, NEW), _at(1, OLD), {"data": ("read", "update")}),
        (Reading("deleted", 2), _at(1, OLD), {"data": ("read", "update"), "delete": ("update",)}),
        (
            _at(2, NEW),
            Reading("deleted", 1),
            {"data": ("read", "update"), "undelete": ("update",), "delete": ("update",)},
        ),
    ],
)
def test_needed_rights(live: Reading, wanted: Reading, expected: dict[str, tuple[str, ...]]) -> None:
    assert needed(_seen(live, wanted)) == expected


def test_missing_rights_are_told_by_endpoint() -> None:
    seen = _seen(_at(2, NEW), _at(1, OLD), rights={"data": frozenset({"read"})})
    assert problems(seen, undelete=False)[0].startswith("the token lacks update on secret/data/app;")
    assert problems(_seen(_at(2, NEW), _at(1, OLD), rights={"data": frozenset({"root"})}), undelete=False) == []


def test_a_plan_for_data_that_is_there_already_writes_nothing() -> None:
    (step,) = plan([_seen(_at(2, OLD), _at(1, OLD))], undelete=False)
    assert (step.writes, step.undelete) == (False, False)


def test_no_repr_shows_data() -> None:
    assert "hush" not in repr(_seen(_at(2, {"k": "hush"}), _at(1, {"k": "hush"})))


@pytest.mark.parametrize(
    "secret",
    [
        {"path": "a/../b", "version": 1},
        {"path": "a", "version": 0},
        {"path": "a", "version": 1, "current": -1},
        {"path": "a", "version": 1, "engine_mount_point": "/"},
    ],
)
def test_targets_that_mean_something_else_are_refused(secret: dict[str, Any]) -> None:
    with pytest.raises(RollbackError, match="secrets: "):
        targets([{"engine_mount_point": "secret", **secret}])
