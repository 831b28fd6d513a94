#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_kv2_rollback_info
version_added: 0.1.0
short_description: Tell whether secrets of HashiCorp Vault's KV version 2 can be brought back to earlier versions
description:
  - Looks at each secret's live version and at the version to bring back, whether it is still there, which keys differ,
    and whether the token has the rights a rollback needs.
  - Only reads. No value of a secret is ever returned.
author: The octalume.rollback authors (@octalume)
requirements:
  - hvac (Python library)
  - community.hashi_vault (collection)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.vault
options:
  secrets:
    description: The secrets to look at.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Path of the secret, relative to its secrets engine and without V(data/).
        type: str
        required: true
      engine_mount_point:
        description: Path at which the KV version 2 secrets engine is mounted.
        type: str
        default: secret
      version:
        description: >-
          The version that would be brought back, an absolute number; V(0) stands for the live one, to ask only which
          one that is.
        type: int
        default: 0
      current:
        description: The version the release was deployed with.
        type: int
  undelete:
    description: Judge as the rollback would with this option, that is, do not call a deleted version a problem.
    type: bool
    default: false
seealso:
  - module: octalume.rollback.vault_kv2_rollback
"""

EXAMPLES = r"""
- name: Can the shop's configuration be brought back?
  octalume.rollback.vault_kv2_rollback_info:
    url: https://vault.example.org:8200
    secrets:
      - path: production/app-config
        version: 6
        current: 7
  register: configuration

- name: Say what stands in the way
  ansible.builtin.assert:
    that: configuration.secrets | map(attribute='problems') | flatten | length == 0
    fail_msg: "{{ configuration.secrets | map(attribute='problems') | flatten | join('; ') }}"
"""

RETURN = r"""
secrets:
  description: What was seen of each secret, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the secret.
      type: str
      sample: production/app-config
    mount:
      description: Mount point of its secrets engine.
      type: str
      sample: secret
    live_version:
      description: The newest version; 0 if the secret does not exist.
      type: int
      sample: 7
    live_state:
      description: State of the newest version, one of V(exists), V(deleted), V(destroyed) and V(missing).
      type: str
      sample: exists
    target_version:
      description: The version to bring back.
      type: int
      sample: 6
    target_state:
      description:
        - State of that version, one of V(exists), V(deleted), V(destroyed), V(pruned) and V(missing).
        - Pruned versions were there once; missing ones were never written.
      type: str
      sample: exists
    equal:
      description: Whether the live data is that of the target already.
      type: bool
    position:
      description:
        - V(previous) if the live data is the target's, V(release) if it is what the release was deployed with,
          V(other) if it is neither. Without O(secrets[].current) the release is not known.
      type: str
      sample: release
    keys_added:
      description: Top-level keys a rollback would bring back; empty unless both versions can be read.
      type: list
      elements: str
    keys_removed:
      description: Top-level keys a rollback would take away.
      type: list
      elements: str
    keys_changed:
      description: Top-level keys a rollback would give another value.
      type: list
      elements: str
    rights:
      description: Capabilities of the token by endpoint; V(null) if it may not ask for them.
      type: dict
      sample: {data: [read, update], delete: [deny], undelete: [deny]}
    problems:
      description: Why a rollback would be refused, each with the next command; empty if it would be done.
      type: list
      elements: str
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._vault.login import CONNECTION, SECRETS, session
from ansible_collections.octalume.rollback.plugins.module_utils._vault.observe import observe_all
from ansible_collections.octalume.rollback.plugins.module_utils._vault.plan import targets
from ansible_collections.octalume.rollback.plugins.module_utils._vault.report import finding

LOOKED_AT = {**SECRETS, "options": {**SECRETS["options"], "version": {"type": "int", "default": 0}}}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {**CONNECTION, "secrets": LOOKED_AT, "undelete": {"type": "bool", "default": False}},
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Observe all secrets and tell what was seen."""
    wanted = targets(call.params["secrets"], live=True)
    with session(call) as store:
        observations = observe_all(store, wanted)
    return {"changed": False, "secrets": [finding(seen, call.params["undelete"]) for seen in observations]}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
