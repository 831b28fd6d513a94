#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_maintenance
version_added: 0.1.0
short_description: Switch maintenance mode on or off
description:
  - Sends a Service's traffic to maintenance pods and back, or sets the value of a ConfigMap's key that the application
    watches.
  - The selector that a Service had is kept in its annotation C(rollback.octalume.io/selector), so that any later run
    finds it.
  - A Service without a selector is refused, because its endpoints were made by hand and would be lost. One that was
    turned away from the maintenance pods is turned there again, with a warning that names who did it.
  - Traffic is never sent to pods of which none is ready, in either direction. It is waited for O(timeout) seconds.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.kubernetes
  - kubernetes.core.k8s_auth_options
  - octalume.rollback.lock
options:
  state:
    description: Whether maintenance is on.
    type: str
    choices: [present, absent]
    default: present
  service:
    description: The Service to switch.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      selector:
        description: Labels of the maintenance pods.
        type: dict
        required: true
  config_map:
    description: The ConfigMap that holds the switch.
    type: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      key:
        description: The key of its data that is the switch.
        type: str
        required: true
      value_on:
        description: The value that means maintenance.
        type: str
        default: "true"
      value_off:
        description: The value that means service.
        type: str
        default: "false"
  timeout:
    description: Seconds to wait for a ready pod.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Show the maintenance page
  octalume.rollback.k8s_maintenance:
    service:
      name: api-server
      namespace: production
      selector: {app: maintenance}

- name: Serve again
  octalume.rollback.k8s_maintenance:
    state: absent
    service:
      name: api-server
      namespace: production
      selector: {app: maintenance}

- name: Use the application's own maintenance mode
  octalume.rollback.k8s_maintenance:
    config_map:
      name: shop-flags
      namespace: production
      key: maintenance
"""

RETURN = r"""
enabled:
  description: Whether maintenance is on now; in check mode, whether it would be.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.maintenance import Maintenance
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

NAMED: dict[str, Any] = {"name": {"type": "str", "required": True}, "namespace": {"type": "str", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "service": {"type": "dict", "options": {**NAMED, "selector": {"type": "dict", "required": True}}},
        "config_map": {
            "type": "dict",
            "options": {
                **NAMED,
                "key": {"type": "str", "required": True, "no_log": False},
                "value_on": {"type": "str", "default": "true"},
                "value_off": {"type": "str", "default": "false"},
            },
        },
        "timeout": {"type": "int", "default": 60},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
    "required_one_of": [("service", "config_map")],
    "mutually_exclusive": [("service", "config_map")],
}


def run(call: Call) -> dict[str, Any]:
    """Decide on the switch and set it."""
    on = call.params["state"] == "present"
    maintenance = Maintenance(
        ApiServer(connect(call.params, call.warn), fence=call.fence), call.params, call.params["timeout"]
    )
    switch = maintenance.set(on=on, dry_run=call.check_mode)
    if switch.note:
        call.warn(switch.note)
    return {
        "changed": bool(switch.patch),
        "enabled": on,
        "diff": {
            "before_header": switch.path,
            "after_header": switch.path,
            "before": switch.before,
            "after": switch.after,
        },
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
