# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's Vault against exchanges recorded on a real one."""

from tests.conformance.vault.replay import run

__all__ = ["run"]
