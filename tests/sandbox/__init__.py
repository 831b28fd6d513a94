# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox: an embedded production stack on loopback, for demos, drills and tests."""
