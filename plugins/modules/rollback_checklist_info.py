#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_checklist_info
version_added: 0.1.0
short_description: Go through the checklist before a rollback
description:
  - Checks every item of section 3 of the plan against what was observed, and says what shows it. Somebody may
    acknowledge an item by name, which is kept.
  - Asks no server; it judges what other modules found.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  data:
    description:
      - What was observed, as O(octalume.rollback.rollback_document#module:data) of a plan takes it.
      - The issue is documented by C(issue), a link or a text, and C(decided) says that the decision is made.
    type: dict
    required: true
  acknowledged:
    description:
      - Who takes an item on themselves, by item, with C(who) and C(note), or the name alone. The items are C(issue),
        C(stakeholders), C(artifacts), C(team), C(maintenance), and those of O(items).
      - An item that is none, and an entry without a name, are refused.
    type: dict
    default: {}
  items:
    description: More items, which no machine can check.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is acknowledged by.
        type: str
        required: true
      text:
        description: What has to be so.
        type: str
        required: true
  required:
    description: Items without which a rollback does not start.
    type: list
    elements: str
    default: [issue, artifacts]
"""

EXAMPLES = r"""
- name: Go through the checklist
  octalume.rollback.rollback_checklist_info:
    data: "{{ observed }}"
    acknowledged:
      team:
        who: Kim Reyes
        note: I am alone, and can do it
    items:
      - name: vendor
        text: Tell the payment provider
    required: [issue, artifacts, team, vendor]
  register: checked
"""

RETURN = r"""
checklist:
  description: The items in the template's order, and then those of O(items).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: What it is called.
      type: str
      sample: team
    text:
      description: What has to be so.
      type: str
      sample: Ensure rollback team is available
    state:
      description: V(ready), V(not ready), V(attention) or V(to do).
      type: str
      sample: ready
    evidence:
      description: What shows it.
      type: str
      sample: "available now: Ann Lee (DBA)"
    who:
      description: Who has acknowledged it; empty if nobody has.
      type: str
      sample: ""
    note:
      description: What they said.
      type: str
      sample: ""
unmet:
  description: Required items that are neither so nor acknowledged, each with what to do.
  returned: success
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._document.checklist import (
    acknowledging,
    checklist,
    unmet,
)
from ansible_collections.octalume.rollback.plugins.module_utils._document.readiness import judge
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

ITEM = {"name": {"type": "str", "required": True}, "text": {"type": "str", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "data": {"type": "dict", "required": True},
        "acknowledged": {"type": "dict", "default": {}},
        "items": {"type": "list", "elements": "dict", "default": [], "options": ITEM},
        "required": {"type": "list", "elements": "str", "default": ["issue", "artifacts"]},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Judge each item."""
    given = {key: call.params[key] for key in ("acknowledged", "items")}
    data = {**call.params["data"], **given}
    items = checklist(data, judge(data))
    return {
        "changed": False,
        "checklist": [item.to_json() for item in items],
        "unmet": [
            f"{item.text}: {item.evidence or 'nobody has said so'} (to go on all the same: {acknowledging(item)})"
            for item in unmet(items, call.params["required"])
        ],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
