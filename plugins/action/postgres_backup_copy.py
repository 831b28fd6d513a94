# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs octalume.rollback.postgres_backup_copy in the control process when its target is the control node."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import postgres_backup_copy as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """Run M(octalume.rollback.postgres_backup_copy) in the control process."""

    module = module
