# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says to roles, held against what the roles say, for M(octalume.rollback.validate_variables)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._release.variables import entry_point, problems, slips

DOCUMENT = {
    "argument_specs": {
        "main": {
            "options": {
                "database_timeout": {"type": "float", "default": 600},
                "database_backup_directory": {"type": "path", "required": True},
                "database_proof": {"type": "str", "choices": ["read", "restore"]},
            }
        },
        "preview": {"options": {"database_max_loss": {"type": "int"}}},
        "unlock": {},
    }
}


@pytest.mark.parametrize(
    ("given", "known", "expected"),
    [
        ({"database_backup_directory": "/backups"}, set(), []),
        ({"database_backup_directory": "/backups", "database_timeout": "60"}, set(), []),
        ({"database_backup_directory": "/backups", "other_timeout": "soon"}, set(), []),
        ({}, {"database_backup_directory"}, []),
        ({}, set(), ["missing required arguments: database_backup_directory"]),
        (
            {"database_backup_directory": "/backups", "database_timeout": "soon"},
            set(),
            ["we were unable to convert to float"],
        ),
        (
            {"database_backup_directory": "/backups", "database_proof": "hope"},
            set(),
            ["value of database_proof must be one of: read, restore, got: hope"],
        ),
    ],
)
def test_values(given: dict[str, Any], known: set[str], expected: list[str]) -> None:
    found = problems([entry_point("database", "main", DOCUMENT)], given, known | given.keys())
    assert len(found) == len(expected)
    for text, words in zip(found, expected, strict=True):
        assert text.startswith("role database: ")
        assert words in text


def test_what_two_ways_into_a_role_say_is_told_once() -> None:
    entries = [entry_point("database", "main", DOCUMENT)] * 2
    assert len(problems(entries, {}, ())) == 1


@pytest.mark.parametrize("name", ["unlock", "absent"])
def test_a_way_without_options_takes_anything(name: str) -> None:
    assert problems([entry_point("database", name, DOCUMENT)], {"database_timeout": "soon"}, ()) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("database_timeot", "database_timeout"),
        ("database_max_los", "database_max_loss"),
        ("database_timeout", None),
        ("database_connections", None),
        ("databases", None),
        ("timeot", None),
    ],
)
def test_slips_of_the_hand(name: str, meant: str | None) -> None:
    assert slips([name], {"database": DOCUMENT}) == ([(name, meant)] if meant else [])
