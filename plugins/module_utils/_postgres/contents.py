# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts, checksums and the schema's fingerprint of a live database, all as one snapshot sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .client import STABLE_TEXT, Database, identifier
from .model import Table

# Tables whose rows a dump carries: ordinary ones and partitions, no system schema, no table an extension made.
TABLES = """
SELECT n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
       ARRAY(SELECT a.attname::text FROM pg_index i
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY a.attname),
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
             AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""

# Where each sequence is; one that goes round has no such place, and that of an extension is none of a dump.
SEQUENCES = """
SELECT n.nspname || '.' || c.relname,
       CASE WHEN has_sequence_privilege(c.oid, 'SELECT') THEN pg_sequence_last_value(c.oid) END, s.seqincrement > 0
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT s.seqcycle AND c.relpersistence <> 't' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""

# One line per object, in words that do not depend on the order in which columns were added.
SCHEMA = """
WITH spaces AS (
  SELECT oid, nspname FROM pg_namespace
  WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\\_%'
), relations AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS name, c.relkind FROM pg_class c JOIN spaces n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 't'
)
SELECT 'schema ' || nspname FROM spaces
UNION ALL SELECT CASE relkind WHEN 'r' THEN 'table ' WHEN 'p' THEN 'partitioned table ' WHEN 'S' THEN 'sequence '
    WHEN 'f' THEN 'foreign table ' ELSE 'type ' END || name FROM relations WHERE relkind IN ('r', 'p', 'S', 'f', 'c')
UNION ALL SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'materialized view ' END || name || ' '
    || md5(pg_get_viewdef(oid)) FROM relations WHERE relkind IN ('v', 'm')
UNION ALL SELECT 'column ' || r.name || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || CASE a.attidentity WHEN '' THEN '' ELSE ' identity' END
    || coalesce(' ' || CASE a.attgenerated WHEN 's' THEN 'generated ' ELSE 'default ' END
    || pg_get_expr(d.adbin, d.adrelid), '')
  FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE r.relkind IN ('r', 'p', 'f', 'c')
UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN relations r ON r.oid = i.indrelid
UNION ALL SELECT 'constraint ' || r.name || '.' || k.conname || ' ' || pg_get_constraintdef(k.oid)
  FROM pg_constraint k JOIN relations r ON r.oid = k.conrelid
UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid
  WHERE NOT t.tgisinternal
UNION ALL SELECT 'policy ' || r.name || '.' || p.polname || ' ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '')
  FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
UNION ALL SELECT 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid)
    || ') ' || md5(p.prosrc) FROM pg_proc p JOIN spaces n ON n.oid = p.pronamespace
UNION ALL SELECT 'enum ' || n.nspname || '.' || t.typname || ' '
    || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
  FROM pg_type t JOIN spaces n ON n.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
  GROUP BY n.nspname, t.typname
UNION ALL SELECT 'domain ' || n.nspname || '.' || t.typname || ' ' || format_type(t.typbasetype, t.typtypmod)
  FROM pg_type t JOIN spaces n ON n.oid = t.typnamespace WHERE t.typtype = 'd'
UNION ALL SELECT 'extension ' || extname || ' ' || extversion FROM pg_extension
"""


@dataclass(frozen=True)
class Shape:
    """A table's columns in their order, those of its primary key, and those that hold integers."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    integers: frozenset[str]


def table_shapes(database: Database) -> dict[tuple[str, str], Shape]:
    """``(schema, table)`` to its shape."""
    rows = database.query(TABLES)
    return {(row[0], row[1]): Shape(tuple(row[2]), tuple(row[3]), frozenset(row[4])) for row in rows}


def sequences(database: Database) -> dict[str, int]:
    """``schema.sequence`` to the last value it has given, if any."""
    return {row[0]: int(row[1]) for row in database.query(SEQUENCES) if row[1] is not None}


def behind(database: Database, recorded: Mapping[str, int]) -> list[str]:
    """The sequences that would give values again which were given when they were ``recorded``.

    One that is ahead is as good: sequences do not wait for a snapshot, so a dump holds them a little later as well.
    """
    found = {row[0]: (row[1], row[2]) for row in database.query(SEQUENCES)}
    late = []
    for name, value in recorded.items():
        last, ascends = found.get(name, (None, True))
        if last is None or (last < value if ascends else last > value):
            late.append(name)
    return late


def schema_lines(database: Database) -> list[str]:
    """One line per schema object, sorted; the same for the same schema, whatever the session's settings are.

    PostgreSQL leaves out the schema of names that search_path finds, and writes times as the session wants them. Sent
    as one message the settings hold for this query only, in a transaction of its own or the one that is open.
    """
    words = [statement.replace("SET ", "SET LOCAL ", 1) for statement in STABLE_TEXT]
    return sorted(str(row[0]) for row in database.query(";".join([*words, SCHEMA])))


def fingerprint(lines: Iterable[str]) -> str:
    """The fingerprint of a schema: SHA-256 of its sorted lines."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def checksum_statement(
    place: tuple[str, str], columns: tuple[str, ...], key: tuple[str, ...], shape: Shape, numbers: Collection[str]
) -> str:
    """One pass over a table: its row count, the whole-row sum where there is no key, then one sum per column.

    ``numbers`` are columns whose values are hashed as integers, without being written out, which takes half the time;
    one of them that is of another type now is read as a number. The seed is worked out for every column again.
    """

    def hashed(name: str, seed: str) -> str:
        value = identifier("octalume_row", name)
        if name in shape.integers and (name in numbers or name in key):
            return f"hashint8extended({value}::bigint, {seed})"
        if name in numbers:
            return f"hashint8extended({value}::text::bigint, {seed})"
        return f"hashtextextended({value}::text, {seed})"

    seed = "0"
    for name in key:
        seed = hashed(name, seed)
    sums = ["count(*)", "NULL" if key else "coalesce(sum(hashtextextended(octalume_row::text, 0)), 0)::text"]
    sums += [f"coalesce(sum({hashed(name, seed)}), 0)::text" for name in columns]
    return f"SELECT {', '.join(sums)} FROM {identifier(*place)} AS octalume_row"  # noqa: S608 - quoted


def read_table(
    database: Database,
    place: tuple[str, str],
    shape: Shape,
    recorded: Table | None = None,
    columns: tuple[str, ...] | None = None,
) -> Table:
    """Count and checksum ``columns`` (all) of the table at ``place`` (schema, table), which has ``shape`` now.

    What was ``recorded`` of it says how each column is hashed, so that the sums can be compared.
    """
    columns = shape.columns if columns is None else columns
    known = recorded.columns if recorded else {}
    wanted = recorded.key if recorded else shape.key
    key = wanted if set(wanted) <= set(columns) else ()
    numbers = {name for name in columns if name in (recorded.numbers if recorded and name in known else shape.integers)}
    row = database.query(checksum_statement(place, columns, key, shape, numbers))[0]
    sums = dict(zip(columns, (str(value) for value in row[2:]), strict=True))
    return Table(int(row[0]), sums, key, row[1], tuple(sorted(numbers)))


def read_tables(database: Database, recorded: Mapping[str, Table] | None = None) -> dict[str, Table]:
    """``schema.table`` to what it holds, for every table a dump carries; see :func:`read_table`."""
    known = recorded or {}
    return {
        ".".join(place): read_table(database, place, shape, known.get(".".join(place)))
        for place, shape in table_shapes(database).items()
    }
