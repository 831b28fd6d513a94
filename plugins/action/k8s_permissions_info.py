# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs M(octalume.rollback.k8s_permissions_info) in the control process."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import k8s_permissions_info as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """Run M(octalume.rollback.k8s_permissions_info) in the control process."""

    module = module
