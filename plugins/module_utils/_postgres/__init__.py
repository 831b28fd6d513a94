# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: proven backups, restores that are swapped in, and checks that the data are all still there."""
