# SPDX-License-Identifier: GPL-3.0-or-later
"""The short form of what `make chaos` does to every outside system: its wire breaks in the middle of a rollback."""

from __future__ import annotations

import pytest

from tests.chaos.arena import WHOLE, Arena
from tests.chaos.cut import CUTS, rolled_back
from tests.chaos.kills import Killer
from tests.sandbox.fixtures import Sandbox

pytestmark = pytest.mark.sandbox


def test_a_vault_that_goes_away_in_the_middle_is_told_and_gone_on_with(sandbox: Sandbox) -> None:
    if sandbox.endpoints["external"]["vault"]:
        pytest.skip("the versions of this Vault are not those of a sandbox")
    killer = Killer(Arena(sandbox.endpoints, sandbox.scratch / "cut", WHOLE))
    found = rolled_back(killer, next(cut for cut in CUTS if cut.system == "Vault"))
    assert found.differences == ()
    assert found.moments == ("Vault refused after backup: told",)
