# SPDX-License-Identifier: GPL-3.0-or-later
"""Every outside system, broken in every way in which it breaks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.arena import ROOT
from tests.chaos.matrix import Matrix, run
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox
PATIENT = ("hangs", "refused", "500s", "429s", "slow", "drips")  # take as long as a step's patience is


def test_every_fault_that_is_told_quickly_ends_in_success_or_in_its_name(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.endpoints["external"]["kubernetes"]:
        pytest.skip("the proxy needs the key of the API server")
    shutil.copy(sandbox.directory / "kubernetes/server.pem", tmp_path)
    with Matrix(sandbox.endpoints, tmp_path / "matrix") as matrix, ThreadPoolExecutor(8) as pool:
        cells = [cell for cell in matrix.cells() if os.environ.get("CHAOS") or cell.fault.name not in PATIENT]
        outcomes = list(pool.map(run, cells))
    assert len(outcomes) > (60 if os.environ.get("CHAOS") else 30)
    for outcome in outcomes:
        print(outcome)
    assert [str(outcome) for outcome in outcomes if not outcome.good] == []


def test_a_disk_that_a_backup_fills_up(sandbox: Sandbox, tmp_path: Path) -> None:
    """A real one, in a mount namespace of its own."""
    alone = ["unshare", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own")
    disk = tmp_path / "disk"
    disk.mkdir()
    port = sandbox.endpoints["postgres"]["port"]
    params = Matrix(sandbox.endpoints, tmp_path / "matrix").backup(port, disk / "shop.dump")
    argv = [*alone, sys.executable, "-m", "tests.chaos.full_disk", json.dumps(params)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'collections'}"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    without_room, filled, with_room = json.loads(done.stdout)
    assert str(disk) in without_room[0]
    assert "free space there or choose another path" in without_room[0]
    assert str(disk) in filled[0]
    assert "No space left on device" in filled[0]
    assert without_room[1] == filled[1] == []
    assert with_room == ["success", ["shop.dump", "shop.dump.json"]]
