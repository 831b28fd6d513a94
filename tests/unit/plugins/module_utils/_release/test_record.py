# SPDX-License-Identifier: GPL-3.0-or-later
"""The run record: how it grows, ends, is taken up again and is kept in files."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.record import (
    RunRecord,
    Step,
    close,
    new_id,
    newest_first,
    note,
    numbered,
    object_name,
    remember,
    resume,
    timestamp,
    to_prune,
    unfinished,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import FileStore

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(seconds=5)


def a_record(**changes: object) -> RunRecord:
    """A record of release 1.4.2 that has just been opened."""
    values = {
        "id": new_id("1.4.2", "eu-west", NOON),
        "release": "1.4.2",
        "previous": "1.4.1",
        "service": "shop",
        "document": "P7-ROLLBACK-142",
        "environment": "eu-west",
        "opened_at": timestamp(NOON),
        "opened_by": "dana@ops-1/4711",
    }
    return RunRecord(**{**values, **changes})  # type: ignore[arg-type]


def test_a_step_keeps_its_first_start_and_gathers_details() -> None:
    record = note(a_record(), [{"name": "backup", "status": "started"}], NOON)
    record = note(record, [{"name": "backup", "status": "started", "details": {"path": "/b"}}], LATER)
    record = note(record, [{"name": "backup", "status": "done", "details": {"size": 7}}], LATER)
    (step,) = record.steps
    assert (step.started_at, step.ended_at) == ("2026-11-23T12:00:00.000Z", "2026-11-23T12:00:05.000Z")
    assert step.details == {"path": "/b", "size": 7}


def test_a_step_that_is_done_does_not_begin_again() -> None:
    done = note(a_record(), [{"name": "backup", "status": "done"}], NOON)
    assert note(done, [{"name": "backup", "status": "started"}], LATER) == done


def test_a_step_that_a_resumed_run_goes_through_again_keeps_its_end() -> None:
    done = note(a_record(), [{"name": "backup", "status": "done"}], NOON)
    again = note(done, [{"name": "backup", "status": "done", "details": {"size": 7}}], LATER)
    assert (again.steps[0].ended_at, again.steps[0].details) == (timestamp(NOON), {"size": 7})


def test_a_failed_record_marks_the_step_it_failed_in() -> None:
    record = note(a_record(), [{"name": "a", "status": "done"}, {"name": "b", "status": "started"}], NOON)
    ended = close(record, "failed", LATER)
    assert [(step.name, step.status) for step in ended.steps] == [("a", "done"), ("b", "failed")]
    assert ended.closed_at == timestamp(LATER)
    with pytest.raises(RollbackError, match="not as 'maybe'"):
        close(record, "maybe", LATER)


def test_notices_are_remembered_once_and_facts_are_not_lost() -> None:
    record = remember(a_record(), ["start/mail"], {"backup": "/b"})
    record = remember(record, ["start/mail", "end/mail"], {"backup": None, "rows": 3})
    assert record.notices == ("start/mail", "end/mail")
    assert record.facts == {"backup": "/b", "rows": 3}


@pytest.mark.parametrize(
    ("status", "release", "environment", "found"),
    [
        ("running", "1.4.2", "eu-west", True),
        ("failed", "1.4.2", "eu-west", True),
        ("completed", "1.4.2", "eu-west", False),
        ("running", "1.4.3", "eu-west", False),
        ("running", "1.4.2", "us-east", False),
    ],
)
def test_an_interrupted_run_of_the_same_release_and_place_is_found(
    status: str, release: str, environment: str, found: bool
) -> None:
    assert (unfinished([a_record(status=status)], release, environment) is not None) is found


def test_an_older_failure_is_not_taken_up_after_a_success() -> None:
    old = a_record(status="failed")
    new = a_record(status="completed", opened_at=timestamp(LATER))
    assert unfinished([new, old], "1.4.2", "eu-west") is None


def test_a_record_is_the_newest_whatever_the_clock_of_the_one_before_said() -> None:
    """A control node whose clock is eleven minutes ahead aborted; the next one, seven behind, is taken up again."""
    ahead, behind = NOON + timedelta(minutes=11), NOON - timedelta(minutes=7)
    aborted = close(numbered(a_record(opened_at=timestamp(ahead)), []), "aborted", ahead)
    opened = numbered(a_record(id="second", opened_at=timestamp(behind)), [aborted])
    assert unfinished([aborted, opened], "1.4.2", "eu-west") == opened
    done = close(opened, "completed", behind)
    assert unfinished([done, aborted], "1.4.2", "eu-west") is None
    assert to_prune([done, aborted], "eu-west", 1) == [aborted]


def test_a_record_comes_after_those_that_were_written_before_records_were_counted() -> None:
    old = a_record(opened_at=timestamp(NOON + timedelta(minutes=11)), status="aborted")
    opened = numbered(a_record(id="second"), [old])
    assert (opened.number, unfinished([opened, old], "1.4.2", "eu-west")) == (1, opened)


def test_records_of_several_environments_are_listed_by_clock_but_never_against_the_order_within_one() -> None:
    def one(id: str, environment: str, minutes: int, number: int) -> RunRecord:  # noqa: A002 -- the field's name
        opened = timestamp(NOON + timedelta(minutes=minutes))
        return a_record(id=id, environment=environment, opened_at=opened, number=number)

    records = [one("b1", "b", 5, 1), one("a1", "a", 11, 1), one("a2", "a", 0, 2), one("b2", "b", 20, 2)]
    assert [record.id for record in newest_first(records)] == ["b2", "a2", "a1", "b1"]


def test_environments_are_counted_apart() -> None:
    first = numbered(a_record(), [])
    assert numbered(a_record(id="x", environment="us-east"), [first]).number == 1
    assert numbered(a_record(id="x"), [first]).number == 2


def test_a_record_that_is_opened_within_the_same_second_does_not_overwrite_the_one_before() -> None:
    first = numbered(a_record(), [])
    second = numbered(a_record(), [first])
    third = numbered(a_record(), [first, second])
    assert (second.id, third.id) == (f"{first.id}-2", f"{first.id}-3")


def test_the_first_decision_stands_when_a_record_is_taken_up() -> None:
    record = close(a_record(decision={"kind": "manual"}), "failed", LATER)
    again = resume(record, {"kind": "automatic"})
    assert (again.status, again.closed_at, again.decision) == ("running", None, {"kind": "manual"})


@pytest.mark.parametrize(
    ("record_id", "name"),
    [
        ("1.4.2-20261123t120000z", "rollback-1.4.2-20261123t120000z"),
        ("1.0.0-RC.1+b_5-20261123t120000z", "rollback-1.0.0-rc.1-b-5-20261123t120000z"),
    ],
)
def test_records_have_names_that_kubernetes_takes(record_id: str, name: str) -> None:
    assert object_name(record_id) == name


def test_a_file_store_keeps_records_for_their_owner_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "records")
    record = note(a_record(), [{"name": "backup", "status": "started"}], NOON)
    store.save(record)
    assert store.load() == [record]
    path = Path(store.where(record))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.save(close(record, "completed", LATER))
    assert [item.status for item in store.load()] == ["completed"]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_file_that_is_no_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "rollback-x.json").write_text("{")
    with pytest.raises(RollbackError, match="is not a run record"):
        FileStore(tmp_path).load()


def test_a_record_from_a_later_version_is_readable() -> None:
    data = json.loads(json.dumps({**a_record().to_json(), "mood": "calm"}))
    assert RunRecord.from_json(data) == a_record()


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RollbackError, match="cannot be written"):
        FileStore(blocked).save(a_record())


def test_a_record_that_is_no_journal_any_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match="is larger than"):
        FileStore(tmp_path).save(a_record(facts={"log": "x" * 18_000_001}))


def test_records_beyond_those_to_keep_are_pruned_if_their_rollback_has_ended_well() -> None:
    ended = [a_record(id=f"r{day}", opened_at=f"2026-11-0{day}", status="completed") for day in (1, 3, 4)]
    failed = a_record(id="r2", opened_at="2026-11-02", status="failed")
    elsewhere = a_record(id="r0", opened_at="2026-10-01", status="completed", environment="elsewhere")
    found = to_prune([*ended, failed, elsewhere], ended[0].environment, 2)
    assert [record.id for record in found] == ["r1"]


def test_an_aborted_rollback_is_not_taken_up_again() -> None:
    open_one = a_record(id="r1", steps=(Step("quiesce", "started", "2026-11-01"),))
    aborted = close(open_one, "aborted", NOON)
    assert aborted.steps[0].status == "failed"
    assert unfinished([aborted], aborted.release, aborted.environment) is None
