# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals: signatures over a release manifest, made and checked by OpenSSH."""
