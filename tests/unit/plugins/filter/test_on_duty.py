# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is there now, and how they are called."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.filter.on_duty import on_duty


def test_the_filter_adds_to_the_contacts() -> None:
    contact = {"role": "DBA", "name": "Ann Lee", "phone": "+00 2", "availability": "24/7"}
    [found] = on_duty([contact], now="2026-11-23T12:00:00Z")
    assert found == {**contact, "on_duty": True, "label": "Ann Lee (DBA), +00 2"}
