# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema migrations: one interface to the tools that run them, and what going down would cost."""
