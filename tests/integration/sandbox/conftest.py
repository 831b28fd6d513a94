# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the sandbox's own tests."""

from tests.sandbox.fixtures import fresh_sandbox, sandbox

__all__ = ["fresh_sandbox", "sandbox"]
