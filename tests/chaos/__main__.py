# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.chaos kill|twice|cut|all``: disturbs rollbacks in a sandbox for a bounded time; tells figures."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.arena import APPLICATION, ROOT, WHOLE, Arena
from tests.chaos.cut import cuts
from tests.chaos.kills import Finding, Killer, all_boundaries, random_moments
from tests.chaos.twice import both
from tests.sandbox.supervisor import down, up


def say(text: str) -> None:
    """One line, at once."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def attempt(what: str, tries: Iterable[Callable[[], Finding]], deadline: float, enough: float = math.inf) -> bool:
    """Try until there is nothing left, ``enough`` kills have come to something, or ``deadline`` is over.

    Whether the world was always as it has to be.
    """
    done: list[Finding] = []
    late = False
    for one in tries:
        late = time.monotonic() > deadline
        if late or sum(found.kills for found in done) >= enough:
            break
        found = one()
        done.append(found)
        say(f"{'FAIL' if found.differences else 'ok  '} {found.seconds:5.1f} s, {found.kills} kills")
        for line in (*found.moments, *found.differences) if found.differences else found.moments:
            say(f"       {line}")
    good = [found for found in done if not found.differences]
    say(
        f"{what}: {sum(found.kills for found in done)} kills in {len(done)} rollbacks, of which {len(good)} ended as "
        f"undisturbed{'; no more for lack of time' if late else ''}"
    )
    return len(good) == len(done)


def kill(given: argparse.Namespace, arena: Arena) -> bool:
    """Boundaries, then random moments."""
    deadline = time.monotonic() + given.budget
    killer = Killer(arena)
    say(f"undisturbed: {killer.seconds:.1f} s, {len(killer.tasks)} tasks; {killer.undisturbed}")
    boundaries = list(all_boundaries(killer, given.chain))[given.skip :] if given.boundaries else []
    good = attempt("killed at task boundaries", boundaries, deadline)
    moments = random_moments(killer, given.chain, given.seed)
    return attempt("killed at random moments", moments, deadline, given.random) and good


def twice(given: argparse.Namespace, arena: Arena) -> bool:
    """Two at once, again and again."""
    deadline = time.monotonic() + given.budget
    killer = Killer(arena)
    return attempt("two at once", (lambda: both(killer, arena) for _round in range(given.rounds)), deadline)


def cut(given: argparse.Namespace, arena: Arena) -> bool:
    """The wire to each outside system, in the middle of a rollback."""
    return attempt("cut off in the middle", cuts(Killer(arena)), time.monotonic() + given.budget)


def everything(given: argparse.Namespace, endpoints: Mapping[str, Any], scratch: Path) -> bool:
    """What `make chaos` does, in slices of the budget."""
    words = [sys.executable, "-m", "pytest", "--quiet", "--numprocesses", "0", "--timeout", "1200", "tests/chaos"]
    environment = {**os.environ, "CHAOS": "1", "CHAOS_CASES": "1500", "SANDBOX_DIR": endpoints["directory"]}
    say("paused holders, races, the matrix of faults, aborted rollbacks, 12,000 cases of properties")
    good = subprocess.run(words, cwd=ROOT, env=environment, check=False, timeout=1800).returncode == 0
    budget = given.budget
    say("wires that break in the middle")
    good = cut(given, Arena(endpoints, scratch / "cut", WHOLE)) and good
    given.budget = budget * 0.7
    say("kills of a release with migrations")
    good = kill(given, Arena(endpoints, scratch / WHOLE, WHOLE)) and good
    given.budget = budget * 0.3
    say("two at once, of a release without")
    return twice(given, Arena(endpoints, scratch / APPLICATION, APPLICATION)) and good


def main() -> int:
    """Do what the command line says; 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("kill", help="kill rollbacks and finish them")
    one.add_argument("--scope", choices=[WHOLE, APPLICATION], default=WHOLE)
    one.add_argument("--no-boundaries", dest="boundaries", action="store_false")
    one.add_argument("--skip", type=int, default=0, help="chains of boundaries to leave out, from the first on")
    one.add_argument("--chain", type=int, default=6, help="kills of one rollback")
    one.add_argument("--random", type=int, default=100)
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--budget", type=float, default=3000, help="seconds after which nothing new is begun")
    one.add_argument("--directory", type=Path, help="a running sandbox, instead of one of its own")
    two = commands.add_parser("twice", help="start rollbacks twice at once")
    two.add_argument("--scope", choices=[WHOLE, APPLICATION], default=APPLICATION)
    broken = commands.add_parser("cut", help="break the wires of rollbacks and finish them")
    broken.add_argument("--scope", choices=[WHOLE], default=WHOLE)
    whole = commands.add_parser("all", help="all of it")
    whole.set_defaults(boundaries=True, skip=0, chain=8, random=100, seed=1)
    for command in (two, whole):
        command.add_argument("--rounds", type=int, default=50)
    for command in (two, broken, whole):
        command.add_argument("--budget", type=float, default=4200, help="seconds after which nothing new is begun")
        command.add_argument("--directory", type=Path, help="a running sandbox, instead of one of its own")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        directory = (given.directory or Path(scratch) / "stack").absolute()
        endpoints = up(directory, bound=given.directory is None)
        try:
            runs = Path(scratch) / "runs"
            if given.command == "all":
                good = everything(given, endpoints, runs)
            else:
                good = {"kill": kill, "twice": twice, "cut": cut}[given.command](
                    given, Arena(endpoints, runs, given.scope)
                )
        finally:
            if given.directory is None:
                down(directory)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
