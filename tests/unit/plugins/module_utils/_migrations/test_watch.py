# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tables were locked, from looks at the locks."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.watch import EVERY, Held


def test_the_longest_time_in_one_piece_counts() -> None:
    held = Held()
    for now, tables in ((0.0, ["a"]), (0.5, ["a", "b"]), (1.0, ["b"]), (1.1, ["a"]), (1.2, [])):
        held.saw(tables, now)
    assert held.longest == {"a": pytest.approx(0.5 + EVERY), "b": pytest.approx(0.5 + EVERY)}
