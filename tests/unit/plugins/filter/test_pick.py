# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that renames keys."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.filter.pick import pick

ITEMS = [{"path": "a", "previous": 6, "item": {"name": "x"}}, {"path": "b", "item": None}]


def test_keys_are_renamed_and_the_rest_is_left_out() -> None:
    assert pick(ITEMS, where="path", version="previous") == [{"where": "a", "version": 6}, {"where": "b"}]


def test_a_dot_leads_below() -> None:
    assert pick(ITEMS, name="item.name") == [{"name": "x"}, {}]


def test_anything_but_mappings_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="one element is a str"):
        pick(["a"], x="y")  # type: ignore[list-item]
