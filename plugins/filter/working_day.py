# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that finds the time of the post-mortem."""

from __future__ import annotations

DOCUMENTATION = r"""
name: working_day
version_added: 0.1.0
short_description: A time some working days later
description:
  - The time of day O(at), a number of working days (Monday to Friday) after a moment.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The moment from which days are counted, in ISO 8601.
    type: str
    required: true
  days:
    description: Number of working days.
    type: int
    default: 2
  at:
    description: Time of day.
    type: str
    default: "10:00"
  timezone:
    description: Time zone of O(at).
    type: str
    default: UTC
"""

EXAMPLES = r"""
- name: When is the post-mortem
  ansible.builtin.debug:
    msg: "{{ record.opened_at | octalume.rollback.working_day(days=2, at='10:00', timezone='Europe/Lisbon') }}"
"""

RETURN = r"""
_value:
  description: The time, in ISO 8601 with its offset.
  type: str
"""

from collections.abc import Callable
from datetime import time
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.module_utils._document import words
from ansible_collections.octalume.rollback.plugins.module_utils._document.contacts import working_day as count
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError


def working_day(start: str, days: int = 2, at: str = "10:00", timezone: str = "UTC") -> str:
    """The moment, ``days`` working days after ``start``."""
    moment = words.moment(start)
    if moment is None:
        raise AnsibleFilterError(f"working_day: {start!r} is not a time such as 2026-11-23T18:15:00Z")
    try:
        return count(moment, days, time.fromisoformat(at), timezone).isoformat()
    except (RollbackError, ValueError) as error:
        raise AnsibleFilterError(f"working_day: {error}") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"working_day": working_day}
