# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that writes the papers: which files, when they change, and what it refuses."""

from __future__ import annotations

import stat
from pathlib import Path

import icalendar
import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document.incident import TO_FILL_IN
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import rollback_document

from tests.integration.http.wire import Called, call
from tests.unit.plugins.module_utils._document.data import MANIFEST, Json, plan_data, run_record

MEETING = {"start": "2026-11-25T10:00:00+00:00", "organizer": "sre@example.com", "attendees": ["team@example.com"]}


def report(folder: Path, record: Json | None = None, **options: object) -> Called:
    data = {"manifest": MANIFEST, "record": record or run_record()}
    return call(rollback_document, kind="incident", data=data, path=str(folder / "r" / "incident.md"), **options)


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = report(tmp_path, meeting=MEETING)
    assert (first["changed"], [Path(name).name for name in first["files"]]) == (
        True,
        ["incident.md", "incident.html", "post-mortem.ics"],
    )
    times = [Path(name).stat().st_mtime_ns for name in first["files"]]
    second = report(tmp_path, meeting=MEETING)
    assert second["changed"] is False
    assert times == [Path(name).stat().st_mtime_ns for name in first["files"]]
    assert {stat.S_IMODE(Path(name).stat().st_mode) for name in first["files"]} == {0o640}
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "incident.html",
        "incident.md",
        "post-mortem.ics",
    ]


def test_check_mode_tells_and_writes_nothing(tmp_path: Path) -> None:
    found = report(tmp_path, check_mode=True, diff=True)
    assert found["changed"] is True
    assert found["diff"]["before"] == ""
    assert "# Incident report" in found["diff"]["after"]
    assert list(tmp_path.iterdir()) == []


def test_the_invitation_is_for_the_meeting(tmp_path: Path) -> None:
    file = Path(report(tmp_path, meeting=MEETING)["files"][2])
    [event] = icalendar.Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    assert event.decoded("dtstart").isoformat() == MEETING["start"]
    assert "to be scheduled" not in str(report(tmp_path, meeting={"start": "to be scheduled"})["files"])
    assert len(report(tmp_path, meeting={"start": "to be scheduled"})["files"]) == 2


def test_a_report_that_is_written_again_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = Path(report(tmp_path, {**run_record(), "status": "failed", "facts": {"failure": "locked"}})["files"][0])
    file.write_text(file.read_text().replace(TO_FILL_IN, "Somebody forgot an index."))
    report(tmp_path)
    text = file.read_text()
    assert "Somebody forgot an index.\n\n## To do" in text
    assert "# Incident report: shop 1.4.2 rolled back" in text
    assert "Somebody forgot an index." in file.with_suffix(".html").read_text()


def test_a_plan_is_a_gate(tmp_path: Path) -> None:
    path = str(tmp_path / "plan.md")
    good = call(rollback_document, kind="plan", data=plan_data(), path=path)
    assert (good["ready"], good["problems"], good["attention"]) == (True, [], [])
    blocked = {**plan_data(), "problems": ["missing right: patch deployments.apps"], "contacts": []}
    bad = call(rollback_document, kind="plan", data=blocked, path=path)
    assert (bad["ready"], bad["problems"]) == (False, ["missing right: patch deployments.apps"])
    assert bad["attention"] == ["no emergency contact is named"]


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        ("plan", {"manifest": {}}, "data of plan: environment, applications, databases"),
        ("incident", {}, "data of incident: manifest, record missing"),
        ("history", {"records": [], "now": "soon"}, "now is 'soon'; a time is wanted"),
    ],
)
def test_data_that_are_not_enough_are_named(tmp_path: Path, kind: str, data: Json, message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        call(rollback_document, kind=kind, data=data, path=str(tmp_path / "x.md"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("a file, where a folder is wanted")
    with pytest.raises(RollbackError, match=r"incident\.md cannot be (read|written): (Not a directory|File exists)"):
        report(tmp_path)
