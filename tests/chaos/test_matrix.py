# SPDX-License-Identifier: GPL-3.0-or-later
"""Every outside system, broken in every way in which it breaks."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.chaos.matrix import Matrix, run
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox
PATIENT = ("hangs", "refused", "500s", "429s", "slow")  # take as long as a step's patience is


def test_every_fault_that_is_told_quickly_ends_in_success_or_in_its_name(sandbox: Sandbox, tmp_path: Path) -> None:
    if sandbox.endpoints["external"]["kubernetes"]:
        pytest.skip("the proxy needs the key of the API server")
    shutil.copy(sandbox.directory / "kubernetes/server.pem", tmp_path)
    cells = [
        cell
        for cell in Matrix(sandbox.endpoints, tmp_path / "matrix").cells()
        if os.environ.get("CHAOS") or cell.fault.name not in PATIENT
    ]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(run, cells))
    assert len(outcomes) > (60 if os.environ.get("CHAOS") else 30)
    for outcome in outcomes:
        print(outcome)
    assert [str(outcome) for outcome in outcomes if not outcome.good] == []
