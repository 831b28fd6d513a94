# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier rollbacks say against another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.damping import (
    Limits,
    Wanted,
    moment,
    objections,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WANTED = Wanted("1.4.2", "1.4.1", "shop", "eu")
LIMITS = Limits(timedelta(minutes=10), 3, timedelta(hours=24))


def record(release: str = "1.4.2", minutes: float = 120, **changed: Any) -> dict[str, Any]:
    """A rollback of ``release`` that ended ``minutes`` before noon."""
    ended = (NOON - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    base = {"id": "r", "release": release, "previous": "1.4.1", "service": "shop", "environment": "eu"}
    moments = {"opened_at": ended, "closed_at": ended, "status": "completed"}
    return {**base, **moments, "decision": {"reason": "errors: 24 %."}, **changed}


def told(*records: dict[str, Any], wanted: Wanted = WANTED, limits: Limits = LIMITS) -> list[str]:
    return [one.text for one in objections(wanted, records, limits, NOON)]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record()],
        [record(), record()],
        [record("1.4.0", 11)],
        [record("1.4.1", status="failed")],
        [record("1.4.1", service="mail")],
        [record(minutes=1, service="mail")],
        [record(minutes=1, environment="us")],
        [record(minutes=1, status="failed")],
        [record(environment="us"), record(), record(), record(status="running", closed_at=None)],
    ],
)
def test_the_way_is_free(records: list[dict[str, Any]]) -> None:
    assert told(*records) == []


def test_a_release_that_was_rolled_back_is_never_returned_to() -> None:
    found = objections(WANTED, [record("1.4.1", 100_000, environment="us")], LIMITS, NOON)
    assert [one.firm for one in found] == [True]
    assert found[0].text == (
        "release 1.4.1, which this rollback returns to, is quarantined: it was rolled back itself in us, "
        "2026-09-15T01:20:00.000Z (errors: 24 %)"
    )


def test_triggers_rest_after_a_rollback_of_any_release() -> None:
    assert told(record("1.4.0", 4, previous="1.3.9")) == [
        "shop was rolled back from 1.4.0 to 1.3.9 4 min ago, and triggers rest for 10 min after that (6 min left)"
    ]
    assert told(record("1.4.0", 4), limits=Limits()) == []


def test_a_release_is_rolled_back_so_often_and_no_more() -> None:
    assert told(record(), record(minutes=300), record(minutes=400)) == [
        "release 1.4.2 was rolled back 3 times already (at most 3), so something keeps deploying it"
    ]


@pytest.mark.parametrize(("hours", "blamed"), [(1, True), (24, True), (31, False)])
def test_a_release_is_blamed_for_what_begins_soon_after_it(hours: float, blamed: bool) -> None:
    deployed = (NOON - timedelta(hours=hours + 50), NOON - timedelta(hours=hours))
    found = told(wanted=Wanted("1.4.2", "1.4.1", "shop", "eu", deployed))
    assert found == (
        []
        if blamed
        else [
            "release 1.4.2 was deployed 31 h ago, and a fault that begins more than 24 h after a deployment "
            "is seldom its fault"
        ]
    )


def test_a_time_that_is_none_is_told() -> None:
    assert moment("2026-11-23T12:00:00", "x") == NOON
    with pytest.raises(RollbackError, match="deployed_at: 'soon' is not a time"):
        moment("soon", "deployed_at")
