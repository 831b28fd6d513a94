#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does all of the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate_variables
version_added: 0.1.0
short_description: Checks the variables of roles before the first of them is needed
description:
  - Holds the variables of an inventory and of C(-e) against the argument specifications of roles of this collection, of
    all of them in one task, before anything is touched. Ansible itself checks a role's when it comes to the role, which
    for a rollback is after the service was stopped.
  - A variable whose value is made of something that is not known yet is left to the task that uses it.
  - Warns of a name that no role knows, if it looks like one that a role does know.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  entry_points:
    description: The roles, and the ways into them, that will be used.
    type: list
    elements: dict
    required: true
    suboptions:
      role:
        description: Name of a role of this collection, such as V(database).
        type: str
        required: true
      tasks:
        description: The way into it.
        type: str
        default: main
notes:
  - Runs on the control node, as it reads the variables of the play.
"""

EXAMPLES = r"""
- name: Check what the inventory says about the backup before the service is stopped
  octalume.rollback.validate_variables:
    entry_points:
      - {role: application, tasks: quiesce}
      - {role: database, tasks: backup}
"""

RETURN = r"""
checked:
  description: The variables that were set and whose values were checked.
  returned: always
  type: list
  elements: str
  sample: [application_timeout, database_backup_directory]
"""
