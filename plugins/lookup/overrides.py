# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup that finds what was given on the command line in place of what the inventory says."""

from __future__ import annotations

DOCUMENTATION = r"""
name: overrides
version_added: 0.1.0
short_description: Variables of roles that were given on the command line
description:
  - Returns the variables given by C(-e) whose names begin with one of the prefixes, which is how the roles of this
    collection name their options. What belongs to one run, and whatever may hold a secret, is left out.
author: The octalume.rollback authors (@octalume)
options:
  _terms:
    description: Prefixes.
    type: list
    elements: str
    required: true
  without:
    description: Names that are left out.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What did somebody have to override
  ansible.builtin.debug:
    msg: "{{ lookup('octalume.rollback.overrides', 'application_', 'database_') }}"
"""

RETURN = r"""
_raw:
  description: One mapping with the variables.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import SENSITIVE, secret_fields


def overridden(given: Mapping[str, Any], prefixes: list[str], without: list[str]) -> dict[str, Any]:
    """Those of ``given`` that may be told; one with a secret anywhere in it is left out as a whole."""
    return {
        name: value
        for name, value in given.items()
        if name.startswith(tuple(prefixes))
        and name not in without
        and not SENSITIVE.search(name)
        and not secret_fields(value)
    }


class LookupModule(LookupBase):  # type: ignore[misc]
    """Look it up."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """One mapping."""
        self.set_options(var_options=variables, direct=kwargs)
        return [overridden(load_extra_vars(self._loader), terms, self.get_option("without"))]
