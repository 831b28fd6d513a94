# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs M(octalume.rollback.rollback_checklist_info) in the control process."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import rollback_checklist_info as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """Run M(octalume.rollback.rollback_checklist_info) in the control process."""

    module = module
