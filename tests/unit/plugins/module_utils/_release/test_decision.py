# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may start a rollback, and what is still needed when nobody has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.damping import Objection
from ansible_collections.octalume.rollback.plugins.module_utils._release.decision import (
    by_breaking_glass,
    by_condition,
    by_trigger,
    parse_makers,
    refuse,
    weigh,
)

CONDITIONS: dict[str, Any] = {
    "security": {"text": "Security vulnerability", "makers": ["Security Lead"]},
    "corruption": {"text": "Data corruption", "makers": ["DBA", "Dev Lead"]},
}
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
QUIET = {"name": "latency", "verdict": "pass", "message": "p99 is 0.2 s"}
LOUD = {"name": "errors", "verdict": "fail", "message": "error rate 0.27 > 0.10 for 300 s.", "held": 300.0}


@pytest.mark.parametrize("verdict", ["pass", "inconclusive", "error"])
def test_only_a_fired_trigger_decides(verdict: str) -> None:
    assert by_trigger([{**LOUD, "verdict": verdict}], NOON) is None


def test_a_fired_trigger_decides_and_every_trigger_is_evidence() -> None:
    decision = by_trigger([QUIET, LOUD], NOON)
    assert decision is not None
    assert decision["kind"] == "automatic"
    assert decision["reason"] == "errors: error rate 0.27 > 0.10 for 300 s"
    assert decision["detected_at"] == "2026-11-23T11:55:00.000Z"
    assert decision["evidence"] == [QUIET, LOUD]


@pytest.mark.parametrize(
    ("condition", "decided_by", "makers"),
    [
        ("security", "Security Lead: Kim Reyes", ["Kim Reyes (Security Lead)"]),
        ("security", "security lead:Kim Reyes; DBA: Ann Lee", ["Kim Reyes (security lead)"]),
        ("corruption", "Dev Lead: Bo Chen, DBA: Ann Lee", ["Ann Lee (DBA)", "Bo Chen (Dev Lead)"]),
    ],
)
def test_the_roles_of_a_condition_decide_it(condition: str, decided_by: str, makers: list[str]) -> None:
    decision = by_condition(condition, CONDITIONS, decided_by, "Sam Ode", "")
    assert decision["makers"] == makers
    assert decision["reason"] == CONDITIONS[condition]["text"]
    assert decision["requester"] == "Sam Ode"


@pytest.mark.parametrize(
    ("condition", "decided_by", "requester", "message"),
    [
        ("boredom", "DBA: Ann Lee", "", "condition 'boredom' is not one of: security .*; corruption"),
        ("security", "", "", "for Security Lead to decide, and Security Lead has not"),
        ("security", "DBA: Ann Lee", "", "Security Lead has not"),
        ("corruption", "DBA: Ann Lee", "", "for DBA and Dev Lead to decide, and Dev Lead has not"),
        ("corruption", "DBA: Ann Lee, Dev Lead: ann lee", "", "Ann Lee cannot decide in two roles"),
        ("corruption", "DBA: Ann Lee, Dev Lead: Bo Chen", "Bo Chen", "Bo Chen asks for the rollback and so cannot"),
        ("corruption", "DBA: Ann Lee, Dev Lead: Bo Chen", " bo  chen", "bo  chen asks for the rollback and so cannot"),
        ("corruption", "DBA: Ann Lee, Dev Lead: Bo Chen", " ", "so say who does: -e 'requester"),
        ("security", "Kim Reyes", "", "'Kim Reyes' has no role or no name"),
        ("security", "Security Lead:", "", "has no role or no name"),
    ],
)
def test_anything_else_is_refused_with_what_is_needed(
    condition: str, decided_by: str, requester: str, message: str
) -> None:
    with pytest.raises(RollbackError, match=message):
        by_condition(condition, CONDITIONS, decided_by, requester, "")


def test_who_asks_may_decide_alone_where_one_decides() -> None:
    decision = by_condition("security", CONDITIONS, "Security Lead: Kim Reyes", "Kim Reyes", "")
    assert decision["makers"] == ["Kim Reyes (Security Lead)"]


def test_makers_are_read_from_text() -> None:
    assert [str(maker) for maker in parse_makers(" A: b ,C:d;")] == ["b (A)", "d (C)"]


def test_a_refusal_tells_what_was_asked_and_what_would_do() -> None:
    error = refuse([QUIET], CONDITIONS)
    assert "latency: pass" in error.message
    assert "conditions: security, corruption" in error.message
    assert "no triggers are defined" in refuse([], CONDITIONS).message


def test_breaking_the_glass_wants_a_reason() -> None:
    with pytest.raises(RollbackError, match="wants to know why"):
        by_breaking_glass("DBA: Ann Lee", "", "ann@ops", " ")


@pytest.mark.parametrize(
    ("decided_by", "requester", "makers"),
    [
        ("DBA: Ann Lee, Dev Lead: Bo Chen", "", ["Ann Lee (DBA)", "Bo Chen (Dev Lead)"]),
        ("Ann Lee", "", ["Ann Lee"]),
        ("", "Sam Ode", ["Sam Ode"]),
        ("", "", ["ann@ops"]),
    ],
)
def test_who_breaks_the_glass_is_named_in_the_reason(decided_by: str, requester: str, makers: list[str]) -> None:
    decision = by_breaking_glass(decided_by, requester, "ann@ops/4711", "Nobody can pay")
    assert decision["makers"] == makers
    assert decision["reason"] == f"BREAK GLASS by {' and '.join(makers)}: Nobody can pay"


SOFT, FIRM = Objection("it was done a moment ago"), Objection("the target is quarantined", firm=True)


@pytest.mark.parametrize(
    ("kind", "against", "stands"),
    [
        ("automatic", (SOFT,), True),
        ("automatic", (FIRM,), True),
        ("automatic", (), False),
        ("manual", (SOFT,), False),
        ("manual", (SOFT, FIRM), True),
        ("break_glass", (SOFT, FIRM), False),
    ],
)
def test_who_gives_way_to_what(kind: str, against: tuple[Objection, ...], stands: bool) -> None:
    decision = {"kind": kind, "reason": "errors: 24 %."}
    if not stands:
        told = {"decided_at": "2026-11-23T12:00:00.000Z", "overridden": [one.text for one in against]}
        assert weigh(decision, against, NOON) == {**decision, **told}
        return
    with pytest.raises(RollbackError, match=r"nothing is rolled back for errors: 24 %, because") as caught:
        weigh(decision, against, NOON)
    assert ("condition=NAME" in caught.value.message) == (FIRM not in against)
    assert "break_glass=true" in caught.value.message
