# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the lock, and what a Lease says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._release.lock import (
    Holder,
    Lease,
    may_take,
    refusal,
    spec,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ME = Holder("dana", "ops-1", 4711)


def a_lease(holder: str = "kim@ops-2/7", renewed: datetime = NOON, transitions: int = 3) -> Lease:
    """A lease of ten minutes."""
    return Lease(holder, renewed, renewed, 600, transitions, "99")


@pytest.mark.parametrize(
    ("lease", "seconds", "alive", "take_over", "why"),
    [
        (None, 0, None, False, "free"),
        (a_lease(str(ME)), 0, True, False, "mine"),
        (a_lease(str(ME)), 9999, None, False, "mine"),
        (a_lease(), 599, None, False, None),
        (a_lease(), 599, True, False, None),
        (a_lease(), 601, None, False, "expired"),
        (a_lease(), 1, False, False, "dead"),
        (a_lease(), 1, None, True, "taken over"),
        (a_lease(), 1, True, True, "taken over"),
    ],
)
def test_who_may_hold_the_lock(
    lease: Lease | None, seconds: int, alive: bool | None, take_over: bool, why: str | None
) -> None:
    assert may_take(lease, ME, NOON + timedelta(seconds=seconds), alive, take_over) == why


@pytest.mark.parametrize("holder", [ME, Holder("dana", "ops-1"), Holder("a", "b-1.example", 1)])
def test_a_holder_is_read_as_it_was_written(holder: Holder) -> None:
    assert Holder.parse(str(holder)) == holder


def test_a_foreign_holder_has_no_process() -> None:
    assert Holder.parse("controller-7f/abc") == Holder("controller-7f/abc", "", None)


def test_a_renewal_keeps_the_token_and_a_change_of_holder_raises_it() -> None:
    later = NOON + timedelta(seconds=5)
    mine = a_lease(str(ME))
    assert spec(mine, ME, later, 600)["leaseTransitions"] == 3
    assert spec(mine, ME, later, 600)["acquireTime"] == "2026-11-23T12:00:00.000000Z"
    assert spec(a_lease(), ME, later, 600)["leaseTransitions"] == 4
    assert spec(None, ME, later, 600)["leaseTransitions"] == 1
    assert spec(a_lease(), ME, later, 600)["renewTime"] == "2026-11-23T12:00:05.000000Z"


def test_a_released_lease_is_free() -> None:
    assert Lease.from_object({"metadata": {"resourceVersion": "1"}, "spec": {"leaseTransitions": 4}}) is None


def test_a_lease_object_is_read() -> None:
    body = {
        "metadata": {"resourceVersion": "7"},
        "spec": {
            "holderIdentity": "kim@ops-2/7",
            "leaseDurationSeconds": 600,
            "acquireTime": "2026-11-23T12:00:00.000000Z",
            "renewTime": "2026-11-23T12:00:30.000000Z",
            "leaseTransitions": 2,
        },
    }
    lease = Lease.from_object(body)
    assert lease is not None
    assert lease.expires_at == NOON + timedelta(seconds=630)
    assert (lease.transitions, lease.resource_version) == (2, "7")


def test_a_refusal_says_who_since_when_and_how_to_go_on() -> None:
    message = refusal(a_lease(), "rollback-shop").message
    assert "kim@ops-2/7 holds the lock rollback-shop since 2026-11-23 12:00:00 UTC" in message
    assert "-e checklist_take_over=true" in message
