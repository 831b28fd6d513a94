# SPDX-License-Identifier: GPL-3.0-or-later
"""A release: its manifest, the decision to undo it, and the run record of doing so."""
