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
  - Rollbacks that go in circles are held back, if O(rollback) tells what is to be rolled back. Triggers give way to a
    rollback that was only just done, to a release that was rolled back too often and to a release that is out for too
    long to be blamed; people are told of these and may go on. Nobody but who breaks the glass returns to a release
    that was rolled back itself.
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
      - Name of the person who asks for the rollback. Where two roles decide together this is wanted, and the requester
        is neither.
    type: str
    default: ""
  reason:
    description: What is wrong, in a sentence; goes into the notices and the report.
    type: str
    default: ""
  break_glass:
    description:
      - Roll back whatever triggers, decision makers and records of earlier rollbacks say. Needs a O(reason), warns
        loudly, and is told as such in the run record, the notices and the report.
    type: bool
    default: false
  rollback:
    description: The rollback that is decided on; nothing is held back where this is not given.
    type: dict
    suboptions:
      release:
        description: The release that would be rolled back.
        type: str
        required: true
      previous:
        description: The release that it would return to.
        type: str
        required: true
      service:
        description: The service; only run records of the same one count.
        type: str
        required: true
      environment:
        description: Where it would be rolled back. O(cooldown) and O(attempts) count run records from there only.
        type: str
        required: true
      deployed_at:
        description:
          - When each application came to run the release, as RV(octalume.rollback.k8s_rollout_info#module:workloads)
            tells it.
        type: list
        elements: str
        default: []
  records:
    description: RV(octalume.rollback.rollback_record_info#module:records) of the service, of every release.
    type: list
    elements: dict
    default: []
  cooldown:
    description: For how many minutes after a rollback of the service triggers start no other one; V(0) for none.
    type: float
    default: 0
  attempts:
    description: How often triggers roll back one release at most; V(0) for any number.
    type: int
    default: 0
  recent_hours:
    description: For how many hours after its deployment triggers roll a release back; V(0) for ever.
    type: float
    default: 0
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

- name: Let the triggers decide, but not in circles
  octalume.rollback.rollback_decision_info:
    triggers: "{{ triggers.checks }}"
    conditions: "{{ conditions }}"
    rollback:
      release: 1.4.2
      previous: 1.4.1
      service: shop
      environment: eu-west
      deployed_at: "{{ live.workloads | map(attribute='deployed_at') | select }}"
    records: "{{ earlier.records }}"
    cooldown: 10
    attempts: 3
    recent_hours: 24

- name: Roll back against every rule
  octalume.rollback.rollback_decision_info:
    conditions: "{{ conditions }}"
    break_glass: true
    decided_by: "Duty Manager: Rae Novak"
    reason: Prometheus is down and nobody can pay
"""

RETURN = r"""
decision:
  description: The decision, as it goes into the run record.
  returned: success
  type: dict
  contains:
    kind:
      description: V(automatic), V(manual) or V(break_glass).
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
    decided_at:
      description: When it was decided, in UTC.
      type: str
      sample: "2026-11-23T18:15:02.000Z"
    makers:
      description: Who decided; empty for an automatic decision.
      type: list
      elements: str
      sample: ["Kim Reyes (Security Lead)"]
    requester:
      description: Who asked for the rollback; only when O(condition) was given.
      type: str
      sample: Sam Ode
    evidence:
      description: The triggers with their verdicts; empty for a manual decision.
      type: list
      elements: dict
      sample: []
    overridden:
      description: What spoke against the rollback and was overridden by its makers.
      type: list
      elements: str
      sample: ["release 1.4.2 was rolled back 3 times already (at most 3), so something keeps deploying it"]
objections:
  description: What holds a decided rollback back.
  returned: failure
  type: list
  elements: str
  sample: ["release 1.4.1, which this rollback returns to, is quarantined: it was rolled back itself"]
triggers:
  description: What the triggers said, when none of them fired.
  returned: failure
  type: list
  elements: dict
  sample: [{name: error_rate, verdict: pass, message: error rate is 0.00}]
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release import damping
from ansible_collections.octalume.rollback.plugins.module_utils._release import decision as decide

ROLLBACK = {
    "release": {"type": "str", "required": True},
    "previous": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "deployed_at": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "triggers": {"type": "list", "elements": "dict", "default": []},
        "conditions": {"type": "dict", "required": True},
        "condition": {"type": "str", "default": ""},
        "decided_by": {"type": "str", "default": ""},
        "requester": {"type": "str", "default": ""},
        "reason": {"type": "str", "default": ""},
        "break_glass": {"type": "bool", "default": False},
        "rollback": {"type": "dict", "options": ROLLBACK},
        "records": {"type": "list", "elements": "dict", "default": []},
        "cooldown": {"type": "float", "default": 0},
        "attempts": {"type": "int", "default": 0},
        "recent_hours": {"type": "float", "default": 0},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Find the decision or say what it would take."""
    wanted, now = call.params, datetime.now(UTC)
    against = _objections(call, now)
    people = (wanted["decided_by"], wanted["requester"])
    if wanted["break_glass"]:
        found = decide.by_breaking_glass(*people, call.caller, wanted["reason"])
    elif wanted["condition"]:
        found = decide.by_condition(wanted["condition"], wanted["conditions"], *people, wanted["reason"])
    else:
        found = decide.by_trigger(wanted["triggers"], now) or {}
    if not found:
        raise decide.refuse(wanted["triggers"], wanted["conditions"])
    found = decide.weigh(found, against, now)
    if wanted["break_glass"]:
        call.warn(f"{found['reason']}. No trigger and no decision maker was asked.")
    for text in found["overridden"]:
        call.warn(f"Rolling back although {text}.")
    return {"changed": False, "decision": found}


def _objections(call: Call, now: datetime) -> tuple[damping.Objection, ...]:
    wanted = call.params
    if not wanted["rollback"]:
        return ()
    names = {key: wanted["rollback"][key] for key in ("release", "previous", "service", "environment")}
    deployed = tuple(damping.moment(text, "deployed_at") for text in wanted["rollback"]["deployed_at"])
    limits = damping.Limits(
        cooldown=timedelta(minutes=wanted["cooldown"]),
        attempts=wanted["attempts"],
        recent=timedelta(hours=wanted["recent_hours"]),
    )
    return damping.objections(damping.Wanted(**names, deployed_at=deployed), wanted["records"], limits, now)


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
