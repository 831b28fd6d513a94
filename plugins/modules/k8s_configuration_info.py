#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_configuration_info
version_added: 0.1.0
short_description: Prove that pods run with the expected configuration, without showing it
description:
  - Compares the data of a Secret, or the environment of every pod of a workload, with keyed hashes of the expected
    values.
  - The values are read (of pods through the exec API, without a terminal) and appear nowhere, only the names of the
    keys do.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.kubernetes
  - kubernetes.core.k8s_auth_options
options:
  targets:
    description: Where to look, each either a Secret or a workload. All are looked at at the same time.
    type: list
    elements: dict
    required: true
    suboptions:
      secret:
        description: Name of a Secret.
        type: str
      kind:
        description: Kind of a workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      name:
        description: Name of a workload.
        type: str
      namespace:
        description: Namespace of either.
        type: str
        required: true
      container:
        description: Container to look into; the first one of the pod where not given. It needs the program C(env).
        type: str
  digests:
    description: HMAC-SHA256, in hexadecimal digits, of the expected value of each key, under O(digest_key).
    type: dict
    required: true
  digest_key:
    description: Key of the hashes.
    type: str
    required: true
  prefix:
    description:
      - Tell the names of keys with this prefix that nobody expects, such as C(APP_). They do not change the verdict.
    type: str
    default: ""
  timeout:
    description: Seconds to wait until everything matches; V(0) looks once.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: See that the pods run with configuration version 6
  octalume.rollback.k8s_configuration_info:
    targets:
      - secret: app-config
        namespace: production
      - name: api-server
        namespace: production
    digests: "{{ config.digests }}"
    digest_key: "{{ config.digest_key }}"
    prefix: APP_
    timeout: 60
  register: configuration
  failed_when: configuration.verdict != "pass"
"""

RETURN = r"""
verdict:
  description: V(pass) if all targets match, V(fail) if one does not, V(error) if one could not be looked at.
  returned: success
  type: str
  sample: pass
targets:
  description:
    - One entry for each entry of O(targets), with its C(verdict), the number of C(pods) that were looked into, the
      C(matched), C(differing), C(missing) and C(unexpected) keys, and an C(error) or null.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Deployment
      name: api-server
      namespace: production
      container: null
      verdict: fail
      pods: 3
      matched: [APP_CURRENCY]
      differing: [APP_DB_URL]
      missing: []
      unexpected: [APP_NEW_FLAG]
      error: null
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.configuration import Checker, Target
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "targets": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "secret": {"type": "str", "no_log": False},
                "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
                "name": {"type": "str"},
                "namespace": {"type": "str", "required": True},
                "container": {"type": "str"},
            },
            "required_one_of": [("secret", "name")],
            "mutually_exclusive": [("secret", "name")],
        },
        "digests": {"type": "dict", "required": True},
        "digest_key": {"type": "str", "required": True, "no_log": True},
        "prefix": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 0},
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Look at all targets until they match or time is up."""
    params = call.params
    if not params["digests"]:
        raise RollbackError("digests is empty: nothing would be compared, and nothing proved")
    targets = [
        Target(one["namespace"], secret=one["secret"])
        if one["secret"]
        else Target(one["namespace"], kind=one["kind"], name=one["name"], container=one["container"])
        for one in params["targets"]
    ]
    checker = Checker(ApiServer(connect(params)), params["digests"], params["digest_key"], params["prefix"])
    return {"changed": False, **checker.check(targets, params["timeout"])}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
