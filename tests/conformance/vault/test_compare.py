# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison notices what matters, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.vault.compare import normal


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"deletion_time": ""}, {"deletion_time": "2026-11-23T07:28:50Z"}),
        ({"client_token": ""}, {"client_token": "s.x"}),
        ({"keys": ["a"]}, {"keys": ["b"]}),
        ({"keys": ["0" * 66]}, {"keys": ["0" * 66] * 2}),
        ({"ttl": 0}, {"ttl": 59}),
        ({"version": 1}, {"version": 2}),
        ({"data": {"errors": []}}, {"data": None}),
    ],
)
def test_a_difference_that_matters_is_seen(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert normal(ours) != normal(theirs)


def test_times_identifiers_and_countdowns_do_not_matter() -> None:
    ours = {"created_time": "2026-01-01T00:00:00Z", "accessor": "a", "ttl": 3600, "keys": ["1" * 66]}
    theirs = {"created_time": "2025-01-01T00:00:00Z", "accessor": "b", "ttl": 3597, "keys": ["2" * 66]}
    assert normal(ours) == normal(theirs)
