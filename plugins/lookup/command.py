# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup that finds the next command to type."""

from __future__ import annotations

DOCUMENTATION = r"""
name: command
version_added: 0.1.0
short_description: The command that runs a playbook of this collection
description:
  - Returns what to type to run another playbook for a release, in the way in which the playbook that runs was typed.
    That is a file beside it or a name of the collection, with the same inventory. In AWX it names the playbook whose
    job template is to be launched.
author: The octalume.rollback authors (@octalume)
options:
  _terms:
    description: The playbook, such as V(rollback) or V(restore).
    type: list
    elements: str
    required: true
  version:
    description: The release.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say how the data come back
  ansible.builtin.debug:
    msg: "They come back by {{ lookup('octalume.rollback.command', 'restore', version='1.4.2') }}"
"""

RETURN = r"""
_raw:
  description: The command of each playbook.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible import context
from ansible.plugins.lookup import LookupBase
from ansible_collections.octalume.rollback.plugins.plugin_utils.command_line import another

AWX = ("awx_job_id", "tower_job_id")


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look it up."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """One command for each playbook."""
        self.set_options(var_options=variables, direct=kwargs)
        version = self.get_option("version")
        if any(name in (variables or {}) for name in AWX):
            return [f"launching AWX's job template of playbooks/{term}.yml with version {version}" for term in terms]
        return [another(context.CLIARGS, term, version) for term in terms]
