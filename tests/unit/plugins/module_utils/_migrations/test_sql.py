# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQL takes away, read from its text."""

from __future__ import annotations

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.sql import drops, refusal

DROPS = [
    ("DROP TABLE a;", [("table", "a", "")]),
    ("drop table if exists only_a, s.b cascade", [("table", "only_a", ""), ("table", "s.b", "")]),
    ('DROP TABLE "Odd ""name""", "select"', [("table", 'Odd "name"', ""), ("table", "select", "")]),
    ("DROP SCHEMA old CASCADE", [("schema", "old", "")]),
    ("ALTER TABLE a DROP COLUMN b", [("column", "a", "b")]),
    (
        "ALTER TABLE IF EXISTS ONLY s.a DROP IF EXISTS b CASCADE, DROP c",
        [("column", "s.a", "b"), ("column", "s.a", "c")],
    ),
    (
        "ALTER TABLE a ADD x numeric(8, 2) DEFAULT greatest(1, 2), DROP b, ALTER c DROP NOT NULL",
        [("column", "a", "b")],
    ),
    ("ALTER TABLE a DROP CONSTRAINT a_pkey, DROP CONSTRAINT IF EXISTS other", []),
    ("ALTER TABLE a RENAME COLUMN b TO c", []),
    ("TRUNCATE a, b RESTART IDENTITY", [("truncate", "a", ""), ("truncate", "b", "")]),
    ("TRUNCATE TABLE ONLY a", [("truncate", "a", "")]),
    ("DELETE FROM a WHERE b = 'DROP TABLE c'", [("delete", "a", "")]),
    ("-- DROP TABLE a;\n/* DROP TABLE b; */ SELECT setval('s', 1);", []),
    ("COMMENT ON TABLE a IS 'it''s; DROP TABLE b';", []),
    (
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $body$ DROP TABLE x; $body$; DROP TABLE a",
        [("table", "a", "")],
    ),
    ("DROP VIEW v; DROP INDEX i; DROP MATERIALIZED VIEW m; DROP FUNCTION f; DROP TYPE t", []),
    ("DROP TABLE a; DROP TABLE b", [("table", "a", ""), ("table", "b", "")]),
    ("", []),
]


@pytest.mark.parametrize(("sql", "expected"), DROPS)
def test_drops(sql: str, expected: list[tuple[str, str, str]]) -> None:
    found, hidden = drops(sql)
    assert [(drop.kind, ".".join(drop.table), drop.column) for drop in found] == expected
    assert hidden == []


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN EXECUTE 'DROP TABLE a'; END $$",
        "SELECT drop_everything()",
        "CALL tidy()",
        "WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone",
    ],
)
def test_statements_that_hide_what_they_do_are_told(sql: str) -> None:
    assert drops(sql)[1][0].startswith(sql.split(maxsplit=1)[0])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "its down script is empty"),
        ("-- nothing\n;\n", "its down script is empty"),
        ("-- irreversible", "its script says that it is irreversible"),
        ("/* cannot be undone */", "its script says that it is irreversible"),
        ("DO $$ BEGIN RAISE EXCEPTION 'this is irreversible'; END $$", "its script raises an error"),
        ("DROP TABLE irreversible_orders", ""),
    ],
)
def test_refusal(sql: str, said: str) -> None:
    assert refusal(sql).startswith(said)
    assert bool(refusal(sql)) == bool(said)
