#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_record
version_added: 0.1.0
short_description: Write the run record of a rollback
description:
  - The run record is the durable journal of one rollback. It holds what the world forgets, such as who decided and why,
    when each step started and ended, and which notices went out.
  - It is kept in a ConfigMap of the cluster, so that it survives the control node; or in a file where there is no
    cluster.
  - A rollback that was interrupted is taken up in the record it began with.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.record
  - kubernetes.core.k8s_auth_options
  - octalume.rollback.lock
attributes:
  diff_mode:
    support: none
    description: The result holds the whole record.
  idempotent:
    support: partial
    description: Opening takes up the unfinished record; every note is a new entry with its own time.
options:
  state:
    description:
      - V(open) begins a record, or takes up the unfinished one of the same release and environment.
      - V(noted) writes down O(steps), O(notices) and O(facts).
      - V(completed), V(failed) and V(aborted) end it, after writing down what they are given. One that has failed is
        taken up again by the next run; the others are not.
    type: str
    choices: [open, noted, completed, failed, aborted]
    default: noted
  keep:
    description:
      - How many records of the environment are kept when one ends. Older ones are deleted, unless their rollback has
        not ended well. All are kept where not set.
    type: int
  release:
    description: The release that is rolled back.
    type: str
    required: true
  environment:
    description: Where it is rolled back.
    type: str
    required: true
  seen:
    description:
      - The C(digest) that M(octalume.rollback.rollback_record_info) returned for O(release) and O(environment) when the
        run looked at them. With O(state=open), nothing is opened if another run has written since.
    type: str
  header:
    description: C(previous), C(service) and C(document) of the manifest; wanted when the record is opened.
    type: dict
  decision:
    description: The decision to roll back, as M(octalume.rollback.rollback_decision_info) returns it.
    type: dict
    default: {}
  steps:
    description: Steps to write down.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the step.
        type: str
        required: true
      status:
        description: What happened to it. The first start and the last end of a step are kept.
        type: str
        choices: [started, done, failed]
        required: true
      details:
        description: What was found; added to what the step has.
        type: dict
        default: {}
  notices:
    description: Identifiers of notices that went out.
    type: list
    elements: str
    default: []
  facts:
    description: Whatever else has to be known later; added to what there is.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Begin the record, or take up the one of an interrupted run
  octalume.rollback.rollback_record:
    namespace: production
    release: 1.4.2
    environment: eu-west
    state: open
    header:
      previous: 1.4.1
      service: shop
      document: P7-ROLLBACK-142
    decision: "{{ decision }}"

- name: The database is about to change
  octalume.rollback.rollback_record:
    namespace: production
    release: 1.4.2
    environment: eu-west
    steps:
      - name: downgrade
        status: started
"""

RETURN = r"""
record:
  description: The record as it stands now.
  returned: success
  type: dict
  contains:
    id:
      description: Name of the record.
      type: str
      sample: 1.4.2-20261123t181500z
    release:
      description: The release that is rolled back.
      type: str
      sample: 1.4.2
    previous:
      description: The release that is gone back to.
      type: str
      sample: 1.4.1
    service:
      description: The service, as the manifest names it.
      type: str
      sample: shop
    document:
      description: The rollback document, as the manifest names it.
      type: str
      sample: P7-ROLLBACK-142
    environment:
      description: Where it is rolled back.
      type: str
      sample: eu-west
    status:
      description: V(running), V(completed), V(failed) or V(aborted).
      type: str
      sample: running
    opened_at:
      description: When the rollback began, in UTC.
      type: str
      sample: "2026-11-23T18:15:00.000Z"
    opened_by:
      description: Who ran it first.
      type: str
      sample: anna@control-1
    closed_at:
      description: When it ended, in UTC; null while it is under way.
      type: str
      sample: "2026-11-23T18:15:32.125Z"
    decision:
      description: The decision of the run that began it.
      type: dict
    steps:
      description: The steps with C(name), C(status), C(started_at), C(ended_at) and C(details).
      type: list
      elements: dict
    notices:
      description: Identifiers of the notices that went out.
      type: list
      elements: str
    facts:
      description: All of O(facts) that were written down.
      type: dict
    number:
      description:
        - Counts the rollbacks of the environment. The record with the largest one is the newest, as the clocks of
          several control nodes differ.
      type: int
      sample: 7
pruned:
  description: Identifiers of the records that were deleted.
  returned: success
  type: list
  elements: str
  sample: []
