# SPDX-License-Identifier: GPL-3.0-or-later
"""Two that begin at the same moment, on machines whose clocks are minutes apart: one of them gets the lock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.chaos.arena import ROOT
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox
ROUNDS = 50 if os.environ.get("CHAOS") else 10
CLOCKS = ("+0", "+11m", "-7m")


@pytest.fixture
def racers(sandbox: Sandbox) -> Iterator[list[subprocess.Popen[str]]]:
    """Three who want the same lock, each with a clock of its own."""
    if not shutil.which("faketime"):
        pytest.fail("faketime is missing: apt-get install faketime")
    place = {"name": "rollback-race", "namespace": sandbox.endpoints["namespace"], "duration": 60}
    params = json.dumps({**place, "kubeconfig": sandbox.endpoints["kubernetes"]["kubeconfig"]})
    with ExitStack() as stack:
        found = [
            stack.enter_context(
                subprocess.Popen(
                    ["faketime", "-f", clock, sys.executable, "-m", "tests.chaos.racer", params],
                    cwd=ROOT,
                    # The certificates of a sandbox that is a few minutes old are not valid seven minutes ago.
                    env={
                        **os.environ,
                        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'collections'}",
                        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                        "K8S_AUTH_VERIFY_SSL": "false",
                    },
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for clock in CLOCKS
        ]
        yield found
        for racer in found:
            racer.kill()
    sandbox.cluster.delete("Lease", "rollback-race")


def tell(racers: list[subprocess.Popen[str]], word: str) -> list[str]:
    """Say ``word`` to all at once; what each answers."""
    for racer in racers:
        assert racer.stdin
        racer.stdin.write(f"{word}\n")
    for racer in racers:
        assert racer.stdin
        racer.stdin.flush()
    return [racer.stdout.readline().strip() for racer in racers if racer.stdout]


def test_one_winner_each_time(racers: list[subprocess.Popen[str]]) -> None:
    winners = []
    for _round in range(ROUNDS):
        answers = tell(racers, "take")
        won = [number for number, answer in enumerate(answers) if answer == "free"]
        lost = [answer for answer in answers if "holds the lock" in answer or "at the same moment" in answer]
        assert (len(won), len(lost)) == (1, len(CLOCKS) - 1), answers
        winners += won
        assert set(tell(racers, "release")) == {"released"}
    assert len(winners) == ROUNDS
