# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: every benchmark, one after the other, as one table and one JSON file. Nothing in it passes or fails.

PYTHONPATH=.:collections .venv/bin/python -m tests.benchmark [FILE.json]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmark import checks, environments, postgres_backup, rollback
from tests.benchmark.timing import ROOT, ratio

ROUNDS = 5
GIGABYTES = 1.0
ENVIRONMENTS, DEPLOYMENTS = 50, 20
CHECKS = 1000


def spread(found: Mapping[str, float]) -> str:
    """``1.21 (1.10 to 1.35)``."""
    return f"{found['median']:.2f} ({found['least']:.2f} to {found['greatest']:.2f})"


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What was measured, what it was found to be, and what it should be."""
    yield from rollbacks(found["rollback"])
    yield from fleets(found["environments"])
    yield from check_runs(found["checks"])
    yield from backups(found["backup"])


def rollbacks(race: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The playbooks, and the script."""
    for size, wanted in (("tiny database", "1.2"), ("large database", "0.4")):
        for side in ("careful script", "octalume.rollback"):
            figures = race[size][side]
            yield f"{size}, {side}", f"{figures['wall_seconds']} s, CPU {figures['cpu_seconds']} s", ""
        yield f"{size}, wall against the script", spread(race[size]["wall_ratio"]), f"at most {wanted}"
    yield "memory of the control process", f"{race['large database']['octalume.rollback']['memory_mb']} MB", "flat"
    yield "second run", f"{race['playbooks']['second run']['wall_seconds']} s", ""
    for playbook in ("plan.yml", "record.yml"):
        yield playbook, f"{race['playbooks'][playbook]['wall_seconds']} s", "under 3 s"


def fleets(fleet: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Many environments, and many deployments."""
    one, many = fleet["one environment"], fleet[f"{ENVIRONMENTS} environments"]
    yield "one environment", f"{one['wall_seconds']} s, CPU {one['cpu_seconds']} s", "CPU at most 1.5 s"
    yield f"{ENVIRONMENTS} environments", f"{many['wall_seconds']} s, CPU {many['cpu_seconds']} s", ""
    yield "CPU of each of them against one", spread(fleet["cpu_of_each_against_one"]), "at most 1.1"
    yield f"{DEPLOYMENTS} deployments against one, wall", spread(fleet["deployments_against_one"]), "about 1"
    more = fleet["seconds_more_for_deployments"]
    figure = f"{more['octalume.rollback']} s more; kubectl {more['kubectl']} s"
    yield f"{DEPLOYMENTS} deployments instead of one", figure, "what the cluster takes"


def check_runs(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Many checks in one call."""
    for name, figures in found.items():
        yield f"{CHECKS} checks, {name}", f"{figures['wall_seconds']} s, {figures['queries']} queries", "at most 2 s"


def backups(found: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, str, str]]:
    """Backup, proof by reading and restore, against what is done by hand."""
    plain, custom = ([rows[number] for rows in found] for number in (0, 1))
    ours = [row for rows in found for row in rows if row["name"] == postgres_backup.DEFAULT]
    for name, key, theirs, wanted in (
        ("backup and proof against pg_dump > file", "wall", plain, "1.2"),
        ("backup and proof against pg_dump -Fc and a read", "wall", custom, "0.3"),
        ("size against pg_dump > file", "size", plain, "0.45"),
        ("restore against psql", "restore", plain, "0.7"),
    ):
        yield name, spread(ratio([row[key] for row in ours], [row[key] for row in theirs])), f"at most {wanted}"


def main() -> None:
    """Measure, print, write. What is there is written after each part: an hour is long."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".cache/benchmark.json"
    path.parent.mkdir(exist_ok=True)
    parts: dict[str, Callable[[], Any]] = {
        "rollback": lambda: rollback.measure(ROUNDS, GIGABYTES),
        "checks": lambda: checks.measured(CHECKS),
        "backup": lambda: [[asdict(row) for row in rows] for rows in postgres_backup.measured(GIGABYTES, ROUNDS)],
        "environments": lambda: environments.measure(ENVIRONMENTS, DEPLOYMENTS, ROUNDS),
    }
    found: dict[str, Any] = {}
    for part, measure in parts.items():
        print(f"{part}:", flush=True)
        found[part] = measure()
        path.write_text(json.dumps(found, indent=2) + "\n")
    for what, figure, wanted in rows(found):
        print(f"{what:48} {figure:34} {wanted}")
    print(f"all figures: {path}")


if __name__ == "__main__":
    main()
