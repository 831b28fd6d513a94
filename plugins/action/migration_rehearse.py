# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs octalume.rollback.migration_rehearse in the control process when its target is the control node."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import migration_rehearse as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """Run M(octalume.rollback.migration_rehearse) in the control process."""

    module = module
