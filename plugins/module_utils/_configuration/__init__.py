# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMaps and Secrets of a release: recorded with it, brought back with it, and their users checked."""
