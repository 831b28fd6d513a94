# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox for disturbed rollbacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.arena import Arena
from tests.sandbox.fixtures import Sandbox


@pytest.fixture
def arena_of(sandbox: Sandbox) -> Callable[[str], Arena]:
    """An arena for a scope, with the release out and nobody at work."""

    def begin(scope: str) -> Arena:
        arena = Arena(sandbox.endpoints, sandbox.scratch / scope, scope)
        arena.furnish()
        arena.deploy()
        return arena

    return begin
