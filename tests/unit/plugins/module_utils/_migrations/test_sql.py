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
    ("\\set ON_ERROR_STOP on\nDROP TABLE a;", [("table", "a", "")]),
    ("SELECT setval('s', 1) \\gset\n\\echo done\nDROP TABLE a", [("table", "a", "")]),
    ("UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0003'", []),
    ("UPDATE public.schema_migrations SET dirty = false; INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING", []),
    ("ALTER TABLE a ALTER COLUMN type SET NOT NULL, ALTER type DROP DEFAULT", []),
    ("DROP TABLE a CASCADE; ALTER TYPE t ADD VALUE 'x'", [("table", "a", "")]),
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
        "UPDATE users SET tier = NULL",
        "UPDATE ONLY public.users u SET tier = NULL",
        "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
        "INSERT INTO a SELECT * FROM b ON CONFLICT (id) DO UPDATE SET n = 0",
        "DROP TYPE mood CASCADE",
        "DROP EXTENSION postgis",
        "DROP OWNED BY shop",
        "DROP DOMAIN IF EXISTS d cascade",
        "TRUNCATE a CASCADE",
        "ALTER TABLE a ALTER COLUMN price TYPE int",
        "ALTER TABLE ONLY s.a ADD x int, ALTER price SET DATA TYPE numeric(8, 2) USING round(price, 2)",
        "ALTER TYPE pair DROP ATTRIBUTE x CASCADE",
        "\\ir 041.sql",
        "\\i more.sql\nSELECT setval('s', 1)",
        "\\! rm -rf /srv",
        "\\copy a from 'a.csv'",
    ],
)
def test_statements_that_hide_what_they_do_are_told(sql: str) -> None:
    assert drops(sql)[1][0].startswith(sql.split(maxsplit=1)[0])


def test_what_follows_a_command_of_psql_is_a_statement_of_its_own() -> None:
    found, hidden = drops("\\ir other.sql\nDROP TABLE a;\n\\connect other\nDELETE FROM b")
    assert [drop.table for drop in found] == [("a",), ("b",)]
    assert hidden == ["\\ir other.sql", "\\connect other"]


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
