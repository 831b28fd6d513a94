# SPDX-License-Identifier: GPL-3.0-or-later
"""Container registries (the distribution API of OCI): whether an image can still be pulled."""
