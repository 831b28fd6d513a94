#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_maintenance
version_added: 0.1.0
short_description: Switch a maintenance mode on or off by an HTTP call or a command
description:
  - For maintenance modes outside the cluster, such as that of a load balancer, a content network or an application.
    Those inside are for M(octalume.rollback.k8s_maintenance).
  - A switch that can be asked is asked before, so that nothing is done twice, and after, so that it is proven.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.web
  - octalume.rollback.lock
attributes:
  idempotent:
    support: partial
    description: A switch that cannot be asked (C(ask)) is set every time.
options:
  state:
    description: Whether maintenance is on.
    type: str
    choices: [present, absent]
    default: present
  http:
    description: A switch that requests set.
    type: dict
    suboptions:
      enable:
        description: The request that turns maintenance on.
        type: dict
        required: true
        suboptions: &request
          url:
            description: Its address.
            type: str
            required: true
          method:
            description: Its method.
            type: str
            choices: [GET, POST, PUT, PATCH, DELETE]
            default: POST
          headers:
            description: More headers.
            type: dict
          body:
            description: Its body.
            type: str
          body_json:
            description: Its body, sent as JSON.
            type: raw
          status:
            description: Status codes that mean that it is done; those from 200 to 299 where not given.
            type: list
            elements: int
            default: []
      disable:
        description: The request that turns it off.
        type: dict
        required: true
        suboptions: *request
      ask:
        description: How to ask whether it is on; the answer is JSON.
        type: dict
        suboptions:
          url:
            description: Address of a C(GET).
            type: str
            required: true
          path:
            description: JSON path of the value that tells.
            type: str
            required: true
          equals:
            description: What stands there when maintenance is on.
            type: raw
            default: true
  command:
    description: A switch that programs set. They are started without a shell.
    type: dict
    suboptions:
      enable:
        description: Program and arguments that turn maintenance on.
        type: list
        elements: str
        required: true
      disable:
        description: Program and arguments that turn it off.
        type: list
        elements: str
        required: true
      ask:
        description: Program and arguments that end with 0 where maintenance is on, and with 1 where it is off.
        type: list
        elements: str
      chdir:
        description: Folder to start them in.
        type: path
      environment:
        description: More environment variables. Never shown; the place for passwords.
        type: dict
"""

EXAMPLES = r"""
- name: Let the load balancer answer for the service
  octalume.rollback.rollback_maintenance:
    bearer_token: "{{ balancer_token }}"
    http:
      enable:
        url: https://balancer.example.com/api/services/shop/maintenance
        method: PUT
        body_json: {enabled: true}
      disable:
        url: https://balancer.example.com/api/services/shop/maintenance
        method: PUT
        body_json: {enabled: false}
      ask:
        url: https://balancer.example.com/api/services/shop/maintenance
        path: $.enabled

- name: Serve again
  octalume.rollback.rollback_maintenance:
    state: absent
    command:
      enable: [/usr/local/bin/maintenance, "on", shop]
      disable: [/usr/local/bin/maintenance, "off", shop]
      ask: [/usr/local/bin/maintenance, is-on, shop]
"""

RETURN = r"""
enabled:
  description: Whether maintenance is on now; in check mode, whether it would be.
  returned: success
  type: bool
  sample: true
proven:
  description: Whether the switch itself was asked.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import (
    SHORTEST,
    http_options,
    secret_fields,
    secret_headers,
)
from ansible_collections.octalume.rollback.plugins.module_utils._maintenance.client import (
    WORDS,
    ByCommand,
    OverHttp,
    Switch,
    turn,
)
from ansible_collections.octalume.rollback.plugins.module_utils._maintenance.model import command_switch, http_switch
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

REQUEST: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "choices": ["GET", "POST", "PUT", "PATCH", "DELETE"], "default": "POST"},
    "headers": {"type": "dict"},
    "body": {"type": "str"},
    "body_json": {"type": "raw"},
    "status": {"type": "list", "elements": "int", "default": []},
}
ASK: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "equals": {"type": "raw", "default": True},
}
ONE: dict[str, Any] = {"type": "dict", "required": True, "options": REQUEST}
ARGV: dict[str, Any] = {"type": "list", "elements": "str", "required": True}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "http": {"type": "dict", "options": {"enable": ONE, "disable": ONE, "ask": {"type": "dict", "options": ASK}}},
        "command": {
            "type": "dict",
            "options": {
                "enable": ARGV,
                "disable": ARGV,
                "ask": {"type": "list", "elements": "str"},
                "chdir": {"type": "path"},
                "environment": {"type": "dict"},
            },
        },
        **http_options(),
    },
    "required_one_of": [("http", "command")],
    "mutually_exclusive": [("http", "command")],
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Ask the switch, and turn it if it stands the other way."""
    wanted = call.params["state"] == "present"
    switch = _switch(call)
    call.fence()
    before, changed = turn(switch, on=wanted, dry_run=call.check_mode)
    result: dict[str, Any] = {"changed": changed, "enabled": wanted, "proven": before is not None}
    if call.diff and changed:
        was = "not known" if before is None else WORDS[before]
        result["diff"] = {
            "before_header": switch.name,
            "after_header": switch.name,
            "before": f"maintenance: {was}\n",
            "after": f"maintenance: {WORDS[wanted]}\n",
        }
    return result


def _switch(call: Call) -> Switch:
    params = call.params
    call.secrets.update(secret_headers(params["headers"]))
    if params["http"]:
        for end in ("enable", "disable"):
            call.secrets.update(secret_headers(params["http"][end]["headers"]))
            call.secrets.update(secret_fields(params["http"][end]["body_json"]))
        return OverHttp(http_switch(params["http"]), HttpClient(Connection.from_params(params)))
    hidden = map(str, (params["command"]["environment"] or {}).values())
    call.secrets.update(text for text in hidden if len(text) >= SHORTEST)
    return ByCommand(command_switch(params["command"]), params["timeout"])


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
