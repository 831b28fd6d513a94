# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents as people and run records tell them, as spans in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.filter.incidents import incidents

NOON = 1795435200.0  # 2026-11-23T12:00:00Z
RECORD: dict[str, Any] = {"opened_at": "2026-11-23T12:00:00.000Z", "closed_at": "2026-11-23T12:01:00.500Z"}


@pytest.mark.parametrize(
    ("entry", "span"),
    [
        (RECORD, (NOON, NOON + 60.5)),
        ({**RECORD, "decision": {"detected_at": "2026-11-23T11:55:00.000Z"}}, (NOON - 300, NOON + 60.5)),
        ({"start": NOON, "end": int(NOON) + 1}, (NOON, NOON + 1)),
        ({"start": "2026-11-23T12:00:00", "end": "2026-11-23T14:00:00+01:00"}, (NOON, NOON + 3600)),
        (
            {
                "start": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
                "end": datetime(2026, 11, 23, 13, 30, tzinfo=timezone(timedelta(hours=1))),
            },
            (NOON, NOON + 1800),
        ),
        ({"start": datetime(2026, 11, 23, 12, 0), "end": NOON}, (NOON, NOON)),
    ],
)
def test_every_way_to_tell_a_time(entry: dict[str, Any], span: tuple[float, float]) -> None:
    assert incidents([entry]) == [{"start": span[0], "end": span[1]}]


def test_a_rollback_that_is_not_over_is_left_out() -> None:
    assert incidents([{**RECORD, "closed_at": None}]) == []


@pytest.mark.parametrize("entry", [{"start": "yesterday", "end": 1}, {"start": 1}, {}])
def test_what_is_no_incident_is_told(entry: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"incidents: .*(is no run record|is not a time)"):
        incidents([entry])
