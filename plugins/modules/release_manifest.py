#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: release_manifest
version_added: 0.1.0
short_description: Record a release's restore point as its manifest
description:
  - Writes the release manifest, the machine-readable rollback plan, from what is live after a deployment, and from what
    the manifest of the release before says was live then.
  - The release before is the newest earlier one with a manifest that the cluster's history does not contradict; after
    a rollback that is not the newest. Without any, a baseline is written, for the next release to go back to.
  - Refuses when nothing differs from the release before, as then the release is not live; and never overwrites a
    manifest that is signed.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
attributes:
  diff_mode:
    details: Encrypted contents are left out.
options:
  version:
    description: The release that was deployed.
    type: str
    required: true
  directory:
    description: Folder of the manifests.
    type: path
    required: true
  previous:
    description: The release that ran before, where it is known better.
    type: str
  service:
    description: What people call the thing that is released. Otherwise the one of the existing or earlier manifest.
    type: str
  document:
    description: >-
      Number of the rollback plan. Otherwise the one of the existing manifest, or V(P7-ROLLBACK-) and the digits.
    type: str
  author:
    description: Who is responsible for the plan. Otherwise the one of the existing manifest, or whoever runs this.
    type: str
  summary:
    description: What the release brings, in a sentence.
    type: str
  workloads:
    description: RV(octalume.rollback.k8s_restore_point_info#module:workloads).
    type: list
    elements: dict
    default: []
  cluster_configurations:
    description: RV(octalume.rollback.k8s_restore_point_info#module:cluster_configurations).
    type: list
    elements: dict
    default: []
  databases:
    description: The databases of the release.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      current:
        description: The migration it is at.
        type: str
        required: true
      previous:
        description: The migration before the release, where no earlier manifest says it.
        type: str
      breaking:
        description:
          - Whether code of one release fails on the schema of the other. Otherwise as the existing manifest says, or
            true.
        type: bool
      schema_fingerprint:
        description: Of the live schema, as M(octalume.rollback.migration_info) tells it.
        type: str
  configurations:
    description: The secrets in Vault that belong to the release.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path within the secrets engine.
        type: str
        required: true
      engine_mount_point:
        description: Mount point of the KV version 2 engine.
        type: str
        default: secret
      current:
        description: The live version.
        type: int
        required: true
      state:
        description: State of that version in Vault; any other than V(exists) is refused.
        type: str
        default: exists
      previous:
        description: The version before the release, where no earlier manifest says it.
        type: int
      secret:
        description: Name of the Kubernetes Secret that is made of it.
        type: str
      consumers:
        description: >-
          Names of the workloads that use it. Otherwise those whose pod template names O(configurations[].secret).
        type: list
        elements: str
"""

EXAMPLES = r"""
- name: Record the release
  octalume.rollback.release_manifest:
    version: 1.4.3
    directory: "{{ inventory_dir }}/releases"
    service: shop
    workloads: "{{ live.workloads }}"
    cluster_configurations: "{{ live.cluster_configurations }}"
    databases:
      - name: shop
        current: 42
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/rollback/production/releases/1.4.3.yml
sha256:
  description: SHA-256 of the file as it is, or would be.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
previous:
  description: The release before; null in a baseline.
  returned: success
  type: str
  sample: 1.4.2
differing:
  description: What the release changed.
  returned: success
  type: list
  elements: str
  sample: [deployment/api-server, database shop, configmap/shop-settings in production]
brought:
  description: What nothing is known about from before the release. A rollback leaves it as it is.
  returned: success
  type: list
  elements: str
  sample: []
signatures:
  description: The signatures of a manifest that was not overwritten.
  returned: on refusal
  type: list
  elements: str
"""

import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.plan import check_version
from ansible_collections.octalume.rollback.plugins.module_utils._release.recording import (
    brought,
    compose_for,
    differences,
)
from ansible_collections.octalume.rollback.plugins.module_utils._release.restore_point import differing
from ansible_collections.octalume.rollback.plugins.module_utils._release.writing import (
    refuse_signed,
    render,
    write,
    written_as,
)

OBSERVED: dict[str, Any] = {"type": "list", "elements": "dict", "default": []}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "version": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
        "previous": {"type": "str"},
        "service": {"type": "str"},
        "document": {"type": "str"},
        "author": {"type": "str"},
        "summary": {"type": "str"},
        "workloads": OBSERVED,
        "cluster_configurations": OBSERVED,
        "databases": {
            **OBSERVED,
            "options": {
                "name": {"type": "str", "required": True},
                "current": {"type": "str", "required": True},
                "previous": {"type": "str"},
                "breaking": {"type": "bool"},
                "schema_fingerprint": {"type": "str"},
            },
        },
        "configurations": {
            **OBSERVED,
            "options": {
                "path": {"type": "str", "required": True},
                "engine_mount_point": {"type": "str", "default": "secret"},
                "current": {"type": "int", "required": True},
                "state": {"type": "str", "default": "exists"},
                "previous": {"type": "int"},
                "secret": {"type": "str", "no_log": False},
                "consumers": {"type": "list", "elements": "str"},
            },
        },
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Compose the manifest, and write it if it is another than the one there is."""
    directory = Path(call.params["directory"])
    path = directory / f"{check_version(call.params['version'])}.yml"
    existing, manifest = compose_for(call.params, directory, call.caller)
    text = written_as(manifest, path)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    result: dict[str, Any] = {
        "changed": text != before,
        "path": str(path),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "previous": manifest.previous,
        "differing": sorted(differing(manifest)) if manifest.previous else [],
        "brought": brought(manifest) if manifest.previous else [],
    }
    if result["changed"]:
        shown = render(existing, hide=True) if existing else ""
        result["diff"] = {"before": shown, "after": render(manifest, hide=True)} | {
            f"{end}_header": str(path) for end in ("before", "after")
        }
        refuse_signed(path, differences(existing, manifest) if existing else [])
        if not call.check_mode:
            write(path, text)
    return result


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
