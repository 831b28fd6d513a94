#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_record_info
version_added: 0.1.0
short_description: Read the run records of rollbacks
description:
  - Lists the run records, the newest first, and finds the one that an interrupted rollback left behind.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.record
  - kubernetes.core.k8s_auth_options
options:
  release:
    description: Only records of this release.
    type: str
  environment:
    description: Only records of this environment.
    type: str
"""

EXAMPLES = r"""
- name: Is there a rollback that did not finish?
  octalume.rollback.rollback_record_info:
    namespace: production
    release: 1.4.2
    environment: eu-west
  register: records
"""

RETURN = r"""
records:
  description: The records, the newest first.
  returned: success
  type: list
  elements: dict
  sample: []
digest:
  description:
    - Stands for what O(release) and O(environment) have in records now. Given to
      M(octalume.rollback.rollback_record) as C(seen), it keeps a run from acting on what another one has changed
      meanwhile.
  returned: success
  type: str
  sample: 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945
unfinished:
  description:
    - The newest record, if its rollback did not end well; a re-run goes on with it.
    - Only with O(release) and O(environment).
  returned: success
  type: dict
  sample: null
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release import record as journal
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import STORE_ARGUMENTS, open_store

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "release": {"type": "str"},
        "environment": {"type": "str"},
        **STORE_ARGUMENTS["options"],
        **AUTH_ARGUMENTS,
    },
    "mutually_exclusive": STORE_ARGUMENTS["mutually_exclusive"],
    "required_one_of": STORE_ARGUMENTS["required_one_of"],
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """List the records."""
    release, environment = call.params["release"], call.params["environment"]
    every = open_store(call.params, warn=call.warn).load()
    records = journal.of(every, release, environment)
    open_one = journal.unfinished(records, release, environment) if release and environment else None
    return {
        "changed": False,
        "records": [record.to_json() for record in records],
        "digest": journal.digest(records),
        "unfinished": open_one.to_json() if open_one else None,
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
