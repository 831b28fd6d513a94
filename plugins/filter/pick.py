# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that hands a list from one module to the next in the words of the next."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pick
version_added: 0.1.0
short_description: Rename the keys of every mapping in a list, and leave the rest out
description:
  - Each keyword names a key of the result and says where its value is found.
  - A dot leads into a mapping below. What is not there is left out of the result.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The mappings.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Hand the configurations of a manifest to Vault
  octalume.rollback.vault_kv2_rollback_info:
    secrets: "{{ manifest.configurations | octalume.rollback.pick(path='path', version='previous') }}"
"""

RETURN = r"""
_value:
  description: One mapping for each one given, with the picked keys.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

ABSENT = object()


def pick(items: Iterable[Mapping[str, Any]], **places: str) -> list[dict[str, Any]]:
    """``[{new: item[old]}, ...]`` for every ``new=old``; what is absent stays absent."""
    picked = []
    for item in items:
        if not isinstance(item, Mapping):
            raise AnsibleFilterError(f"pick: a list of mappings is wanted, and one element is a {type(item).__name__}")
        found = {key: _at(item, place) for key, place in places.items()}
        picked.append({key: value for key, value in found.items() if value is not ABSENT})
    return picked


def _at(item: Any, place: str) -> Any:
    for part in place.split("."):
        if not isinstance(item, Mapping) or part not in item:
            return ABSENT
        item = item[part]
    return item


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"pick": pick}
