#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k8s_configuration
version_added: 0.1.0
short_description: Bring the ConfigMaps and Secrets of a release back to what they were before
description:
  - A rollback of a workload brings its pod template back, but not the ConfigMaps and Secrets that it names. This does,
    from the content that the release manifest has recorded.
  - All are looked at first, and judged by the server in a dry run; one refusal refuses all of it. Each is then replaced
    in one write that is refused if anyone else has written since. A failure half-way takes back what was written.
  - Content that is neither the release's nor the previous one is somebody's later change, and is refused. So is an
    immutable object that differs. What the release brought is left alone; what has disappeared is made again.
  - Pods keep what they started with. RV(consumers) names the workloads to restart, where they are not rolled back
    anyway; M(octalume.rollback.k8s_configuration_info) tells which of them need it.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.kubernetes
  - octalume.rollback.configuration
  - octalume.rollback.configuration.entries
  - kubernetes.core.k8s_auth_options
  - octalume.rollback.lock
attributes:
  check_mode:
    details: The server judges each change by a dry run.
  diff_mode:
    details: Shows values of ConfigMaps. Values of Secrets are shown as hashes that hold for one run.
options:
  configurations:
    required: true
seealso:
  - module: octalume.rollback.k8s_configuration_info
  - module: octalume.rollback.release_manifest
"""

EXAMPLES = r"""
- name: Bring the shop's settings back
  octalume.rollback.k8s_configuration:
    configurations: "{{ release.manifest.cluster_configurations }}"
    vault_password_file: ~/.rollback-password
  register: restored
"""

RETURN = r"""
configurations:
  description: One entry for each entry of O(configurations), in the same order, as it was before.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(ConfigMap) or V(Secret).
      type: str
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    consumers:
      description: Names of the workloads that use it.
      type: list
      elements: str
    position:
      description:
        - V(release) or V(previous), by its content; V(missing) if there was none; V(brought) by the release; V(other)
          if somebody changed it.
      type: str
    equal:
      description: Whether there was nothing to do.
      type: bool
    changed:
      description: Whether it was changed.
      type: bool
    keys_added:
      description: Keys that were brought back.
      type: list
      elements: str
    keys_removed:
      description: Keys that were taken away.
      type: list
      elements: str
    keys_changed:
      description: Keys that got their former value.
      type: list
      elements: str
    problems:
      description: Why it cannot be brought back.
      type: list
      elements: str
    kept_by:
      description:
        - The controller that keeps it (a controlling owner, cert-manager, External Secrets, OpenShift's CA bundles), or
          null. Whatever was recorded of it, it is left alone and counts as V(previous).
      type: str
  sample:
    - kind: ConfigMap
      name: shop-settings
      namespace: production
      consumers: [api-server]
      position: release
      equal: false
      changed: true
      keys_added: []
      keys_removed: [LOYALTY_RATE]
      keys_changed: [PAGE_SIZE]
      problems: []
      kept_by: null
consumers:
  description: The C(name) and C(namespace) of every workload that uses what was changed.
  returned: success
  type: list
  elements: dict
  sample: [{name: api-server, namespace: production}]
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._configuration.arguments import (
    CONFIGURATIONS,
    VAULT_PASSWORD,
    configurations_from,
)
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.client import Configurations
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.encryption import Safe
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.plan import consumers_of, diff
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "configurations": {**CONFIGURATIONS, "required": True},
        **VAULT_PASSWORD,
        **AUTH_ARGUMENTS,
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Look at all of them, and write what differs."""
    params = call.params
    safe = Safe.opened(params["vault_password_file"], params["vault_id"])
    configurations = Configurations(ApiServer(connect(params, call.warn), fence=call.fence), safe)
    seen = configurations.observe(configurations_from(params["configurations"]))
    found = [{**one.as_result(), "changed": one.writes} for one in seen]
    for one in seen:
        if one.kept_by:
            call.warn(f"{one.item} is kept by {one.kept_by}, and left alone")
    problems = [text for one in seen for text in one.problems]
    if problems:
        told = [{**one, "changed": False} for one in found]
        raise RollbackError(f"{'; '.join(problems)}; nothing was changed", configurations=told)
    configurations.rehearse(seen)
    if not call.check_mode:
        configurations.restore(seen)
    written = [one for one in seen if one.writes]
    return {
        "changed": bool(written),
        "configurations": found,
        "consumers": consumers_of(written),
        "diff": [diff(one) for one in written],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
