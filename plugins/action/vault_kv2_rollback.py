# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs vault_kv2_rollback in the control process."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import vault_kv2_rollback as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.vault_action import VaultAction


class ActionModule(VaultAction):
    """Run M(octalume.rollback.vault_kv2_rollback) in the control process."""

    module = module
