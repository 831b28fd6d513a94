# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that every test may ask for."""

from tests.sandbox.fixtures import fresh_sandbox, sandbox

__all__ = ["fresh_sandbox", "sandbox"]
