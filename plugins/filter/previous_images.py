# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that lists the images a rollback goes back to."""

from __future__ import annotations

DOCUMENTATION = r"""
name: previous_images
version_added: 0.1.0
short_description: The images that a rollback goes back to
description:
  - Every image of the previous release, once, with its digest where the previous release's own manifest has it.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The manifest, as M(octalume.rollback.release_manifest_info) returns it.
    type: dict
    required: true
  before:
    description: The manifest of the previous release; empty if there is none.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See whether the previous images can still be pulled
  octalume.rollback.registry_image_info:
    images: "{{ release.manifest | octalume.rollback.previous_images(before.manifest) }}"
"""

RETURN = r"""
_value:
  description: The images, each with C(image) and, where it is known, C(digest).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping
from typing import Any


def previous_images(manifest: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """``[{image, digest}, ...]``; an id without a repository is none of a registry, and is left aside."""
    recorded = {
        (item["kind"], item["namespace"], item["name"]): item.get("image_ids") or {}
        for item in (before or {}).get("recorded") or ()
    }
    found: dict[str, dict[str, Any]] = {}
    for workload in manifest["applications"]:
        ids = recorded.get((workload.get("kind", "Deployment"), workload["namespace"], workload["name"]), {})
        for container in workload["containers"]:
            image = container.get("previous")
            if image:
                repository, _at, digest = str(ids.get(container["name"], "")).partition("@")
                known = {"digest": digest} if repository and digest and "@" not in image else {}
                found.setdefault(image, {"image": image, **known})
    return list(found.values())


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"previous_images": previous_images}
