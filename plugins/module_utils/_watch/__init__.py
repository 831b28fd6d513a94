# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching a release: its triggers asked again and again until one fires."""