resumed:
  description: Whether the record of an interrupted run was taken up.
  returned: success
  type: bool
  sample: false
where:
  description: The file, or the command that shows the ConfigMap.
  returned: success
  type: str
  sample: kubectl get configmap rollback-1.4.2-20261123t181500z -n production -o yaml
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release import record as journal
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import (
    STORE_ARGUMENTS,
    Store,
    open_store,
)

STEP = {
    "name": {"type": "str", "required": True},
    "status": {"type": "str", "required": True, "choices": ["started", "done", "failed"]},
    "details": {"type": "dict", "default": {}},
}
STATES = ("open", "noted", journal.COMPLETED, journal.FAILED, journal.ABORTED)
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "state": {"type": "str", "choices": list(STATES), "default": "noted"},
        "keep": {"type": "int"},
        "release": {"type": "str", "required": True},
        "environment": {"type": "str", "required": True},
        "seen": {"type": "str"},
        "header": {"type": "dict"},
        "decision": {"type": "dict", "default": {}},
        "steps": {"type": "list", "elements": "dict", "default": [], "options": STEP},
        "notices": {"type": "list", "elements": "str", "default": []},
        "facts": {"type": "dict", "default": {}},
        **STORE_ARGUMENTS["options"],
        **AUTH_ARGUMENTS,
    },
    "required_if": [("state", "open", ("header",))],
    "mutually_exclusive": STORE_ARGUMENTS["mutually_exclusive"],
    "required_one_of": STORE_ARGUMENTS["required_one_of"],
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Load, take the next state, save."""
    wanted, now = call.params, datetime.now(UTC)
    store = open_store(wanted, call.fence, call.warn)
    records = store.load()
    before = journal.unfinished(records, wanted["release"], wanted["environment"])
    if wanted["state"] == "open":
        _demand_as_seen(wanted, records)
        after = journal.resume(before, wanted["decision"]) if before else _begin(call, now, records)
    elif before:
        after = before
    elif call.check_mode:
        after = _begin(call, now, records)
    else:
        raise RollbackError(f"no run record is open for release {wanted['release']} in {wanted['environment']}")
    after = journal.remember(journal.note(after, wanted["steps"], now), wanted["notices"], wanted["facts"])
    gone: list[journal.RunRecord] = []
    if wanted["state"] not in ("open", "noted"):
        after = journal.close(after, wanted["state"], now)
        gone = _beyond(wanted, [after, *(one for one in records if one.id != after.id)])
    changed = after != before
    if changed and not call.check_mode:
        store.save(after)
        gone = [record for record in gone if _removed(call, store, record)]
    return {
        "changed": changed,
        "record": after.to_json(),
        "resumed": before is not None,
        "pruned": [record.id for record in gone],
        "where": store.where(after),
    }


def _demand_as_seen(wanted: Mapping[str, Any], records: list[journal.RunRecord]) -> None:
    release, environment = wanted["release"], wanted["environment"]
    if wanted.get("seen") not in (None, journal.digest(journal.of(records, release, environment))):
        raise RollbackError(
            f"another run has worked on the rollback of {release} in {environment} since this one looked at it; "
            "nothing was changed by this one. Run again: it looks afresh"
        )


def _removed(call: Call, store: Store, record: journal.RunRecord) -> bool:
    """Whether the record could be deleted; one that could not does not make the rollback fail that has just ended."""
    try:
        store.remove(record)
    except RollbackError as error:
        call.warn(f"the run record {record.id} could not be pruned: {error.message}")
        return False
    return True


def _beyond(wanted: Mapping[str, Any], records: list[journal.RunRecord]) -> list[journal.RunRecord]:
    keep = wanted.get("keep")
    if keep is None:
        return []
    if keep < 1:
        raise RollbackError("keep must be at least 1: the record that ends is never deleted")
    return journal.to_prune(records, wanted["environment"], keep)


def _begin(call: Call, now: datetime, records: list[journal.RunRecord]) -> journal.RunRecord:
    wanted = call.params
    begun = journal.RunRecord(
        id=journal.new_id(wanted["release"], wanted["environment"], now),
        release=wanted["release"],
        environment=wanted["environment"],
        opened_at=journal.timestamp(now),
        opened_by=call.caller,
        decision=wanted["decision"],
        **{key: str((wanted["header"] or {}).get(key, "")) for key in ("previous", "service", "document")},
    )
    return journal.numbered(begun, records)


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
