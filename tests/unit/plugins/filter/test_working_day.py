# SPDX-License-Identifier: GPL-3.0-or-later
"""When people meet after an incident."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.filter.working_day import working_day


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-11-23T19:23:20Z", 2, "2026-11-25T10:00:00+00:00"),
        ("2026-11-26T19:23:20Z", 2, "2026-11-30T10:00:00+00:00"),
        ("2026-11-28T01:00:00Z", 1, "2026-11-30T10:00:00+00:00"),
        ("2026-11-28T01:00:00Z", 0, "2026-11-30T10:00:00+00:00"),
    ],
)
def test_the_post_mortem_is_on_a_working_day(start: str, days: int, expected: str) -> None:
    assert working_day(start, days) == expected
