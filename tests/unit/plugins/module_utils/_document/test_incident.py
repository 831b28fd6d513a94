# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report and its invitation, after a success, a failure and a crash."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import icalendar
import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document import markdown
from ansible_collections.octalume.rollback.plugins.module_utils._document.contacts import working_day
from ansible_collections.octalume.rollback.plugins.module_utils._document.incident import (
    TO_FILL_IN,
    incident_document,
    root_cause_of,
)
from ansible_collections.octalume.rollback.plugins.module_utils._document.invitation import invitation
from ansible_collections.octalume.rollback.plugins.module_utils._document.model import Table

from tests.unit.plugins.module_utils._document.data import MANIFEST, Json, metric


def drawn(record: Json, root_cause: str = "", **more: object) -> str:
    return markdown.render(incident_document({"manifest": MANIFEST, "record": record, **more}, root_cause))


def test_the_figures_that_are_asked_for_first_come_first(record: Json) -> None:
    text = drawn(record)
    for line in (
        "- **Time to restore:** 32.1 s (started, until proven)",
        "- **In all:** 37.9 s (gone bad, until proven)",
        "- **Downtime:** none (pods were replaced one by one)",
        "- **Decided by:** the triggers (automatic)",
    ):
        assert line in text
        assert text.index(line) < text.index("## Why")
    record["decision"].update(kind="manual", makers=["Kim Reyes"])
    record["status"] = "failed"
    assert "- **Decided by:** Kim Reyes (manual)" in drawn(record)
    assert "- **Time spent:** 32.1 s (nothing is restored yet)" in drawn(record)


def test_bars_show_when_each_stage_was(record: Json) -> None:
    def bars(record: Json) -> dict[str, tuple[float, float]]:
        blocks = incident_document({"manifest": MANIFEST, "record": record}).blocks
        [table] = [block for block in blocks if isinstance(block, Table) and block.head[0] == "Stage"]
        assert len(table.bars) == len(table.rows)
        return {str(row[0]): drawn for row, drawn in zip(table.rows, table.bars, strict=True)}

    found = bars(record)
    assert found["In all"] == (0.0, 1.0)
    assert found["Execute"][0] == pytest.approx(5.793 / 37.873)
    assert found["Execute"][1] == pytest.approx(18.32 / 37.873)
    record["decision"] = {"decided_at": "2026-11-23T19:23:10.925Z"}
    assert bars(record)["Decide"] == (0.0, pytest.approx(10 / 42.08))
    assert bars(record)["Detect"] == (0.0, 0.0), "nothing is drawn where nothing is known"
    record.update(closed_at=None)
    assert set(bars(record).values()) == {(0.0, 0.0)}


def test_a_report_tells_who_has_acknowledged_what(record: Json) -> None:
    items = [
        {"name": "issue", "text": "Document the issue", "state": "ready", "evidence": "INC-17", "who": "", "note": ""},
        {"name": "team", "text": "Ensure team", "state": "attention", "evidence": "nobody", "who": "Kim", "note": ""},
    ]
    assert "Checklist" not in drawn(record)
    record["facts"]["checklist"] = items
    text = drawn(record)
    assert "- [x] Document the issue: INC-17\n" in text
    assert "- [x] Ensure team: acknowledged by Kim (the check says: nobody)" in text


def test_what_is_suspended_is_left_to_do(record: Json) -> None:
    record["facts"]["suspended"] = [{"tool": "Flux", "note": "Flux (shop) is suspended. Once ...: kubectl patch"}]
    assert "- [ ] Flux (shop) is suspended. Once ...: kubectl patch" in drawn(record)


def test_a_success_tells_the_whole_story(record: Json) -> None:
    text = drawn(record, triggers=[metric()], monitoring=[metric("Memory", condition="expect < 80 %", threshold=0.8)])
    for line in (
        "# Incident report: shop 1.4.2 rolled back",
        "**COMPLETED**: Release 1.4.2 of shop is rolled back.",
        "| Error Rate | > 10 % | **FIRED** | 30 % now. |",
        "| Detect | the state went bad, until it was decided | 19:23:15.1 | 19:23:20.9 | 5.8 s |",
        "| Execute | started, until the service was back | 19:23:20.9 | 19:23:39.2 | 18.3 s |",
        "| Verify | smoke tests and monitoring, until proven | 19:23:39.2 | 19:23:53.0 | 13.8 s |",
        "| To restore | started, until proven | 19:23:20.9 | 19:23:53.0 | 32.1 s |",
        "| 19:23:32.7 | 1.6 s | database | done |  |",
        "| 19:23:39.2 | 3.0 s | verification | done | 4 of 4 smoke tests passed |",
        "| database | shop | migration 42 | migration 41 |",
        "| shop | /srv/backups/1.4.2.dump | 19.3 kB | 6f4a77a4 | read, pass |",
        "| shop | pass | 1.9 s | 37 | - |",
        "| Login | pass | status 200 in 51 ms |",
        "| completed | team | sent |",
        "**Trigger: Error Rate** (bad: > 10 %, dashed): from 0 % to 35 %, 1 % at the end",
        "**Monitoring: Memory** (good: < 80 %, dashed)",
        TO_FILL_IN,
    ):
        assert line in text, line
    assert "WHAT FAILED" not in text


