# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that know a release's ConfigMaps and Secrets, documented once."""

from __future__ import annotations


class ModuleDocFragment:
    """The password of recorded Secrets, and the manifest's entries."""

    DOCUMENTATION = r"""
options:
  vault_password_file:
    description:
      - File, or executable script, with the Ansible Vault password under which Secrets are recorded in manifests.
      - It is read on the control node.
    type: path
  vault_id:
    description: Label of that password, as in C(--vault-id LABEL@FILE); for scripts that keep several.
    type: str
"""

    ENTRIES = r"""
options:
  configurations:
    description: ConfigMaps and Secrets, as C(cluster_configurations) of the manifest has them.
    type: list
    elements: dict
    suboptions:
      kind:
        description: What it is.
        type: str
        choices: [ConfigMap, Secret]
        required: true
      name:
        description: Its name.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      consumers:
        description: Names of the workloads that use it.
        type: list
        elements: str
        default: []
      current:
        description: Its content in the release; nothing if the release no longer uses it.
        type: dict
        suboptions: &content
          digest:
            description: V(sha256:...) of a ConfigMap's content, V(hmac:...) of a Secret's.
            type: str
          data:
            description: A ConfigMap's values.
            type: dict
            default: {}
          binary_data:
            description: A ConfigMap's binary values, in base64.
            type: dict
            default: {}
          encrypted:
            description: A Secret's values, encrypted by Ansible Vault.
            type: str
          type:
            description: Type of a Secret.
            type: str
          immutable:
            description: Whether the object could not be changed.
            type: bool
            default: false
      previous:
        description: Its content before the release; nothing if the release brought it, which then is left alone.
        type: dict
        suboptions: *content
"""
