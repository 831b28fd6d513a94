# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C: what is left is what the same command goes on with."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.chaos.arena import APPLICATION, Arena
from tests.sandbox.process import wait_until

pytestmark = pytest.mark.sandbox


@pytest.mark.skipif(not os.environ.get("CHAOS"), reason="takes a while: make chaos")
def test_after_ctrl_c_the_same_command_goes_on(arena_of: Callable[[str], Arena]) -> None:
    arena = arena_of(APPLICATION)
    run = arena.start()
    wait_until(lambda: "old left" in run.output, 120, "a rollout under way")
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.wait() != 0
    assert [record["status"] for record in arena.records()] in (["running"], ["failed"])
    again = arena.start()
    assert again.wait() == 0, again.output
    world = arena.world()
    assert (world["image"], world["ready"], world["lock holder"]) == ("shop/api-server:1.4.3", 3, None)
    assert world["records"] == ["completed"]
    assert world["notices"]["smtp started"] == world["notices"]["smtp completed"] == 1
