# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that says which contacts can be called now."""

from __future__ import annotations

DOCUMENTATION = r"""
name: on_duty
version_added: 0.1.0
short_description: Say which contacts can be called now
description:
  - Adds C(on_duty) to every contact, which is true, false, or null where its C(availability) cannot be read, and
    C(label), who that is and how to call.
  - Understood are V(24/7), V(Business hours), V(Critical only), and windows such as V(Mon-Fri 08:00-18:00, Sat
    10:00-14:00) or V(22:00-06:00), with a time zone at the end where it is not the usual one.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The contacts, each with C(role), C(name), C(phone) and C(availability).
    type: list
    elements: dict
    required: true
  business_hours:
    description: What V(Business hours) means.
    type: str
    default: Mon-Fri 09:00-17:00
  timezone:
    description: The usual time zone.
    type: str
    default: UTC
  critical:
    description: Whether it is critical, so that V(Critical only) is available.
    type: bool
    default: false
  now:
    description: The moment that is asked about, in ISO 8601; the present where not given.
    type: str
"""

EXAMPLES = r"""
- name: Who can be called
  ansible.builtin.debug:
    msg: "{{ contacts | octalume.rollback.on_duty(timezone='Europe/Lisbon') | selectattr('on_duty') }}"
"""

RETURN = r"""
_value:
  description: The contacts, with C(on_duty) and C(label).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.module_utils._document import contacts as table
from ansible_collections.octalume.rollback.plugins.module_utils._document import words
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError


def on_duty(
    contacts: Sequence[Mapping[str, Any]],
    business_hours: str = "Mon-Fri 09:00-17:00",
    timezone: str = "UTC",
    critical: bool = False,
    now: str | None = None,
) -> list[dict[str, Any]]:
    """Each contact with ``on_duty``."""
    moment = words.moment(now) if now else datetime.now(UTC)
    if moment is None:
        raise AnsibleFilterError(f"on_duty: now is {now!r}, and not a time such as 2026-11-23T18:15:00Z")
    try:
        return table.on_duty(contacts, moment, business_hours, timezone, critical)
    except RollbackError as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"on_duty": on_duty}
