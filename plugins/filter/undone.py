# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that reads a release manifest backwards: a rollback that is aborted is undone by the same steps."""

from __future__ import annotations

DOCUMENTATION = r"""
name: undone
version_added: 0.1.0
short_description: Read a release manifest backwards
description:
  - Gives the manifest whose rollback brings back what a rollback of the given one has changed. What was current is
    previous in it, and the other way round.
  - Databases are left out. What a migration down has dropped comes back from the backup alone.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: A manifest, as M(octalume.rollback.release_manifest_info) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Bring the release's images back
  octalume.rollback.k8s_rollout:
    state: rolled_back
    workloads: "{{ (release.manifest | octalume.rollback.undone).applications }}"
"""

RETURN = r"""
_value:
  description: The manifest, read backwards.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def undone(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """``manifest`` with current and previous changed over, and without databases."""
    if not isinstance(manifest, Mapping) or "release" not in manifest:
        raise AnsibleFilterError("undone: a release manifest is wanted, as release_manifest_info returns it")
    applications = [
        {**workload, "template": None, "containers": [_turned(container) for container in workload["containers"]]}
        for workload in manifest.get("applications", ())
    ]
    return {
        **manifest,
        "release": manifest["previous"],
        "previous": manifest["release"],
        "applications": applications,
        "databases": [],
        "configurations": [_turned(item) for item in manifest.get("configurations", ())],
        "cluster_configurations": [_turned(item) for item in manifest.get("cluster_configurations", ())],
    }


def _turned(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "current": item.get("previous"), "previous": item.get("current")}


class FilterModule:
    """What Ansible asks for filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"undone": undone}
