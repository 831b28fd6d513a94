# SPDX-License-Identifier: GPL-3.0-or-later
"""A manifest read backwards."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.filter.undone import undone

MANIFEST: dict[str, Any] = {
    "release": "1.4.2",
    "previous": "1.4.1",
    "applications": [
        {
            "name": "api",
            "containers": [{"name": "api", "current": "s:2", "previous": "s:1"}],
            "template": {"spec": {}},
        }
    ],
    "databases": [{"name": "shop", "current": "42", "previous": "41"}],
    "configurations": [{"path": "a", "current": 7, "previous": 6}],
    "cluster_configurations": [{"name": "c", "current": None, "previous": {"digest": "x"}}],
}


def test_what_was_current_is_previous_and_databases_are_left_out() -> None:
    found = undone(MANIFEST)
    assert (found["release"], found["previous"], found["databases"]) == ("1.4.1", "1.4.2", [])
    assert found["applications"][0]["containers"] == [{"name": "api", "current": "s:1", "previous": "s:2"}]
    assert found["applications"][0]["template"] is None, "the template of the previous release is not that of this one"
    assert found["configurations"] == [{"path": "a", "current": 6, "previous": 7}]
    assert found["cluster_configurations"] == [{"name": "c", "current": {"digest": "x"}, "previous": None}]


def test_anything_else_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="a release manifest is wanted"):
        undone({"version": "1.4.2"})
