#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_document
version_added: 0.1.0
short_description: Write the rollback plan, the incident report or the history of rollbacks
description:
  - Renders plain data as Markdown and, beside it, as one HTML page that needs nothing else, fits a phone, prints, and
    follows the reader's light or dark theme.
  - The same data give the same files, so that they can be reviewed and compared. Text from the data stays text.
  - The plan says what stands in the way of a rollback, and marks it where it belongs.
  - An incident report that is written again keeps what people have written below C(Root cause).
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
options:
  kind:
    description:
      - V(plan) for the nine sections of the plan, V(incident) for the report of one run record, V(history) for all of
        them, with a CSV file.
    type: str
    choices: [plan, incident, history]
    required: true
  data:
    description:
      - What the document tells.
      - A V(plan) wants C(manifest) and C(environment), and, in the order of the manifest, what
        M(octalume.rollback.k8s_rollout_info) (C(applications)), M(octalume.rollback.migration_info) (C(databases), with
        C(name)) and M(octalume.rollback.vault_kv2_rollback_info) (C(configurations)) found; C(left) as
        M(octalume.rollback.rollback_plan_info) returns it, and C(problems).
        It may have C(cluster_configurations) (of M(octalume.rollback.k8s_configuration_info)), C(triggers),
        C(conditions), C(maintenance), C(backup_directory), C(backups) (C(name), C(problem)), C(smoke_tests),
        C(monitoring), C(channels), C(contacts), C(approvals), C(approval_required), C(records), C(manifest_path) and
        C(manifest_sha256).
      - An V(incident) wants C(manifest) and C(record). It may have C(triggers) and C(monitoring), the checks as
        M(octalume.rollback.prometheus_threshold_info) returns them with their samples, C(contacts) with
        C(on_duty), and C(tickets), each with a C(link) or a C(problem).
      - A V(history) wants C(records) and C(now), an ISO 8601 time.
    type: dict
    required: true
  path:
    description: The Markdown file; the page, the table and the invitation are written beside it.
    type: path
    required: true
  meeting:
    description: The post-mortem; the report of an V(incident) then comes with an invitation, C(post-mortem.ics).
    type: dict
    suboptions:
      start:
        description: When it begins, in ISO 8601. Any other text gives no invitation.
        type: str
      minutes:
        description: How long it is.
        type: int
        default: 60
      organizer:
        description: E-mail address of whoever invites; without one it is an entry that nobody answers.
        type: str
      attendees:
        description: E-mail addresses of those who are invited.
        type: list
        elements: str
        default: []
requirements:
  - jinja2
  - icalendar >= 6
"""

EXAMPLES = r"""
- name: Write the incident report, and the invitation to the post-mortem
  octalume.rollback.rollback_document:
    kind: incident
    path: "/var/lib/rollback/{{ record.id }}/incident-report.md"
    data:
      manifest: "{{ release.manifest }}"
      record: "{{ record }}"
      triggers: "{{ metrics.checks }}"
    meeting:
      start: "2026-11-25T10:00:00Z"
      organizer: sre@example.com
      attendees: [team@example.com]

- name: Write the history
  octalume.rollback.rollback_document:
    kind: history
    path: /var/lib/rollback/history.md
    data:
      records: "{{ all_records.records }}"
      now: "{{ now(utc=true).isoformat() }}"
"""

RETURN = r"""
files:
  description: The files of the document, the Markdown first.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/rollback/history.md, /var/lib/rollback/history.html, /var/lib/rollback/history.csv]
ready:
  description: Whether the release can be rolled back now.
  returned: when O(kind=plan)
  type: bool
  sample: true
problems:
  description: Everything that stands in the way.
  returned: when O(kind=plan)
  type: list
  elements: str
  sample: []
attention:
  description: What does not stand in the way, and yet should be looked at.
  returned: when O(kind=plan)
  type: list
  elements: str
  sample: ["no smoke test is defined: nothing would prove that the service works"]
summary:
  description: Figures over all run records; durations in seconds, null where there is nothing to count from.
  returned: when O(kind=history)
  type: dict
  contains:
    rollbacks:
      description: How many there were, without drills.
      type: int
      sample: 4
    drills:
      description: How many drills there were.
      type: int
      sample: 12
    failed:
      description: How many of both failed.
      type: int
      sample: 1
    median:
      description: Median time to restore, without drills.
      type: float
      sample: 32.1
    worst:
      description: Longest time to restore, without drills.
      type: float
      sample: 61.5
    rollback_proven_days_ago:
      description: Days since a rollback last ended well.
      type: int
      sample: 41
    drill_median:
      description: Median time to restore of drills.
      type: float
      sample: 28.4
    drill_worst:
      description: Longest time to restore of drills.
      type: float
      sample: 33.9
    drill_proven_days_ago:
      description: Days since a drill last ended well.
      type: int
      sample: 3
    proven_days_ago:
      description: Days since a rollback or drill last ended well.
      type: int
      sample: 3
"""

from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._document import files, papers
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module

MEETING = {
    "start": {"type": "str"},
    "minutes": {"type": "int", "default": 60},
    "organizer": {"type": "str"},
    "attendees": {"type": "list", "elements": "str", "default": []},
}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "kind": {"type": "str", "choices": ["plan", "incident", "history"], "required": True},
        "data": {"type": "dict", "required": True},
        "path": {"type": "path", "required": True},
        "meeting": {"type": "dict", "options": MEETING},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Render, compare with what is there, write what differs."""
    path = Path(call.params["path"])
    made = papers.make(call.params["kind"], call.params["data"], path, call.params["meeting"])
    stale = files.differing(made.contents)
    result: dict[str, Any] = {"changed": bool(stale), "files": list(map(str, made.contents)), **made.told}
    if call.diff and path in stale:
        before = (files.read(path) or b"").decode(errors="replace")
        after = made.contents[path].decode()
        result["diff"] = {"before": before, "after": after, "before_header": str(path), "after_header": str(path)}
    if not call.check_mode:
        for place in stale:
            files.write(place, made.contents[place])
    return result


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
