# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that tells for how long requests were kept away."""

from __future__ import annotations

DOCUMENTATION = r"""
name: downtime
version_added: 0.1.0
short_description: For how long a rollback kept requests away
description:
  - Reads a run record. It is counted from the moment maintenance mode was to go on, or scaling down began, until
    maintenance mode was off, or all pods served where there is none.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The record, as M(octalume.rollback.rollback_record) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say for how long the service was away
  ansible.builtin.debug:
    msg: "{{ (noted.record | octalume.rollback.downtime).text }}"
"""

RETURN = r"""
_value:
  description:
    - C(from) and C(to) in ISO 8601, the C(seconds) between them, and all of it as C(text). While it lasts, C(to) and
      C(seconds) are null.
    - Null where no pod was stopped before another one served.
  type: dict
  sample:
    from: "2026-11-23T18:15:04.120Z"
    to: "2026-11-23T18:15:30.520Z"
    seconds: 26.4
    text: 26.4 s (18:15:04 to 18:15:30 UTC)
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._document.downtime import downtime


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"downtime": downtime}
