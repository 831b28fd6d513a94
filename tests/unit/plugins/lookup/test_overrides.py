# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run set, and a procedure may propose to keep."""

from __future__ import annotations

from ansible_collections.octalume.rollback.plugins.lookup.overrides import overridden


def test_secrets_and_other_variables_are_not_proposed() -> None:
    given = {
        "application_timeout": 9,
        "database_connections": {"shop": {"login_password": "s3cret"}},
        "database_token": "s3cret",
        "version": "1.4.2",
        "database_once": 1,
    }
    assert overridden(given, ["application_", "database_"], ["database_once"]) == {"application_timeout": 9}
