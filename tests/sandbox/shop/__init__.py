# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo service: a small web shop, versions 1.4.0 to 1.4.4 from one code base."""