def test_a_failure_says_what_failed_and_whom_to_call(record: Json) -> None:
    record.update(status="failed")
    record["facts"].update(failure="Migrate down: the table is locked", smoke_tests=[], monitoring=[])
    record["steps"][1].update(status="failed")
    duty = [
        {"label": "Ann Lee (DBA), +00 2", "on_duty": True},
        {"label": "Bo Chen (Dev Lead), +00 3", "on_duty": False},
    ]
    text = drawn(record, contacts=duty)
    assert "# Incident report: shop 1.4.2 NOT rolled back" in text
    assert "**WHAT FAILED**: Migrate down: the table is locked" in text
    assert "Ann Lee (DBA), +00 2" in text
    assert "Bo Chen" not in text
    assert "| verification | **FAILED** |" in text
    assert "no check was made yet" in text


def test_a_run_that_is_not_over_has_a_report_too(record: Json) -> None:
    record.update(status="running", closed_at=None, decision={}, facts={}, notices=[], steps=[])
    text = drawn(record)
    assert "being rolled back" in text
    assert "**Ended:** not yet" in text
    assert "Not recorded." in text
    assert "| To restore | started, until proven | 19:23:20.9 | - | - |" in text


def test_a_metric_without_data_says_why(record: Json) -> None:
    silent = {"name": "Error Rate", "samples": [], "message": "connection refused"}
    assert "**ATTENTION**: Trigger: Error Rate: no data: connection refused" in drawn(record, triggers=[silent])


def test_what_people_wrote_about_the_root_cause_is_kept(record: Json) -> None:
    first = drawn(record)
    assert root_cause_of(first) == ""
    written = first.replace(TO_FILL_IN, "A **typo** in the query.\n\n### Why not caught\n\n- no test")
    again = drawn(record, root_cause_of(written))
    assert "A **typo** in the query.\n\n### Why not caught\n\n- no test\n\n## To do" in again
    assert "- [x] Document root cause" in again
    assert root_cause_of(again) == root_cause_of(written)


def test_tickets_are_ticked_off_only_if_all_are_open(record: Json) -> None:
    links = [{"link": "https://github.example/17"}, {"link": ""}]
    assert "- [x] Create tickets for fixes: https://github.example/17, sent" in drawn(record, tickets=links)
    refused = [*links, {"problem": "answered 403"}]
    assert "- [ ] **ATTENTION** Create tickets for fixes: https://github.example/17, sent, answered 403" in drawn(
        record, tickets=refused
    )


def test_a_channel_that_was_down_is_told_unless_it_was_reached_later(record: Json) -> None:
    record["facts"]["missed"] = [
        {"event": "started", "channel": "pager", "message": "no answer within 5 s"},
        {"event": "completed", "channel": "team", "message": "refused"},
    ]
    text = drawn(record)
    assert "| started | pager | **NOT TAKEN**: no answer within 5 s |" in text
    assert "| completed | team | sent |" in text
    assert "refused" not in text


def test_a_drill_is_called_one(record: Json) -> None:
    record["facts"]["drill"] = True
    assert "# Drill report: shop" in drawn(record)


def test_the_invitation_is_read_back_by_a_calendar(record: Json) -> None:
    start = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
    record["decision"]["reason"] = "30 % errors; über 5 s, \\ and , and ;\nnext line"
    raw = invitation(record, start, 45, "sre@example.com", ["a@example.com", "b@example.com"], "/srv/report.md")
    calendar = icalendar.Calendar.from_ical(raw)
    [event] = calendar.walk("VEVENT")
    assert (calendar["METHOD"], calendar["VERSION"]) == ("REQUEST", "2.0")
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (start, start + timedelta(minutes=45))
    assert str(event["summary"]) == "Post-mortem: shop 1.4.2, rolled back to 1.4.1"
    assert "über 5 s, \\ and , and ;\nnext line" in str(event["description"])
    assert [str(guest) for guest in event["attendee"]] == ["mailto:a@example.com", "mailto:b@example.com"]
    assert str(event["organizer"]) == "mailto:sre@example.com"
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert raw == invitation(record, start, 45, "sre@example.com", ["a@example.com", "b@example.com"], "/srv/report.md")


def test_the_time_of_the_post_mortem_is_local() -> None:
    found = working_day(datetime(2026, 7, 1, 12, 0, tzinfo=UTC), 1, time(10), "Europe/Lisbon")
    assert found.isoformat() == "2026-07-02T10:00:00+01:00"
