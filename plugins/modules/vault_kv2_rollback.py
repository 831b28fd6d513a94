#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: vault_kv2_rollback
version_added: 0.1.0
short_description: Bring several secrets of HashiCorp Vault's KV version 2 back to earlier versions, as one
description:
  - Writes the data of an earlier version of each secret as its new version, as C(vault kv rollback) does for one path.
  - All secrets are checked before the first is written. Every write is a check-and-set on the version that was read. If
    one fails, those already written are put back.
  - A secret whose live data is that of the earlier version already is left alone.
  - Custom metadata belongs to the secret, not to a version, and is not touched.
  - No value of a secret is ever returned or shown. A diff names keys and shows shortened keyed hashes.
author: The octalume.rollback authors (@octalume)
requirements:
  - hvac (Python library)
  - community.hashi_vault (collection)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.vault
  - octalume.rollback.lock
options:
  secrets:
    description: The secrets to bring back.
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
        description: The version to bring back; an absolute number, 1 or more.
        type: int
        required: true
      current:
        description:
          - The version the release being undone was deployed with.
          - If given, a secret whose live data is neither this version's nor the wanted one's was changed since, and is
            refused.
        type: int
  undelete:
    description:
      - Undelete a wanted version that was deleted, and leave it undeleted.
      - Destroyed and pruned versions cannot be brought back.
    type: bool
    default: false
  digest_key:
    description:
      - A key of your own for HMAC-SHA256 over each restored value (strings as they are, anything else as JSON).
      - With it the result holds C(digests), by which a task elsewhere can tell that a process runs with these values
        without anybody seeing them.
    type: str
seealso:
  - module: octalume.rollback.vault_kv2_rollback_info
  - module: community.hashi_vault.vault_kv2_get
  - name: vault kv rollback
    description: The command for one path.
    link: https://developer.hashicorp.com/vault/docs/commands/kv/rollback
"""

EXAMPLES = r"""
- name: Bring the shop's configuration back to version 6
  octalume.rollback.vault_kv2_rollback:
    url: https://vault.example.org:8200
    auth_method: approle
    role_id: "{{ vault_role_id }}"
    secret_id: "{{ vault_secret_id }}"
    secrets:
      - path: production/app-config
        version: 6
        current: 7

- name: Two secrets of different engines together, one of them deleted meanwhile
  octalume.rollback.vault_kv2_rollback:
    secrets:
      - {path: production/app-config, version: 6}
      - {path: shop/smtp, engine_mount_point: team/kv, version: 3}
    undelete: true
"""

RETURN = r"""
secrets:
  description: What happened (in check mode, what would happen) to each secret, in the order given.
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
    from_version:
      description: The version that was live.
      type: int
      sample: 7
    to_version:
      description: The version that is live now, a new one unless nothing was written.
      type: int
      sample: 8
    restored_version:
      description: The version whose data is live now.
      type: int
      sample: 6
    changed:
      description: Whether anything was written.
      type: bool
    undeleted:
      description: Whether the restored version had to be undeleted.
      type: bool
    keys_added:
      description: Top-level keys that came back.
      type: list
      elements: str
      sample: [APP_DISCOUNT]
    keys_removed:
      description: Top-level keys that went away.
      type: list
      elements: str
    keys_changed:
      description: Top-level keys with another value now.
      type: list
      elements: str
      sample: [APP_THEME]
    digests:
      description: HMAC-SHA256 of every restored value by top-level key; empty while the version is still deleted.
      returned: O(digest_key) was given
      type: dict
      sample: {APP_THEME: 5f4dcc3b5aa765d61d8327deb882cf995f4dcc3b5aa765d61d8327deb882cf99}
problems:
  description: Everything that stands in the way, each with the next command.
  returned: refused before anything was written
  type: list
  elements: str
put_back:
  description: Secrets that had been written and hold their former data again, under a newer version.
  returned: failed while writing
  type: list
  elements: str
not_put_back:
  description: Secrets that could not be put back; the message holds the command for each.
  returned: failed while writing
  type: list
  elements: str
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK
from ansible_collections.octalume.rollback.plugins.module_utils._vault.apply import apply
from ansible_collections.octalume.rollback.plugins.module_utils._vault.login import CONNECTION, SECRETS, session
from ansible_collections.octalume.rollback.plugins.module_utils._vault.observe import observe_all
from ansible_collections.octalume.rollback.plugins.module_utils._vault.plan import plan, targets
from ansible_collections.octalume.rollback.plugins.module_utils._vault.report import diff, outcome

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        **CONNECTION,
        "secrets": SECRETS,
        "undelete": {"type": "bool", "default": False},
        "digest_key": {"type": "str", "no_log": True},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Observe all secrets, plan, and apply the plan unless in check mode."""
    wanted, key = targets(call.params["secrets"]), call.params["digest_key"]
    with session(call) as store:
        steps = plan(observe_all(store, wanted), call.params["undelete"])
        if call.check_mode:
            done = tuple((step, step.observation.live.version + step.writes) for step in steps)
        else:
            done = apply(store, steps)
    result: dict[str, Any] = {
        "changed": any(step.writes or step.undelete for step, _version in done),
        "secrets": [outcome(step, version, key) for step, version in done],
    }
    return {**result, "diff": diff([step for step, _version in done], key)} if call.diff else result


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
