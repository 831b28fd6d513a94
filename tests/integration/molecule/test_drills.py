# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's drills: one of them in every run of the suite (`make drills` holds all), and what all of them have."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
DRILLS = ROOT / "extensions/molecule"
SCENARIOS = sorted(path.parent.name for path in DRILLS.glob("*/molecule.yml"))


def test_every_drill_is_told_of() -> None:
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/how-to/drills.md").read_text(), re.MULTILINE)
    assert sorted(told) == SCENARIOS


def test_every_drill_is_held_by_ci() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert set(jobs["drills"]["strategy"]["matrix"]["drill"]) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_drill_says_only_what_it_breaks(name: str) -> None:
    folder = DRILLS / name
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files <= {
        *("molecule.yml", "converge.yml", "inventory/hosts.yml", "inventory/group_vars/regions.yml"),
        *("vars/drill.yml", "tasks/break.yml", "tasks/mend.yml", "tasks/verify.yml"),
    }
    known = yaml.safe_load((DRILLS / "shared/vars/drill.yml").read_text())
    own = yaml.safe_load((folder / "vars/drill.yml").read_text())
    assert {key for key in own if key.startswith("drill_")} <= set(known)


@pytest.mark.sandbox
@pytest.mark.timeout(900)
def test_a_drill_is_green() -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    for name in ("SANDBOX_DIR", "ANSIBLE_CONFIG"):
        environment.pop(name, None)
    done = subprocess.run(
        [BIN / "molecule", "test", "--no-command-borders", "--scenario-name", "vault_sealed"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=850, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-6000:]
    for line in ("ok    version served: 1.4.1", "ok    schema: migration 41", "idempotence] Executed: Successful"):
        assert line in output
