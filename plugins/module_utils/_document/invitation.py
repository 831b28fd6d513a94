# SPDX-License-Identifier: GPL-3.0-or-later
"""The invitation to the post-mortem, as iCalendar (RFC 5545)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .._module import RollbackError

try:
    import icalendar
except ImportError:
    icalendar = None  # type: ignore[assignment]


def invitation(
    record: Mapping[str, Any], start: datetime, minutes: int, organizer: str, attendees: Sequence[str], where: str
) -> bytes:
    """One meeting request; its identity follows from the record's, so that sending it again updates the same entry."""
    if icalendar is None:
        raise RollbackError("the Python library icalendar is missing: pip install icalendar")
    title = f"Post-mortem: {record['service']} {record['release']}, rolled back to {record['previous']}"
    event = icalendar.Event()
    event.add("uid", f"{record['id']}.{record['environment']}@rollback.octalume.io")
    event.add("dtstamp", datetime.fromisoformat(record["closed_at"] or record["opened_at"]))
    event.add("dtstart", start)
    event.add("dtend", start + timedelta(minutes=minutes))
    event.add("summary", title)
    reason = (record.get("decision") or {}).get("reason") or "not recorded"
    event.add("description", f"Why: {reason}\nRun record: {record['id']} in {record['environment']}\nReport: {where}")
    if organizer:
        event.add("organizer", icalendar.vCalAddress(f"mailto:{organizer}"))
    for address in attendees:
        guest = icalendar.vCalAddress(f"mailto:{address}")
        guest.params["RSVP"] = "TRUE"
        event.add("attendee", guest)
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//octalume//rollback//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST" if organizer else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
