# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can be called at a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document.contacts import available
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError

MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MONDAY_NIGHT = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
TUESDAY_EARLY = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
SATURDAY_NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOURS = "Mon-Fri 09:00-17:00"


@pytest.mark.parametrize(
    ("text", "moment", "critical", "expected"),
    [
        ("24/7", SATURDAY_NOON, False, True),
        ("Business hours", MONDAY_NOON, False, True),
        ("business  Hours", MONDAY_NIGHT, False, False),
        ("Business hours", SATURDAY_NOON, False, False),
        ("Critical only", MONDAY_NOON, False, False),
        ("Critical only", MONDAY_NIGHT, True, True),
        ("Mon-Fri 08:00-18:00, Sat 10:00-14:00", SATURDAY_NOON, False, True),
        ("Monday-Friday 08:00-18:00", SATURDAY_NOON, False, False),
        ("Sat/Sun 00:00-24:00", SATURDAY_NOON, False, True),
        ("Fri-Mon 10:00-13:00", MONDAY_NOON, False, True),
        ("Fri-Mon 10:00-13:00", TUESDAY_EARLY, False, False),
        ("22:00-06:00", MONDAY_NIGHT, False, True),
        ("Mon 22:00-06:00", TUESDAY_EARLY, False, True),
        ("Tue 22:00-06:00", TUESDAY_EARLY, False, False),
        ("12:00-13:00", MONDAY_NOON, False, True),
        ("11:00-12:00", MONDAY_NOON, False, False),
        ("Mon-Fri 20:00-22:00 Asia/Tokyo", MONDAY_NOON, False, True),
        ("Mon-Fri 11:30-12:30 Asia/Tokyo", MONDAY_NOON, False, False),
        ("", MONDAY_NOON, False, None),
        ("when I feel like it", MONDAY_NOON, False, None),
        ("Mon-Fry 08:00-18:00", MONDAY_NOON, False, None),
        ("25:00-26:00", MONDAY_NOON, False, None),
    ],
)
def test_availability_is_held_against_the_clock(
    text: str, moment: datetime, critical: bool, expected: bool | None
) -> None:
    assert available(text, moment, HOURS, "UTC", critical) is expected


def test_business_hours_are_the_teams_own() -> None:
    assert available("Business hours", MONDAY_NOON, "Mon-Fri 20:00-22:00", "Asia/Tokyo", critical=False) is True


def test_an_unknown_time_zone_is_an_error() -> None:
    with pytest.raises(RollbackError, match="no time zone 'Mars/Olympus'"):
        available("10:00-12:00 Mars/Olympus", MONDAY_NOON, HOURS, "UTC", critical=False)
