# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's Kubernetes against exchanges recorded on a real one."""

from tests.conformance.kubernetes.replay import run

__all__ = ["run"]
