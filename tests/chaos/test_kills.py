# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form of `make chaos`: one rollback that is killed at two boundaries."""

from __future__ import annotations

import pytest

from tests.chaos.arena import APPLICATION, Arena
from tests.chaos.kills import Killer
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox
BOUNDARIES = (
    "octalume.rollback.application : Bring the previous revision back and watch it#1",
    "octalume.rollback.follow_up : Write the incident report#1",
)


def test_a_rollback_that_is_killed_twice_ends_as_an_undisturbed_one(sandbox: Sandbox) -> None:
    killer = Killer(Arena(sandbox.endpoints, sandbox.scratch / "kills", APPLICATION))
    assert set(BOUNDARIES) <= set(killer.tasks)
    found = killer.at_boundaries(BOUNDARIES)
    assert (found.kills, found.differences) == (2, ())
