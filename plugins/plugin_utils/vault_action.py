# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the Vault modules take their connection options from the variables community.hashi_vault's plugins know."""

from __future__ import annotations

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._vault.login import CONNECTION
from ansible_collections.octalume.rollback.plugins.plugin_utils.in_process import InProcess

PREFIX = "ansible_hashi_vault_"
OTHER_NAMES = {"url": (f"{PREFIX}url", f"{PREFIX}addr")}


class VaultAction(InProcess):
    """Base of the action plugins of Vault modules: a task's own argument wins, then variables, then the environment."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fill in what the task does not say from ``ansible_hashi_vault_<option>``, then run the module."""
        known = task_vars or {}
        for option, spec in CONNECTION.items():
            if any(name in self._task.args for name in (option, *spec.get("aliases", ()))):
                continue
            for name in OTHER_NAMES.get(option, (f"{PREFIX}{option}",)):
                if known.get(name) is not None:
                    self._task.args[option] = self._templar.template(known[name])
                    break
        return super().run(tmp, task_vars)
