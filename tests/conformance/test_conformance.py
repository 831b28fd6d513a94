# SPDX-License-Identifier: GPL-3.0-or-later
"""Every emulator answers as the recorded server did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance import JUDGES

FEWEST = 250  # exchanges; fewer would mean that recordings are missing


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", JUDGES)
def test_every_compared_exchange_matches(name: str, score: Callable[[int, int], None]) -> None:
    matched, compared, lines = JUDGES[name]()
    score(matched, compared)
    assert compared > FEWEST
    assert matched == compared, "\n".join(line for line in lines if "differs" in line)
