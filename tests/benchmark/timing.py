# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs side by side and says what they took: wall and CPU seconds, peak memory, medians, ratios."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LIMIT = 900  # seconds for one program


@dataclass(frozen=True)
class Sample:
    """What one run of a program took: seconds, CPU seconds with all it started and waited for, peak kB of a process."""

    wall: float
    cpu: float
    memory: int


def shell() -> dict[str, str]:
    """The variables of a shell in which the tools of this checkout are found first."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1"}


def run(argv: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Sample:
    """Run a program to its end; raises RuntimeError with the end of its output if it fails."""
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > LIMIT:
                process.kill()
            time.sleep(0.005)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return Sample(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def in_turn(rounds: int, sides: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """Every side once a round, one after the other, so that all of them see the same machine."""
    found: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
            wall, cpu = found[name][-1].wall, found[name][-1].cpu
            print(f"   {number + 1} of {rounds}: {name:24} {wall:7.2f} s, CPU {cpu:6.2f} s", flush=True)
    return found


def figures(samples: Iterable[Sample]) -> dict[str, float]:
    """Medians, as they go into the table."""
    taken = list(samples)
    return {
        "wall_seconds": round(statistics.median(sample.wall for sample in taken), 2),
        "cpu_seconds": round(statistics.median(sample.cpu for sample in taken), 2),
        "memory_mb": round(max(sample.memory for sample in taken) / 1024),
        "rounds": len(taken),
    }


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> dict[str, float]:
    """Median, least and greatest of the rounds' ratios."""
    found = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    return {
        "median": round(statistics.median(found), 2),
        "least": round(found[0], 2),
        "greatest": round(found[-1], 2),
    }


def machine() -> dict[str, Any]:
    """What it was measured on."""
    tools = (
        ("ansible-core", [BIN / "ansible", "--version"]),
        ("pg_dump", ["pg_dump", "--version"]),
        ("kubectl", ["kubectl", "version", "--client"]),
        ("prometheus", ["prometheus", "--version"]),
    )
    return {
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: _first_line(argv) for name, argv in tools},
    }


def _first_line(argv: Sequence[str | Path]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()
