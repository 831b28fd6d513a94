# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs M(octalume.rollback.registry_image_info) in the control process."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.modules import registry_image_info as module
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess


class ActionModule(InProcess):
    """Run M(octalume.rollback.registry_image_info) in the control process."""

    module = module
