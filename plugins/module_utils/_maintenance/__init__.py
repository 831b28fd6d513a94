# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance modes outside the cluster: a switch behind an HTTP address, or a command."""
