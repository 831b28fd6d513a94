# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets for what a rollback leaves to do, in the tracker that the team uses."""
