# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where run records are kept, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that read or write run records."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Keep records as ConfigMaps in this namespace of the cluster.
    type: str
  directory:
    description: Keep records as files in this folder, where there is no cluster.
    type: path
"""
