# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated Kubernetes answers as the recorded one did."""

import pytest

from tests.conformance.kubernetes import run

pytestmark = pytest.mark.timeout(240)


def test_every_compared_exchange_matches() -> None:
    matched, compared, lines = run()
    assert compared > 250, lines
    assert matched == compared, "\n".join(line for line in lines if line.startswith("differs"))
