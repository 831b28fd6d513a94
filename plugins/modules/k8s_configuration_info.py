#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_configuration_info
version_added: 0.1.0
short_description: Prove that pods run with the expected configuration, without showing it
description:
  - Two questions may be asked, also both at once. O(targets) asks whether values are the ones of given hashes.
    O(configurations) asks whether the ConfigMaps and Secrets of a release are what they were before it, and whether the
    pods of O(workloads) that use them have noticed.
  - Compares the data of a Secret, or the environment of every pod of a workload, with keyed hashes of the expected
    values.
  - The values are read (of pods through the exec API, without a terminal) and appear nowhere, only the names of the
    keys do.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.kubernetes
  - octalume.rollback.configuration
  - octalume.rollback.configuration.entries
  - kubernetes.core.k8s_auth_options
  - octalume.rollback.lock
options:
  targets:
    description: Where to look, each either a Secret or a workload. All are looked at at the same time.
    type: list
    elements: dict
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
    description: >-
      HMAC-SHA256, in hexadecimal digits, of the expected value of each key, under O(digest_key).
      Wanted with O(targets).
    type: dict
  digest_key:
    description: Key of the hashes. Wanted with O(targets).
    type: str
  prefix:
    description:
      - Tell the names of keys with this prefix that nobody expects, such as C(APP_). They do not change the verdict.
    type: str
    default: ""
  timeout:
    description: Seconds to wait until all of O(targets) match; V(0) looks once.
    type: int
    default: 0
  workloads:
    description:
      - Workloads whose pods are looked into, if they use one of O(configurations). Variables are compared with what the
        ConfigMap or Secret holds; of files it is asked whether the pod started after they were restored.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
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

- name: See that the ConfigMaps are what they were, and that the pods run with them
  octalume.rollback.k8s_configuration_info:
    configurations: "{{ release.manifest.cluster_configurations }}"
    workloads:
      - name: api-server
        namespace: production
  register: configuration
"""

RETURN = r"""
verdict:
  description:
    - V(pass) if all targets match, all configurations are the previous ones and all consumers run with them; V(fail) if
      one does not; V(error) if one could not be looked at.
  returned: success
  type: str
  sample: pass
targets:
  description:
    - One entry for each entry of O(targets), with its C(verdict), the number of C(pods) that were looked into, the
      C(matched), C(differing), C(missing) and C(unexpected) keys, and an C(error) or null.
  returned: with O(targets)
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
configurations:
  description: One entry for each entry of O(configurations), as M(octalume.rollback.k8s_configuration) returns it.
  returned: with O(configurations)
  type: list
  elements: dict
consumers:
  description:
    - One entry for each of O(workloads) that uses one of O(configurations), with its C(kind), C(name) and C(namespace),
      the C(configurations) it uses, a C(verdict), the number of C(pods), the variables that are C(differing) or
      C(missing), the number of pods that C(started_before) their files were restored, and an C(error) or null.
    - C(unread) says why variables could not be read, as in an image without the program C(env); then the pod's start
      decides.
  returned: with O(configurations)
  type: list
  elements: dict
  sample:
    - kind: Deployment
      name: api-server
      namespace: production
      configurations: [configmap/shop-settings]
      verdict: fail
      pods: 3
      differing: [PAGE_SIZE]
      missing: []
      started_before: 0
      unread: null
      error: null
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._configuration.arguments import (
    CONFIGURATIONS,
    VAULT_PASSWORD,
    configurations_from,
)
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.client import Configurations
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.consumers import Consumers
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.encryption import Safe
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer, Cluster
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.configuration import (
    ERROR,
    FAIL,
    PASS,
    Checker,
    Target,
)
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import COLLECTIONS, Workload
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

KIND: dict[str, Any] = {"type": "str", "choices": list(COLLECTIONS), "default": "Deployment"}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "targets": {
            "type": "list",
            "elements": "dict",
            "options": {
                "secret": {"type": "str", "no_log": False},
                "kind": KIND,
                "name": {"type": "str"},
                "namespace": {"type": "str", "required": True},
                "container": {"type": "str"},
            },
            "required_one_of": [("secret", "name")],
            "mutually_exclusive": [("secret", "name")],
        },
        "digests": {"type": "dict"},
        "digest_key": {"type": "str", "no_log": True},
        "prefix": {"type": "str", "default": ""},
        "timeout": {"type": "int", "default": 0},
        "configurations": CONFIGURATIONS,
        "workloads": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "kind": KIND,
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
            },
        },
        **VAULT_PASSWORD,
        **AUTH_ARGUMENTS,
    },
    "required_one_of": [("targets", "configurations")],
    "required_by": {"targets": ("digests", "digest_key")},
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Answer the questions that are asked."""
    cluster = ApiServer(connect(call.params, call.warn), fence=call.fence)
    result: dict[str, Any] = {"changed": False}
    verdicts = []
    for asked, answer in (("targets", _targets), ("configurations", _configurations)):
        if call.params[asked] is not None:
            found, verdict = answer(call, cluster)
            result |= found
            verdicts.append(verdict)
    return {**result, "verdict": next((one for one in (ERROR, FAIL) if one in verdicts), PASS)}


def _targets(call: Call, cluster: Cluster) -> tuple[dict[str, Any], str]:
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
    checker = Checker(cluster, params["digests"], params["digest_key"], params["prefix"])
    found = checker.check(targets, params["timeout"])
    return {"targets": found["targets"]}, found["verdict"]


def _configurations(call: Call, cluster: Cluster) -> tuple[dict[str, Any], str]:
    """Look at all configurations, and into the pods that use them."""
    params = call.params
    safe = Safe.opened(params["vault_password_file"], params["vault_id"])
    seen = Configurations(cluster, safe).observe(configurations_from(params["configurations"]))
    workloads = [Workload(entry["kind"], entry["name"], entry["namespace"], ()) for entry in params["workloads"]]
    # A controller may renew what it keeps at any moment: what pods have of it says nothing about the rollback.
    consumers = Consumers(cluster).check(workloads, [one for one in seen if not one.kept_by])
    found = [{**one.as_result(), "changed": False} for one in seen]
    verdicts = [one["verdict"] for one in consumers] + [PASS if one["equal"] else FAIL for one in found]
    verdict = next((one for one in (ERROR, FAIL) if one in verdicts), PASS)
    return {"configurations": found, "consumers": consumers}, verdict


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
