# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the lock, what a lock says, and what a refusal tells."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import Fence
from ansible_collections.octalume.rollback.plugins.module_utils._release.lease import Latch, is_alive, name_of
from ansible_collections.octalume.rollback.plugins.module_utils._release.lock import (
    FREE,
    Holder,
    Lease,
    held_by,
    lost,
    may_take,
    refusal,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.shelf import FileShelf, Taken

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ME = "dana@ops-1/4711-ab12-99"


def a_lease(holder: str = "kim@ops-2/7", renewed: datetime = NOON, token: int = 3) -> Lease:
    """A lock of ten minutes."""
    return Lease(holder, renewed, renewed, 600, token, "99")


@pytest.mark.parametrize(
    ("lease", "alive", "take_over", "why"),
    [
        (None, None, False, "free"),
        (a_lease(""), None, False, "free"),
        (a_lease(ME), True, False, "mine"),
        (a_lease(), None, False, None),
        (a_lease(renewed=NOON - timedelta(days=9)), None, False, None),
        (a_lease(), True, False, None),
        (a_lease(), False, False, "dead"),
        (a_lease(), None, True, "taken over"),
        (a_lease(), True, True, "taken over"),
    ],
)
def test_who_may_hold_the_lock(lease: Lease | None, alive: bool | None, take_over: bool, why: str | None) -> None:
    assert may_take(lease, ME, alive, take_over) == why


@pytest.mark.parametrize(
    "holder",
    [
        Holder("dana", "ops-1", 4711, "ab12", "99"),
        Holder("dana", "ops-1"),
        Holder("dana", "ops-1", 4711, "ab12", "99", "eu-west/1:a b"),
        Holder("dana", "ops-1", 4711, "ab12", "", "eu-west-1"),
        Holder("dana", "ops-1", None, "0123456789abcdef"),
        Holder("a", "b-1.example", 1),
    ],
)
def test_a_holder_is_read_as_it_was_written(holder: Holder) -> None:
    assert Holder.parse(str(holder)) == holder


def test_a_foreign_holder_has_no_process() -> None:
    assert Holder.parse("controller-7f/abc") == Holder("controller-7f/abc", "", None)


def test_the_token_grows_with_every_change_of_holder_and_stays_in_a_renewal() -> None:
    later = NOON + timedelta(seconds=5)
    assert held_by(ME, a_lease(ME), later, 600)["leaseTransitions"] == 3
    assert held_by(ME, a_lease(ME), later, 600)["acquireTime"] == "2026-11-23T12:00:00.000000Z"
    assert held_by(ME, a_lease(), later, 600)["leaseTransitions"] == 4
    assert held_by(ME, a_lease(""), later, 600)["leaseTransitions"] == 4
    assert held_by(ME, None, later, 600)["leaseTransitions"] == 1
    assert held_by(ME, a_lease(), later, 600)["renewTime"] == "2026-11-23T12:00:05.000000Z"


@pytest.mark.parametrize(("seconds", "due"), [(0, False), (149, False), (151, True), (-1, True), (99999, True)])
def test_a_holder_renews_after_a_quarter_of_the_time_and_when_its_own_clock_has_jumped(seconds: int, due: bool) -> None:
    assert a_lease().is_due(NOON + timedelta(seconds=seconds)) is due


def test_a_lease_object_is_read() -> None:
    spec = {
        "holderIdentity": "kim@ops-2/7",
        "leaseDurationSeconds": 600,
        "acquireTime": "2026-11-23T12:00:00.000000Z",
        "renewTime": "2026-11-23T12:00:30.000000Z",
        "leaseTransitions": 2,
    }
    later = NOON + timedelta(seconds=30)
    assert Lease.from_spec(spec, "7") == Lease("kim@ops-2/7", NOON, later, 600, 2, "7")
    assert Lease.from_spec({"leaseTransitions": 4}, "8").holder == ""


def test_a_write_is_recognised_by_all_that_it_wrote() -> None:
    wrote = held_by(ME, None, NOON, 600)
    assert Lease.from_spec(wrote, "7").says(wrote)
    assert Lease.from_spec({"leaseTransitions": 4, "leaseDurationSeconds": 600}, "7").says(FREE)
    assert not Lease.from_spec(wrote, "7").says(FREE)
    for other in ({"holderIdentity": "kim@ops-2/7"}, {"renewTime": "2026-11-23T12:00:00.000001Z"}):
        assert not Lease.from_spec({**wrote, **other}, "7").says(wrote)
    assert not Lease.from_spec({**wrote, "leaseTransitions": 2}, "7").says(wrote)


def test_a_refusal_says_who_since_when_and_how_to_go_on() -> None:
    told = refusal(a_lease("kim@ops-2/7-ab-1"), "rollback-shop").message
    assert told.startswith("kim@ops-2/7 holds the lock rollback-shop since 2026-11-23 12:00:00 UTC")
    assert "-e checklist_take_over=true" in told
    assert (
        "kim@ops-2/7 took the lock rollback-shop over at" in lost(a_lease("kim@ops-2/7-ab-1"), "rollback-shop").message
    )


def test_a_process_is_known_by_when_it_began() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = name_of(f"dana@{os.uname().nodename}/{child.pid}")
    reused = Holder.parse(holder)
    assert is_alive(holder) is True
    assert is_alive(str(Holder(reused.user, reused.host, reused.pid, reused.place, "1"))) is False
    assert is_alive(str(Holder(reused.user, reused.host, reused.pid, "elsewhere", reused.start))) is None
    child.communicate()
    assert is_alive(holder) is False
    assert name_of("dana@ops-1") != name_of("dana@ops-1")


def latch(tmp_path: Path) -> Latch:
    """The lock of the tests, in a file."""
    return Latch(FileShelf(tmp_path, "rollback-shop"), lambda _line: None)


def test_a_file_is_a_lock_where_there_is_no_cluster(tmp_path: Path) -> None:
    first = latch(tmp_path).take("dana@a/1-x-1", 1, False, False)
    assert (first["why"], first["token"]) == ("free", 1)
    assert (tmp_path / "rollback-shop.lock").stat().st_mode & 0o777 == 0o600
    assert latch(tmp_path).take("dana@a/1-x-1", 1, False, False)["why"] == "mine"
    taken = latch(tmp_path).take("kim@b/2-y-1", 1, False, False)
    assert (taken["why"], taken["token"]) == ("expired", 2)
    assert latch(tmp_path).release("dana@a/1-x-1", False)["changed"] is False
    assert latch(tmp_path).release("kim@b/2-y-1", False)["changed"] is True
    assert latch(tmp_path).take("dana@a/1-x-1", 1, False, False)["token"] == 3


def test_a_lock_that_a_process_which_has_ended_left_behind_is_released(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    latch(tmp_path).take(name_of(f"dana@{os.uname().nodename}/{child.pid}"), 60, False, False)
    assert latch(tmp_path).release("kim@b/2-y-1", False)["changed"] is False
    child.communicate()
    assert latch(tmp_path).release("kim@b/2-y-1", False)["changed"] is True


def test_a_holder_that_renews_is_not_taken_for_dead(tmp_path: Path) -> None:
    shelf = FileShelf(tmp_path, "rollback-shop")
    token = latch(tmp_path).take("dana@a/1-x-1", 2, False, False)["token"]
    fence = Fence(shelf, "dana@a/1-x-1", token, 2)
    fence.keep()
    with pytest.raises(RollbackError, match="dana@a/1 holds the lock"):
        latch(tmp_path).take("kim@b/2-y-1", 2, False, False)
    fence.stop()


def test_who_lost_the_lock_writes_nothing_and_renews_nothing(tmp_path: Path) -> None:
    shelf = FileShelf(tmp_path, "rollback-shop")
    token = latch(tmp_path).take("dana@a/1-x-1", 60, False, False)["token"]
    fence = Fence(shelf, "dana@a/1-x-1", token, 60)
    fence()
    latch(tmp_path).take("kim@b/2-y-1", 60, True, False)
    with pytest.raises(RollbackError, match="kim@b/2 took the lock rollback-shop over"):
        fence()
    latch(tmp_path).release("kim@b/2-y-1", False)
    with pytest.raises(RollbackError, match="released or deleted"):
        fence()
    # The same holder, who has had it once more since: an old task of it is not let through either.
    latch(tmp_path).take("dana@a/1-x-1", 60, False, False)
    with pytest.raises(RollbackError, match="writes nothing any more"):
        fence()


def test_two_environments_of_one_run_contend_for_a_lock_that_they_share(tmp_path: Path) -> None:
    here = f"dana@{os.uname().nodename}/{os.getpid()}"
    eu, us = name_of(here, "eu"), name_of(here, "us")
    latch(tmp_path).take(eu, 60, False, False)
    with pytest.raises(RollbackError, match=r"this run itself holds the lock rollback-shop, for eu.*-e wave=1"):
        latch(tmp_path).take(us, 60, False, False)
    assert latch(tmp_path).release(us, False)["changed"] is False
    with pytest.raises(RollbackError, match=r"holds the lock rollback-shop since .*is running in eu\."):
        latch(tmp_path).take(f"kim@{os.uname().nodename}/1-x-1:us", 60, False, False)
    assert latch(tmp_path).take(eu, 60, False, False)["why"] == "mine"
    latch(tmp_path).release(eu, False)
    assert latch(tmp_path).take(us, 60, False, False)["why"] == "free"


def test_the_lock_of_an_environment_is_taken_from_a_run_that_has_ended(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    latch(tmp_path).take(name_of(f"dana@{os.uname().nodename}/{child.pid}", "eu"), 60, False, False)
    child.communicate()
    us = name_of(f"dana@{os.uname().nodename}/{os.getpid()}", "us")
    taken = latch(tmp_path).take(us, 60, False, False)
    assert (taken["why"], taken["holder"], taken["token"]) == ("dead", us, 2)


def test_of_two_that_read_the_same_lock_one_writes(tmp_path: Path) -> None:
    one, other = FileShelf(tmp_path, "l"), FileShelf(tmp_path, "l")
    seen = one.read()
    other.write(None, held_by("b", None, NOON, 60))
    with pytest.raises(Taken):
        one.write(seen, held_by("a", None, NOON, 60))


def test_a_writer_that_hangs_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    hangs = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); input()"
    )
    path = tmp_path / "l.lock.writing"
    with subprocess.Popen(
        [sys.executable, "-c", hangs, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        began = time.monotonic()
        with pytest.raises(RollbackError, match=r"another process has been writing it for 0\.3 s.*fuser -v \S+/l"):
            FileShelf(tmp_path, "l", patience=0.3).write(None, held_by("a", None, NOON, 60))
        assert time.monotonic() - began < 2
        other.communicate()
    assert FileShelf(tmp_path, "l").write(None, held_by("a", None, NOON, 60)).holder == "a"
