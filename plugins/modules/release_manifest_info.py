#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: release_manifest_info
version_added: 0.1.0
short_description: Read the manifest of a release
description:
  - Reads and checks the release manifest, the machine-readable rollback plan of one release.
  - The manifest says which applications, databases and configurations the release consists of, and for each what it
    was before.
  - What the release brought, so that there is nothing to go back to, is not part of the result's manifest but of
    RV(brought); a rollback leaves it as it is. The first release that was recorded has nothing to go back to, and is
    refused.
  - A version that could not be a release's, an unknown release and every fault of the file are told before anything
    is touched.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
options:
  version:
    description: The release that is to be rolled back.
    type: str
    required: true
  directory:
    description: Folder of the manifests; each is named after its release, with the ending C(.yml).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Read the manifest of release 1.4.2
  octalume.rollback.release_manifest_info:
    version: 1.4.2
    directory: "{{ inventory_dir }}/releases"
  register: release
"""

RETURN = r"""
manifest:
  description: The manifest with every default filled in.
  returned: success
  type: dict
  contains:
    release:
      description: The release that is to be rolled back.
      type: str
      sample: 1.4.2
    previous:
      description: The release to come back to.
      type: str
      sample: 1.4.1
    service:
      description: What people call the thing that is released.
      type: str
      sample: shop
    document:
      description: Number of the rollback plan.
      type: str
      sample: P7-ROLLBACK-142
    author:
      description: Who wrote the plan.
      type: str
      sample: Dana Okafor (DevOps Lead)
    summary:
      description: What the release brings, in a sentence.
      type: str
      sample: Loyalty points
    components:
      description: Which of applications, databases, configurations and cluster_configurations there are.
      type: list
      elements: str
      sample: [applications, databases, configurations]
    applications:
      description: The Kubernetes workloads.
      type: list
      elements: dict
      sample:
        - name: api-server
          namespace: production
          kind: Deployment
          containers:
            - {name: api, current: "shop/api-server:1.4.2", previous: "shop/api-server:1.4.1"}
    databases:
      description: The databases and their migrations.
      type: list
      elements: dict
      sample: [{name: shop, current: "42", previous: "41", breaking: true}]
    configurations:
      description: The secrets in Vault and their versions.
      type: list
      elements: dict
      sample:
        - path: production/app-config
          engine_mount_point: secret
          current: 7
          previous: 6
          secret: app-config
          consumers: [api-server]
    cluster_configurations:
      description: >-
        ConfigMaps and Secrets with their content in the release and before, as
        O(octalume.rollback.k8s_configuration#module:configurations).
      type: list
      elements: dict
      sample: []
    recorded:
      description: The workloads as the release left them, with replicas, bounds and pod template.
      type: list
      elements: dict
      sample: []
brought:
  description: What the release brought.
  returned: success
  type: list
  elements: str
  sample: [configuration production/loyalty]
path:
  description: The file that was read.
  returned: success
  type: str
  sample: /etc/rollback/production/releases/1.4.2.yml
sha256:
  description: SHA-256 of the file.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
known:
  description: The releases that have a manifest.
  returned: when there is none for the asked one
  type: list
  elements: str
  sample: [1.4.1, 1.4.2]
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.client import read_manifest
from ansible_collections.octalume.rollback.plugins.module_utils._release.recording import brought, undoable

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "version": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Read one manifest."""
    manifest, path, sha256 = read_manifest(Path(call.params["directory"]), call.params["version"])
    found = {"manifest": asdict(undoable(manifest)), "brought": brought(manifest)}
    return {"changed": False, **found, "path": str(path), "sha256": sha256}


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
