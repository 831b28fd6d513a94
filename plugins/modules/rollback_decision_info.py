#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_decision_info
version_added: 0.1.0
short_description: Decide whether a rollback may start
description:
  - A rollback starts when an automatic trigger has fired, or when a manual condition was judged by the people who may
    judge it. Anything else fails, and says what would be needed.
  - Triggers are asked by M(octalume.rollback.prometheus_threshold_info) and M(octalume.rollback.http_probe_info); this
    module asks no server.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  triggers:
    description:
      - What the automatic triggers said, each with C(name), C(verdict) and C(message), and C(held), the seconds for
        which its state has been bad. A verdict of V(fail) fires.
    type: list
    elements: dict
    default: []
  conditions:
    description:
      - The manual conditions, by name. Each has a C(text) and C(makers), the roles that decide together.
    type: dict
    required: true
  condition:
    description: Name of the condition that people found to hold; empty to leave the decision to the triggers.
    type: str
    default: ""
  decided_by:
    description: Who decided, as C(Role:) C(Name), several with commas between them.
    type: str
    default: ""
  requester:
    description:
      - Name of the person who asks for the rollback. Where two roles decide together, the requester is neither.
    type: str
    default: ""
  reason:
    description: What is wrong, in a sentence; goes into the notices and the report.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: The security lead has decided
  octalume.rollback.rollback_decision_info:
    conditions:
      security_vulnerability:
        text: Security vulnerability
        makers: [Security Lead]
    condition: security_vulnerability
    decided_by: "Security Lead: Kim Reyes"
    reason: Tokens of other users are shown on the order page
"""

RETURN = r"""
decision:
  description: The decision, as it goes into the run record.
  returned: success
  type: dict
  contains:
    kind:
      description: V(automatic) or V(manual).
      type: str
      sample: manual
    condition:
      description: The condition that holds; only when O(condition) was given.
      type: str
      sample: security_vulnerability
    reason:
      description: What is wrong.
      type: str
      sample: Tokens of other users are shown on the order page
    detected_at:
      description: Since when the first of the fired triggers has seen its bad state, in UTC; only if automatic.
      type: str
      sample: "2026-11-23T18:10:00.000Z"
    makers:
      description: Who decided; empty for an automatic decision.
      type: list
      elements: str
      sample: ["Kim Reyes (Security Lead)"]
    evidence:
      description: The triggers with their verdicts; empty for a manual decision.
      type: list
      elements: dict
      sample: []
triggers:
  description: What the triggers said, when none of them fired.
  returned: failure
  type: list
  elements: dict
  sample: [{name: error_rate, verdict: pass, message: error rate is 0.00}]
"""

from datetime import UTC, datetime
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release import decision as decide

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "triggers": {"type": "list", "elements": "dict", "default": []},
        "conditions": {"type": "dict", "required": True},
        "condition": {"type": "str", "default": ""},
        "decided_by": {"type": "str", "default": ""},
        "requester": {"type": "str", "default": ""},
        "reason": {"type": "str", "default": ""},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Find the decision or say what it would take."""
    wanted = call.params
    if wanted["condition"]:
        found = decide.by_condition(
            wanted["condition"], wanted["conditions"], wanted["decided_by"], wanted["requester"], wanted["reason"]
        )
    else:
        found = decide.by_trigger(wanted["triggers"], datetime.now(UTC)) or {}
    if not found:
        raise decide.refuse(wanted["triggers"], wanted["conditions"])
    return {"changed": False, "decision": found}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
