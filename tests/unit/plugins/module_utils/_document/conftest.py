# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that can be rolled back, and a rollback that worked, as plain data for tests to take pieces from."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils._document.data import Json, plan_data, run_record


@pytest.fixture
def plan() -> Json:
    """Everything a plan is made of, with nothing missing."""
    return plan_data()


@pytest.fixture
def record() -> Json:
    """The run record of a rollback that worked."""
    return run_record()
