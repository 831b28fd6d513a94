#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest_signature_info
version_added: 0.1.0
short_description: Check who has approved a release manifest
description:
  - Verifies signatures over the manifest with C(ssh-keygen -Y verify), one for each role that has to approve.
  - A person in the role C(Dev Lead) approves C(1.4.2.yml) with C(ssh-keygen -Y sign -f KEY -n NAMESPACE), which reads
    the manifest and writes C(1.4.2.yml.dev-lead.sig). The namespace is C(octalume-rollback/dev-lead/2026-11-23), with
    the role and the day. Any key of OpenSSH will do, one in an agent or on a security key too.
  - The role and the day are part of what is signed, so an approval cannot be used in another role.
  - A changed manifest, a key that is not allowed or no longer allowed, a signature in another role, and one person in
    two roles are each refused with the reason. The task fails for none of them.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  path:
    description: The manifest. Signatures are beside it, named C(<manifest>.<role>.sig).
    type: path
    required: true
  roles:
    description: The roles that have to approve; in file names in lower case, with dashes.
    type: list
    elements: str
    default: [DevOps Lead, Dev Lead]
  signers:
    description:
      - Folder with one allowed signers file for each role, named after it (C(dev-lead)), as C(ssh-keygen) describes
        them under ALLOWED SIGNERS. C(valid-after) and C(valid-before) hold.
    type: path
    required: true
  valid_days:
    description: Days for which an approval holds, counted from the day that was signed; V(0) is for ever.
    type: int
    default: 0
  requester:
    description: Name of whoever asks for the rollback, as in the allowed signers; it does not approve.
    type: str
    default: ""
requirements:
  - OpenSSH 8.9 or newer (C(ssh-keygen))
seealso:
  - module: octalume.rollback.release_manifest_info
"""

EXAMPLES = r"""
- name: Who has approved
  octalume.rollback.manifest_signature_info:
    path: "{{ inventory_dir }}/releases/1.4.2.yml"
    signers: "{{ inventory_dir }}/signers"
  register: signed

- name: Go on only with a plan that was approved
  ansible.builtin.assert:
    that: signed.approved
    fail_msg: "{{ signed.approvals | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
approved:
  description: Whether every role has approved.
  returned: success
  type: bool
  sample: true
sha256:
  description: SHA-256 of the manifest that was checked.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
approvals:
  description: One entry for each role.
  returned: success
  type: list
  elements: dict
  contains:
    role:
      description: The role.
      type: str
      sample: Dev Lead
    verdict:
      description: V(pass) or V(fail).
      type: str
      sample: pass
    reason:
      description:
        - Empty, or one of V(unsigned), V(unreadable), V(not_a_signature), V(changed), V(wrong_role), V(wrong_key),
          V(expired), V(not_yet), V(no_signers), V(same_person) and V(requester).
      type: str
      sample: ""
    command:
      description: What a person in the role types to sign.
      type: str
    message:
      description: The same in a sentence.
      type: str
      sample: signed by bo@example.com
    signer:
      description: Who signed, as the allowed signers call them.
      type: str
      sample: bo@example.com
    fingerprint:
      description: Kind and fingerprint of the key.
      type: str
      sample: ED25519 SHA256:M/kC8wD3I494Dk8fkZ7KmEJVQQfNoiLysFIWSpG17rM
    date:
      description: The day, as the signer told it.
      type: str
      sample: "2026-11-23"
    signature:
      description: File of the signature.
      type: str
      sample: /srv/inventory/releases/1.4.2.yml.dev-lead.sig
"""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._approval.client import SshKeygen
from ansible_collections.octalume.rollback.plugins.module_utils._approval.evaluate import Case, judge
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "path": {"type": "path", "required": True},
        "roles": {"type": "list", "elements": "str", "default": ["DevOps Lead", "Dev Lead"]},
        "signers": {"type": "path", "required": True},
        "valid_days": {"type": "int", "default": 0},
        "requester": {"type": "str", "default": ""},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Judge the signatures of one manifest."""
    wanted, path = call.params, Path(call.params["path"])
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())  # as a person would type it
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RollbackError(f"{path} cannot be read: {error.strerror}") from error
    today = datetime.now(UTC).date()
    case = Case(path, content, Path(wanted["signers"]), today, wanted["valid_days"], wanted["requester"])
    approvals = judge(case, wanted["roles"], SshKeygen())
    return {
        "changed": False,
        "approved": all(approval.verdict == "pass" for approval in approvals),
        "sha256": hashlib.sha256(content).hexdigest(),
        "approvals": [asdict(approval) for approval in approvals],
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
