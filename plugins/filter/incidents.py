# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that makes spans of time out of what is known of past incidents."""

from __future__ import annotations

DOCUMENTATION = r"""
name: incidents
version_added: 0.1.0
short_description: Make spans of time out of run records and incidents
description:
  - Takes run records of rollbacks, and incidents that somebody wrote down, and returns them as
    O(octalume.rollback.prometheus_threshold_info#module:incidents) wants them.
  - A rollback counts from when its cause was detected, or else from when it began, until it ended. One that has not
    ended is left out.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description:
      - Run records, or mappings with C(start) and C(end), each as seconds since the epoch or as a time such as
        V(2026-11-23T18:10:00Z). A time without a zone is UTC.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Try the triggers out on what really happened
  octalume.rollback.prometheus_threshold_info:
    url: https://prometheus.example.com
    checks: "{{ triggers }}"
    replay: 7d
    incidents: "{{ (records.records + known) | octalume.rollback.incidents }}"
  vars:
    known:
      - start: 2026-11-20T03:12:00Z
        end: 2026-11-20T03:40:00Z
"""

RETURN = r"""
_value:
  description: Mappings with C(start) and C(end) in seconds since the epoch.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError


def incidents(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Spans in seconds since the epoch."""
    return [{"start": seconds(start), "end": seconds(end)} for start, end in map(_ends, entries) if end]


def _ends(entry: Mapping[str, Any]) -> tuple[Any, Any]:
    if "opened_at" in entry:
        return (entry.get("decision") or {}).get("detected_at") or entry["opened_at"], entry.get("closed_at")
    if "start" in entry and "end" in entry:
        return entry["start"], entry["end"]
    raise AnsibleFilterError(f"incidents: {dict(entry)!r} is no run record and has no start and end")


def seconds(moment: Any) -> float:
    """Seconds since the epoch of a number, a text or what YAML makes of a text."""
    if isinstance(moment, (int, float)):
        return float(moment)
    try:
        found = moment if isinstance(moment, datetime) else datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
    except ValueError:
        raise AnsibleFilterError(f"incidents: {moment!r} is not a time such as 2026-11-23T18:10:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"incidents": incidents}
