# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks that go wrong at the database, by the playbooks: what is told, what is unharmed, and how it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.database.conftest import Shop, decided, scripts
from tests.integration.rollback.conftest import Operator

pytestmark = pytest.mark.sandbox

DOWN = "migrations/042_loyalty.down.sql"
AGAIN = "run the same command again"


def test_a_failing_down_step_is_found_on_a_copy(operator: Operator, shop: Shop, migrations: Path) -> None:
    before = shop.rows()
    (migrations / DOWN).write_text("DROP TABLE loyalty_accounts; DROP TABLE nothing_like_that;")
    output = decided(operator, *scripts(migrations), rc=2)
    assert "rehearsed on a scratch copy, while the live database was left alone: " in output
    assert 'table "nothing_like_that" does not exist' in output
    assert AGAIN in output
    assert shop.rows() == before
    assert shop.databases() == {"shop"}, "a scratch copy was left behind"


def test_a_failing_down_step_costs_nothing_and_the_same_command_goes_on(
    operator: Operator, shop: Shop, migrations: Path
) -> None:
    before = shop.rows()
    good = (migrations / DOWN).read_text()
    (migrations / DOWN).write_text(good.replace("loyalty_points", "loyalty_point"))
    unrehearsed = (*scripts(migrations), "-e", "database_rehearse=false")
    output = decided(operator, *unrehearsed, rc=2)
    assert 'column "loyalty_point" of relation "orders" does not exist' in output
    assert "The schema is at 42; the target is 41" in output
    assert AGAIN in output
    assert shop.rows() == before
    # The backup was checked and is what the database is.
    output = operator.play("restore", "-e", "version=1.4.2")
    assert "shop holds exactly what the backup does: nothing was changed" in output

    (migrations / DOWN).write_text(good)
    assert "Release 1.4.2 is rolled back" in decided(operator, *unrehearsed)
    assert shop.schema() == 41


def test_a_forgotten_transaction_is_named_and_ended_only_by_option(operator: Operator, shop: Shop) -> None:
    before = shop.rows()
    with shop.forgotten_transaction() as pid:
        output = decided(operator, "-e", "database_lock_timeout=2", rc=2)
        assert f"pid {pid} (user shop_owner, somebody's psql, idle in transaction" in output
        assert "terminate_blockers: true" in output
        assert AGAIN in output
        assert shop.rows() == before
        decided(operator, "-e", "database_lock_timeout=2", "-e", "database_terminate_blockers=true")
    assert shop.schema() == 41


def test_more_loss_than_allowed_stops_before_anybody_notices(operator: Operator, shop: Shop) -> None:
    before, pods = shop.rows(), {item["metadata"]["uid"] for item in operator.sandbox.cluster.items("Pod")}
    accounts = len(before["loyalty_accounts"])
    output = decided(operator, "-e", "database_max_loss=3", rc=2)
    assert f"max_loss is 3: {accounts} in public.loyalty_accounts" in output
    assert {item["metadata"]["uid"] for item in operator.sandbox.cluster.items("Pod")} == pods
    assert shop.rows() == before
    output = decided(operator, "--check")
    assert f"goes down from migration 42 to 41 and loses {accounts} rows of public.loyalty_accounts" in output


def test_rows_that_vanish_on_the_way_stop_it_and_restore_brings_them_back(
    operator: Operator, shop: Shop, migrations: Path
) -> None:
    before = shop.rows()
    good = (migrations / DOWN).read_text()
    (migrations / DOWN).write_text(good + "DELETE FROM orders WHERE id = (SELECT min(id) FROM orders);\n")  # noqa: S608
    orders = len(before["orders"])
    lost = f"public.orders: {orders - 1} rows instead of {orders}"
    output = decided(operator, *scripts(migrations), rc=2)
    assert lost in output
    assert "Nothing was migrated" in output
    assert shop.rows() == before
    output = decided(operator, *scripts(migrations), "-e", "database_rehearse=false", rc=2)
    assert lost in output
    assert "playbooks/restore.yml -e version=1.4.2" in output

    output = operator.play("restore", "-e", "version=1.4.2")
    assert "api-server" in output
    assert shop.rows() == before
    (migrations / DOWN).write_text(good)
    assert "Release 1.4.2 is rolled back" in decided(operator, *scripts(migrations))
    assert shop.schema() == 41
    assert len(shop.rows()["orders"]) == orders


def test_the_plan_rehearses_ahead_of_time(operator: Operator, shop: Shop, migrations: Path) -> None:
    before = shop.rows()
    rehearse = ("-e", "version=1.4.2", "-e", "plan_rehearse=true")
    assert "shop went down from 42 to 41 on a copy in" in operator.play("plan", *rehearse)
    (migrations / DOWN).write_text("DROP TABLE nothing_like_that;")
    output = operator.play("plan", *rehearse, *scripts(migrations), rc=2)
    assert "CANNOT be rolled back: shop CANNOT go down: " in output
    assert shop.rows() == before
    assert shop.databases() == {"shop"}
    assert not list((operator.sandbox.directory / "backups").glob("rehearsal-*"))


def test_a_migration_that_commits_half_of_it_costs_neither_the_backup_nor_an_honest_abort(
    operator: Operator, shop: Shop, migrations: Path
) -> None:
    before = shop.rows()
    good, tool = (migrations / DOWN).read_text(), migrations / "migrate.sh"
    (migrations / DOWN).write_text("DROP TABLE loyalty_accounts;\nDROP TABLE nothing_like_that;\n")
    tool.write_text(tool.read_text().replace("ask --single-transaction", "ask"))
    unrehearsed = (*scripts(migrations), "-e", "database_rehearse=false")
    assert "The schema is at 42; the target is 41" in decided(operator, *unrehearsed, rc=2)
    backup = shop.backups()[-1]
    taken = backup.with_name(f"{backup.name}.json").read_text()
    decided(operator, *unrehearsed, rc=2)
    assert backup.with_name(f"{backup.name}.json").read_text() == taken, "the only good backup was overwritten"
    assert "loyalty_accounts" in taken

    output = operator.play("abort", "-e", "version=1.4.2", *scripts(migrations), rc=2)
    assert "a migration of shop has begun and the database is not what the backup taken before holds (schema)" in output
    # Lost with its control node it is fetched, and where it is not to be had, none takes its place unasked.
    backup.unlink()
    (migrations / DOWN).write_text(good.replace("DROP TABLE", "DROP TABLE IF EXISTS"))
    aside = backup.with_name("aside.json")
    backup.with_name(f"{backup.name}.json").rename(aside)
    refused = decided(operator, *unrehearsed, "-e", "database_backup_url=", rc=2)
    assert "-e database_backup_lost=true" in refused
    assert not backup.exists()
    aside.unlink()
    assert "Release 1.4.2 is rolled back" in decided(operator, *unrehearsed)
    assert backup.with_name(f"{backup.name}.json").read_text() == taken
    assert shop.schema() == 41
    operator.play("restore", "-e", "version=1.4.2", "-e", "restore_confirm=shop")
    assert shop.rows() == before
