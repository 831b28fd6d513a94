# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks that are given up: by a person, and by the failure policy of a phase."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.arena import WHOLE, Arena

pytestmark = pytest.mark.sandbox


def as_before(world: dict[str, Any]) -> dict[str, Any]:
    """The part of the world that an abort has to have put back."""
    kept = ("image", "replicas", "ready", "marks", "maintenance", "schema", "rows lost", "lock holder")
    return {name: world[name] for name in kept}


def live_secret(arena: Arena) -> Any:
    """What the newest version of the configuration holds."""
    versions = arena.read_secrets()
    return versions[max(versions)]


def test_before_the_point_of_no_return_everything_goes_back_and_after_it_abort_refuses(
    arena_of: Callable[[str], Arena],
) -> None:
    arena = arena_of(WHOLE)
    before, secret = as_before(arena.world()), live_secret(arena)
    run = arena.start(environment={"CHAOS_BOUNDARY": "octalume.rollback.database : Migrate down#1"})
    run.wait()
    quiesced = arena.world()
    assert (quiesced["replicas"], quiesced["maintenance"]) == (0, True)
    assert live_secret(arena) != secret

    abort = arena.start("abort")
    assert abort.wait() == 0, abort.output
    assert as_before(arena.world()) == before
    assert live_secret(arena) == secret
    assert [record["status"] for record in arena.records()] == ["aborted"]
    assert arena.notices() == {"smtp started": 1, "smtp aborted": 1, "webhook started": 1, "webhook aborted": 1}
    again = arena.start("abort")
    assert again.wait() == 0, again.output
    assert "No rollback of release 1.4.2 is under way" in again.output
    assert " changed=0 " in again.output

    late = arena.start(environment={"CHAOS_BOUNDARY": "octalume.rollback.database : Validate the data#1"})
    late.wait()
    refused = arena.start("abort")
    assert refused.wait() == 2, refused.output
    assert "the point of no return is passed: shop is at migration 41" in refused.output
    assert "playbooks/restore.yml" in refused.output
    finished = arena.start()
    assert finished.wait() == 0, finished.output
    assert arena.world()["image"].endswith(":1.4.1")


@pytest.mark.skipif(not os.environ.get("CHAOS"), reason="takes a while: make chaos")
def test_a_phase_is_repeated_and_given_up_as_its_policy_says(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of(WHOLE)
    before = as_before(arena.world())
    policy = {"rollback_policies": {"backup": "retry 1 and abort"}, "rollback_retry_pause": 0}
    run = arena.start(**policy, database_backup_url="s3://nowhere/shop")
    assert run.wait() == 2, run.output
    assert "(after 2 attempts)" in run.output
    assert "Everything was put back as it was before" in run.output
    assert as_before(arena.world()) == before
    assert [record["status"] for record in arena.records()] == ["aborted"]

    wrong = arena.start(rollback_policies={"backup": "give up"})
    assert wrong.wait() == 2
    assert "rollback_policies: backup: give up is neither hold, abort nor" in wrong.output
