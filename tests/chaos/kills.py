# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills the control process of a rollback, runs the same command again, and compares the end with an undisturbed one.

Several kills make a chain: each run of the same command goes on where the one before was killed, and is killed further
on; the last one is let through. A chain is right only if every kill in it was survived.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.chaos.arena import Arena, Run
from tests.sandbox.process import kill_tree


@dataclass(frozen=True)
class Finding:
    """One disturbed rollback: when it was killed, how often it came to it, and what differs from an undisturbed one."""

    moments: tuple[str, ...]
    kills: int
    differences: tuple[str, ...]
    seconds: float


class Killer:
    """Rolls back again and again, killed at other moments each time."""

    def __init__(self, arena: Arena) -> None:
        """Roll back once without any disturbance; what the world is like then is what it has to be like each time."""
        self.arena = arena
        arena.furnish()
        arena.deploy()
        tasks = arena.scratch / "tasks"
        tasks.unlink(missing_ok=True)
        began = time.monotonic()
        run = arena.start(environment={"CHAOS_TASKS": str(tasks)})
        assert run.wait() == 0, run.output
        self.seconds = time.monotonic() - began
        self.tasks = tasks.read_text().splitlines()
        self.undisturbed = arena.world()

    def at_boundaries(self, tasks: Sequence[str]) -> Finding:
        """Kill the control process as each of ``tasks`` starts."""

        def kill(task: str) -> tuple[Run, str]:
            run = self.arena.start(environment={"CHAOS_BOUNDARY": task})
            run.wait()
            return run, f"before {task!r}"

        return self._chain([lambda task=task: kill(task) for task in tasks])

    def at_moments(self, moments: Sequence[tuple[float, bool]]) -> Finding:
        """Kill it after so many seconds: alone, its worker left behind, or with everything that it started."""

        def kill(seconds: float, whole_tree: bool) -> tuple[Run, str]:
            run = self.arena.start()
            time.sleep(seconds)
            if whole_tree:
                kill_tree(run.process.pid)
            elif run.process.poll() is None:
                os.kill(run.process.pid, signal.SIGKILL)
            run.wait()
            last = run.output.splitlines()[-1:] or [""]
            how = "with its workers" if whole_tree else "alone"
            return run, f"after {seconds:.2f} s {how}, after {last[0][10:70].strip()!r}"

        return self._chain([lambda seconds=seconds, tree=tree: kill(seconds, tree) for seconds, tree in moments])

    def _chain(self, kills: Sequence[Callable[[], tuple[Run, str]]]) -> Finding:
        self.arena.forget()
        self.arena.deploy()
        began, killed, told = time.monotonic(), 0, []
        for kill in kills:
            run, moment = kill()
            killed += run.process.returncode == -signal.SIGKILL
            told.append(moment + ("" if run.process.returncode == -signal.SIGKILL else " (was over by then)"))
        differences = self._differences()
        if differences:
            self.arena.furnish()
        return Finding(tuple(told), killed, tuple(differences), time.monotonic() - began)

    def _differences(self) -> list[str]:
        """Run the command once more, and compare."""
        again = self.arena.start()
        status = again.wait()
        found = [] if status == 0 else [f"the last run ended with {status}: {again.output[-1500:]}"]
        world = self.arena.world()
        return found + [
            f"{name}: {world[name]!r}, undisturbed {self.undisturbed[name]!r}"
            for name in world
            if world[name] != self.undisturbed[name]
        ]


def all_boundaries(killer: Killer, length: int) -> Iterator[Callable[[], Finding]]:
    """Every boundary once, in chains of ``length``, each chain spread over the whole rollback."""
    chains = -(-len(killer.tasks) // length)
    for first in range(chains):
        yield lambda first=first: killer.at_boundaries(killer.tasks[first::chains])


def random_moments(killer: Killer, length: int, seed: int) -> Iterator[Callable[[], Finding]]:
    """Chains of moments within an undisturbed run, without end; every second kill takes the workers along."""
    chance = random.Random(seed)
    while True:
        chain = sorted((chance.uniform(0, killer.seconds), number % 2 == 1) for number in range(length))
        yield lambda chain=chain: killer.at_moments(chain)
