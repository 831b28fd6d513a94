# SPDX-License-Identifier: GPL-3.0-or-later
"""What all run records tell together."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from ansible_collections.octalume.rollback.plugins.module_utils._document import markdown
from ansible_collections.octalume.rollback.plugins.module_utils._document.history import (
    as_csv,
    history_document,
    summary,
)

from tests.unit.plugins.module_utils._document.data import Json, run_record

OPENED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def record(seconds: float, days: int = 0, **more: object) -> Json:
    opened = OPENED + timedelta(days=days)
    ends = {"opened_at": opened.isoformat(), "closed_at": (opened + timedelta(seconds=seconds)).isoformat()}
    return {**run_record(), **ends, **more}


NOW = OPENED + timedelta(days=7)
RECORDS = [
    record(30),
    record(50, 1),
    record(400, 2),
    record(5, 3, status="failed"),
    record(20, 4, facts={"drill": True}),
    record(10, 5, status="running", closed_at=None),
]


def test_drills_and_failures_do_not_count_as_restored() -> None:
    assert summary(RECORDS, NOW) == {
        "rollbacks": 5,
        "drills": 1,
        "failed": 1,
        "median": 50.0,
        "worst": 400.0,
        "rollback_proven_days_ago": 4,
        "drill_median": 20.0,
        "drill_worst": 20.0,
        "drill_proven_days_ago": 2,
        "proven_days_ago": 2,
    }


def test_a_restored_database_is_no_rollback() -> None:
    brought_back = record(700, 6, decision={"kind": "restore"})
    assert summary([*RECORDS, brought_back], NOW) == summary(RECORDS, NOW)
    first = next(csv.DictReader(io.StringIO(as_csv([*RECORDS, brought_back]))))
    assert (first["kind"], first["decision"], first["outcome"]) == ("restore", "restore", "completed")


def test_nothing_on_record_is_no_comfort() -> None:
    document, figures = history_document({"records": [], "now": NOW.isoformat()})
    assert (figures["median"], figures["proven_days_ago"]) == (None, None)
    assert "**ATTENTION**: No rollback and no drill is on record" in markdown.render(document)


def test_services_have_figures_of_their_own() -> None:
    other = record(9, service="billing", status="failed")
    text = markdown.render(history_document({"records": [*RECORDS, other], "now": NOW.isoformat()})[0])
    assert "| shop | rollback | 5 | 1 | 50.0 s | 6 min 40 s | 4 days ago |" in text
    assert "| shop | drill | 1 | 0 | 20.0 s | 20.0 s | 2 days ago |" in text
    assert "| billing | rollback | 1 | 1 | - | - | **NEVER** |" in text
    assert "- **Last proven rollback:** 4 days ago (drill: 2 days ago)" in text
    assert "- **Failed:** 2 (of 6 rollbacks and 1 drill)" in text
    assert text.index("2026-11-25 12:00:00") < text.index("2026-11-20 12:00:00"), "the newest first"


def test_the_table_is_csv_and_holds_no_formula() -> None:
    evil = record(3, opened_by='=HYPERLINK("https://evil.example")', environment='a "quoted", place\nand more')
    [row] = list(csv.DictReader(io.StringIO(as_csv([evil]))))
    assert row["opened_by"] == '\'=HYPERLINK("https://evil.example")'
    assert row["environment"] == 'a "quoted", place\nand more'
    assert row["seconds_to_restore"] == "3.0"
    assert (row["kind"], row["decision"], row["outcome"]) == ("rollback", "automatic", "completed")
