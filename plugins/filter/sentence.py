# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that says what a module found."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sentence
version_added: 0.1.0
short_description: Say in a few words what a module of this collection found
description:
  - Turns a registered result into the words that the C(timeline) callback shows and that reports hold.
  - Results of loops are joined; a result that failed, was skipped or is not known gives an empty text.
author: The octalume.rollback authors (@octalume)
positional: _input, module
options:
  _input:
    description: A registered result.
    type: dict
    required: true
  module:
    description: Name of the module it came from.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Tell how the smoke tests went
  ansible.builtin.debug:
    msg: "{{ smoke | octalume.rollback.sentence('smoke_test') }}"
"""

RETURN = r"""
_value:
  description: The sentence, or an empty text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.octalume.rollback.plugins.plugin_utils.sentences import sentence


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"sentence": lambda result, module: sentence(module, result)}
