# SPDX-License-Identifier: GPL-3.0-or-later
"""postgres_validate_info against a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup, postgres_validate_info

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer

ASSERTIONS = [
    ("SELECT count(*) FROM products", 50, "pass", 50),
    ("SELECT count(*) FROM products", "50", "pass", 50),
    ("SELECT count(*) FROM products", ">= 1", "pass", 50),
    ("SELECT count(*) FROM products", "> 50", "fail", 50),
    ("SELECT sum(price) FROM products", 1593.75, "pass", "1593.75"),
    ("SELECT count(*) = 50 FROM products", None, "pass", True),
    ("SELECT count(*) = 51 FROM products", None, "fail", False),
    ("SELECT name FROM products ORDER BY id LIMIT 2", ["product 1", "product 2"], "pass", ["product 1", "product 2"]),
    ("SELECT id, name FROM products WHERE id < 3", [[1, "product 1"], [2, "product 2"]], "pass", None),
    ("SELECT name FROM products WHERE id < 0", [], "pass", []),
    ("SELECT name FROM products WHERE id < 0", "product", "inconclusive", None),
    ("SELECT max(id) FROM products WHERE id < 0", 0, "inconclusive", None),
    ("SELECT 'NaN'::float", "> 0", "fail", None),
    ("SELECT no_such_column FROM products", 1, "error", None),
    ("DELETE FROM events RETURNING 1", 1, "error", None),
    ("COMMIT; DELETE FROM events", 1, "error", None),
    ("SELECT 50;", 50, "pass", 50),
]


@pytest.mark.parametrize(("query", "expect", "verdict", "found"), ASSERTIONS)
def test_assertions(
    login: dict[str, Any], server: PostgresServer, query: str, expect: object, verdict: str, found: object
) -> None:
    wanted = {"name": "it", "query": query, "expect": expect}
    result = call(postgres_validate_info, **login, assertions=[wanted])
    assert result["verdict"] == verdict
    if found is not None:
        assert result["checks"][0]["found"] == found
    assert server.execute("SELECT count(*) FROM events", login["login_db"]) == [(300,)]


def test_one_bad_query_does_not_spoil_the_next(login: dict[str, Any]) -> None:
    asked = [{"name": "bad", "query": "SELECT 1/0"}, {"name": "good", "query": "SELECT true"}]
    result = call(postgres_validate_info, **login, assertions=asked)
    assert [check["verdict"] for check in result["checks"]] == ["error", "pass"]
    assert "division by zero" in result["checks"][0]["message"]
    assert result["verdict"] == "error"


def test_assertion_that_ends_the_transaction_cannot_write(login: dict[str, Any], server: PostgresServer) -> None:
    smuggled = {"name": "it", "query": "SELECT 1; COMMIT; DELETE FROM events"}
    with pytest.raises(RollbackError):
        call(postgres_validate_info, **login, assertions=[smuggled])
    assert server.execute("SELECT count(*) FROM events", login["login_db"]) == [(300,)]


@pytest.mark.parametrize(
    ("change", "table", "verdict", "message"),
    [
        ("SELECT 1", None, "pass", ""),
        ("DELETE FROM orders WHERE id = 7", "public.orders", "fail", "1999 rows instead of 2000"),
        ("UPDATE orders SET note = 'x' WHERE id = 7", "public.orders", "fail", "changed values in note"),
        ("UPDATE products SET price = 2.51 - price WHERE id < 2", "public.products", "fail", "price"),
        (
            "UPDATE products a SET name = b.name FROM products b WHERE a.id + b.id = 3",
            "public.products", "fail", "changed values in name",
        ),
        (
            "UPDATE events SET kind = raw::text, raw = NULL WHERE weight < 1",
            "public.events", "fail", "changed values in kind, raw",
        ),
        (
            "UPDATE events a SET raw = b.raw FROM events b"
            " WHERE (a.weight * 7)::int + (b.weight * 7)::int = 3 AND a.weight <> b.weight",
            "public.events", "fail", "values were swapped between rows",
        ),
        ("ALTER TABLE orders DROP COLUMN note", "public.orders", "pass", ""),
        ("ALTER TABLE orders ADD COLUMN extra int DEFAULT 3", "public.orders", "pass", ""),
        ("ALTER TABLE orders DROP COLUMN note; DELETE FROM orders WHERE id = 7", "public.orders", "fail", "1999 rows"),
        ("ALTER TABLE products DROP COLUMN id CASCADE", "public.products", "inconclusive", "the key (id) is gone"),
        ("DROP TABLE events", None, "pass", ""),
        ("VACUUM FULL orders", None, "pass", ""),
    ],
)  # fmt: skip
def test_tables_against_the_manifest(
    login: dict[str, Any],
    folder: Path,
    server: PostgresServer,
    change: str,
    table: str | None,
    verdict: str,
    message: str,
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute(change, login["login_db"])
    result = call(postgres_validate_info, **login, manifest=path + ".json")
    assert result["verdict"] == verdict, result["checks"]
    if table:
        check = next(check for check in result["checks"] if check["name"] == table)
        assert check["verdict"] == verdict
        assert message in check["message"]
    assert result["tables_gone"] == (["public.events"] if "DROP TABLE" in change else [])
    assert result["columns_gone"] == [
        column for column in ("public.orders.note", "public.products.id")
        if f"ALTER TABLE {column.split('.')[1]} DROP COLUMN {column.split('.')[2]}" in change
    ]  # fmt: skip


def test_renamed_column_is_known_by_its_values(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute("ALTER TABLE products RENAME price TO cost; ALTER TABLE products RENAME name TO title", shop)
    told = call(postgres_validate_info, **login, manifest=path)
    assert told["verdict"] == "pass"
    assert told["columns_renamed"] == {"public.products.price": "cost", "public.products.name": "title"}
    assert told["columns_gone"] == []
    server.execute("UPDATE products SET cost = cost + 1 WHERE id = 1", shop)
    assert call(postgres_validate_info, **login, manifest=path)["columns_gone"] == ["public.products.price"]


def test_a_column_of_another_type_with_the_same_values_is_the_same(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    server.execute(
        "ALTER TABLE orders ADD count int; UPDATE orders SET count = id; ALTER TABLE orders ADD code text", shop
    )
    server.execute("UPDATE orders SET code = id", shop)
    call(postgres_backup, **login, path=path)
    server.execute("ALTER TABLE orders ALTER count TYPE text, ALTER code TYPE bigint USING code::bigint", shop)
    checked = call(postgres_validate_info, **login, manifest=path)
    assert checked["verdict"] == "pass", checked["checks"]
    server.execute("UPDATE orders SET count = '7' WHERE id = 8", shop)
    assert call(postgres_validate_info, **login, manifest=path)["verdict"] == "fail"


def test_what_may_differ_is_left_out(login: dict[str, Any], folder: Path, server: PostgresServer) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute("DELETE FROM events; UPDATE orders SET note = 'x'", login["login_db"])
    asked = {**login, "manifest": path}
    assert call(postgres_validate_info, **asked)["verdict"] == "fail"
    assert call(postgres_validate_info, **asked, ignore_tables=["events", "orders.note"])["verdict"] == "pass"


def test_schema_that_goes_up_and_down_is_the_same_schema(login: dict[str, Any], server: PostgresServer) -> None:
    before = call(postgres_validate_info, **login)["schema_fingerprint"]
    server.execute(
        "ALTER TABLE orders DROP COLUMN note, ADD COLUMN gift boolean NOT NULL DEFAULT false", login["login_db"]
    )
    assert call(postgres_validate_info, **login, schema_fingerprint=before)["verdict"] == "fail"
    server.execute("ALTER TABLE orders ADD COLUMN note text, DROP COLUMN gift", login["login_db"])
    assert call(postgres_validate_info, **login, schema_fingerprint=before)["verdict"] == "pass"


@pytest.mark.parametrize(
    ("body", "verdict", "message"),
    [
        ('test "$(psql -qAtXc "SELECT count(*) FROM products")" = 50', "pass", ""),
        ("echo 'orders without products: 3' >&2; exit 1", "fail", "orders without products: 3"),
        ("sleep 30", "error", "not done within 0.5 s"),
    ],
)
def test_script(login: dict[str, Any], tmp_path: Path, body: str, verdict: str, message: str) -> None:
    script = tmp_path / "validate-data.sh"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    timeout = 0.5 if verdict == "error" else 20
    result = call(postgres_validate_info, **login, script=["./validate-data.sh"], chdir=str(tmp_path), timeout=timeout)
    assert result["verdict"] == verdict
    assert message in result["checks"][0]["message"]


def test_missing_script_is_an_error_and_nothing_asked_is_no_pass(login: dict[str, Any]) -> None:
    assert call(postgres_validate_info, **login, script=["./gone.sh"])["verdict"] == "error"
    assert call(postgres_validate_info, **login)["verdict"] == "inconclusive"


def test_wrong_password_is_a_clear_error_without_it(login: dict[str, Any]) -> None:
    with pytest.raises(RollbackError, match="password authentication failed") as caught:
        call(postgres_validate_info, **{**login, "login_password": "hunter2-wrong"})
    assert "hunter2" not in str(caught.value.message)
