# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the same rollback twice at once: one of them does it, the other one says so and changes nothing."""

from __future__ import annotations

import time

from tests.chaos.arena import Arena
from tests.chaos.kills import Finding, Killer

DONE, ALREADY = "is rolled back to", "already: nothing was changed"
TOLD = ("holds the lock", "at the same moment", "another run has worked on")


def both(killer: Killer, arena: Arena) -> Finding:
    """One round; what differs from a single rollback."""
    arena.forget()
    arena.deploy()
    began = time.monotonic()
    runs = [arena.start(), arena.start()]
    for run in runs:
        run.wait()
    winners = [run for run in runs if DONE in run.output and ALREADY not in run.output]
    losers = [run for run in runs if run not in winners]
    found = [] if len(winners) == 1 else [f"{len(winners)} winners:\n" + "\n".join(run.output[-800:] for run in runs)]
    for run in losers:
        if ALREADY not in run.output and not any(words in run.output for words in TOLD):
            found.append(f"the other one said:\n{run.output[-800:]}")
    world = arena.world()
    found += [f"{name}: {world[name]!r}" for name in world if world[name] != killer.undisturbed[name]]
    return Finding(("two at once",), 0, tuple(found), time.monotonic() - began)
