#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_lock
version_added: 0.1.0
short_description: Let one rollback run at a time
description:
  - Holds or releases a Lease of the cluster, or a file where there is no cluster. Whoever finds it held is told by
    whom, since when, and how to go on if the holder is known to be dead.
  - A lock whose holder was a process of this machine that has ended is taken at once. That of any other holder is
    watched for the duration it was taken for, and taken if it is not renewed meanwhile. Clocks of different machines
    are never compared, so they may differ by any amount.
  - Environments of one run that share a lock are told apart like two runs.
  - Tasks that are given RV(fence) as their option C(lock) renew it while they work, and write nothing once it is
    somebody else's.
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
    description: V(present) takes or renews the lock, V(absent) releases it if it is ours, or if its
      holder was a process of this machine that has ended.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the Lease or file; one for everything that must not be rolled back at the same time.
    type: str
    required: true
  namespace:
    description: Keep the lock as a Lease in this namespace of the cluster.
    type: str
  directory:
    description: Keep the lock as a file in this folder, where there is no cluster.
    type: path
  duration:
    description:
      - Seconds after which a lock that was not renewed counts as abandoned. It is renewed four times as often.
    type: int
    default: 60
  holder:
    description:
      - Who we are, as RV(holder) of an earlier task says. Without it, user, host, control process and inventory host.
    type: str
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
  register: locked

- name: Change something only while the lock is ours
  octalume.rollback.k8s_maintenance:
    lock: "{{ locked.fence | combine({'connection': kubernetes_connection}) }}"
    service:
      name: api-server
      namespace: production
      selector: {app: maintenance}

- name: Let others in again
  octalume.rollback.rollback_lock:
    state: absent
    name: rollback-shop
    namespace: production
    holder: "{{ locked.holder }}"
"""

RETURN = r"""
holder:
  description: Who holds the lock now; empty after a release. On failure, who holds it instead.
  returned: always
  type: str
  sample: dana@ops-1/4711-5f0c12ab-8812345:eu-west
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
fence:
  description: What other tasks take as their option C(lock), together with C(connection) for a cluster.
  returned: when O(state=present)
  type: dict
  contains:
    name:
      description: Name of the lock.
      type: str
    namespace:
      description: Where it is kept.
      type: str
    directory:
      description: Where it is kept.
      type: str
    holder:
      description: Who holds it.
      type: str
    token:
      description: The fencing token.
      type: int
    duration:
      description: Seconds for which it is taken.
      type: int
  sample:
    name: rollback-shop
    namespace: production
    directory: null
    holder: dana@ops-1/4711-5f0c12ab-8812345:eu-west
    token: 3
    duration: 60
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.lease import Latch, name_of
from ansible_collections.octalume.rollback.plugins.module_utils._release.shelf import open_shelf
from ansible_collections.octalume.rollback.plugins.module_utils._release.store import STORE_ARGUMENTS

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str", "required": True},
        "duration": {"type": "int", "default": 60},
        "take_over": {"type": "bool", "default": False},
        "holder": {"type": "str"},
        **STORE_ARGUMENTS["options"],
        **AUTH_ARGUMENTS,
    },
    "mutually_exclusive": STORE_ARGUMENTS["mutually_exclusive"],
    "required_one_of": STORE_ARGUMENTS["required_one_of"],
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Take, renew or release the lock."""
    wanted = call.params
    latch = Latch(open_shelf(wanted, wanted, call.warn), call.progress)
    me = wanted.get("holder") or name_of(call.caller, call.environment)
    if wanted["state"] == "absent":
        return latch.release(me, call.check_mode)
    taken = latch.take(me, wanted["duration"], wanted["take_over"], call.check_mode)
    place = {name: wanted.get(name) for name in ("name", "namespace", "directory", "duration")}
    return {**taken, "fence": {**place, "holder": me, "token": taken["token"]}}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
