# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks among all that goes wrong around them: killed at any moment, started twice, with broken neighbours."""
