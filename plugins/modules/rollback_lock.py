#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_lock
version_added: 0.1.0
short_description: Let one rollback run at a time
description:
  - Holds or releases a Lease of the cluster. Whoever finds it held is told by whom, since when, and how to go on if
    the holder is known to be dead.
  - A lock whose time is over is taken, and so is one whose holder was a process of this machine that has ended.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - kubernetes.core.k8s_auth_options
attributes:
  diff_mode:
    support: none
    description: There is nothing to compare.
options:
  state:
    description: V(present) takes or renews the lock, V(absent) releases it if it is ours.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the Lease; one for everything that must not be rolled back at the same time.
    type: str
    required: true
  namespace:
    description: Namespace of the Lease.
    type: str
    required: true
  duration:
    description: Seconds after which a lock that was not renewed counts as abandoned.
    type: int
    default: 900
  take_over:
    description: Take the lock from its holder.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: One rollback of the shop at a time
  octalume.rollback.rollback_lock:
    name: rollback-shop
    namespace: production
"""

RETURN = r"""
holder:
  description: Who holds the lock now; empty after a release. On failure, who holds it instead.
  returned: always
  type: str
  sample: dana@ops-1/4711
token:
  description: The fencing token; it grows with every change of holder.
  returned: when O(state=present)
  type: int
  sample: 3
why:
  description: Why the lock was ours to take, V(free), V(mine), V(expired), V(dead) or V(taken over).
  returned: when O(state=present)
  type: str
  sample: free
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.lease import Latch
from ansible_collections.octalume.rollback.plugins.module_utils._release.lock import Holder

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "duration": {"type": "int", "default": 900},
        "take_over": {"type": "bool", "default": False},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Take, renew or release the lock."""
    wanted = call.params
    latch = Latch(ApiServer(connect(wanted)), wanted["namespace"], wanted["name"])
    me = Holder.parse(call.caller)
    if wanted["state"] == "absent":
        return latch.release(me, call.check_mode)
    return latch.take(me, wanted["duration"], wanted["take_over"], call.check_mode)


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
