# SPDX-License-Identifier: GPL-3.0-or-later
"""What postgres_restore brings back beside the rows, and whom it lets do so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import postgres_backup, postgres_restore

from tests.integration.postgres.calling import call
from tests.integration.postgres.conftest import databases
from tests.sandbox.postgres import PostgresServer


@pytest.mark.usefixtures("cleared")
def test_data_of_another_environment_come_only_by_its_name(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path, environment="us-1")
    server.execute("DELETE FROM orders", shop)
    with pytest.raises(RollbackError, match="is of environment us-1, not of eu-1"):
        call(postgres_restore, **login, path=path, environment="eu-1")
    assert databases(server, shop) == [shop]
    assert call(postgres_restore, **login, path=path, environment="us-1")["changed"]


@pytest.mark.usefixtures("cleared")
def test_sequences_that_fell_behind_are_brought_back_too(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    server.execute("CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'), nextval('down')", shop)
    call(postgres_backup, **login, path=path)
    server.execute("SELECT nextval('orders_id_seq'), nextval('down')", shop)  # ahead: no value is given twice
    assert not call(postgres_restore, **login, path=path)["changed"]
    server.execute("SELECT setval('orders_id_seq', 5)", shop)
    assert call(postgres_restore, **login, path=path)["changed"]
    assert server.execute("SELECT nextval('orders_id_seq'), nextval('down')", shop) == [(2001, -3)]
    server.execute("SELECT setval('down', -1)", shop)
    assert call(postgres_restore, check_mode=True, **login, path=path)["changed"]


@pytest.mark.usefixtures("cleared")
def test_the_planner_knows_the_restored_database(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    server.execute("DELETE FROM orders", shop)
    call(postgres_restore, **login, path=path)
    assert server.execute("SELECT reltuples FROM pg_class WHERE relname = 'orders'", shop) == [(2000,)]
    assert server.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'orders'", shop) == [(4,)]


@pytest.mark.usefixtures("cleared")
def test_the_collation_of_icu_comes_back(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = folder / "icu.dump"
    if int(server.execute("SHOW server_version_num")[0][0]) < 150000:
        pytest.skip("PostgreSQL chooses the locale provider of a database from version 15 on")
    server.execute(f"DROP DATABASE {shop}")
    server.execute(f"CREATE DATABASE {shop} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE'")
    server.execute("CREATE TABLE words AS SELECT unnest(ARRAY['zebra', 'ärlig']) AS word", shop)
    asked = "SELECT to_jsonb(d) - 'oid' - 'datfrozenxid' - 'datminmxid' FROM pg_database d WHERE datname = %s"
    before = server.execute(asked, arguments=[shop])
    call(postgres_backup, **login, path=str(path), proof="restore")
    server.execute(f"DROP DATABASE {shop}")
    call(postgres_restore, **login, path=str(path))
    assert server.execute(asked, arguments=[shop]) == before
    assert server.execute("SELECT array_agg(word ORDER BY word) FROM words", shop) == [(["zebra", "ärlig"],)]


@pytest.mark.usefixtures("cleared")
def test_sessions_that_the_role_may_not_end_are_named(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path, role = str(folder / "shop.dump"), f"{shop}_plain"
    server.create_role(role, "secret", "LOGIN CREATEDB")
    server.execute(f"GRANT pg_read_all_data, pg_signal_backend TO {role}; ALTER DATABASE {shop} OWNER TO {role}")
    server.execute(f"ALTER SCHEMA public OWNER TO {role}", shop)
    relations = "FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
    for (name,) in server.execute(f"SELECT quote_ident(relname) {relations}", shop):
        server.execute(f"ALTER TABLE {name} OWNER TO {role}", shop)
    plain = {**login, "login_user": role, "login_password": "secret"}
    call(postgres_backup, **plain, path=path)
    server.execute("DELETE FROM orders", shop)
    with server.connect(shop) as boss:
        with pytest.raises(RollbackError, match=f"is in use by pid {boss.get_backend_pid()}"):
            call(postgres_restore, **plain, path=path)
        with pytest.raises(RollbackError, match=rf"{role} may not end pid {boss.get_backend_pid()} \(user postgres"):
            call(postgres_restore, **plain, path=path, terminate_sessions=True)
        assert databases(server, shop) == [shop]
    with server.connect(shop):
        assert call(postgres_restore, **login, path=path, terminate_sessions=True)["changed"]


@pytest.mark.usefixtures("cleared")
def test_what_belongs_to_the_database_itself_survives(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str
) -> None:
    path = str(folder / "shop.dump")
    role = f"{shop}_owner"
    server.create_role(role, "secret")
    for statement in (
        f"ALTER DATABASE {shop} OWNER TO {role}",
        f"ALTER DATABASE {shop} SET work_mem = '7MB'",
        f"ALTER DATABASE {shop} SET search_path = sales, public",
        f"ALTER ROLE {role} IN DATABASE {shop} SET statement_timeout = '9s'",
        f"REVOKE CONNECT ON DATABASE {shop} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {shop} TO {role} WITH GRANT OPTION",
        f"ALTER DATABASE {shop} CONNECTION LIMIT 17",
    ):
        server.execute(statement)
    asked = """
        SELECT datdba, datconnlimit, ARRAY(SELECT a::text FROM unnest(datacl) a ORDER BY 1),
            (SELECT array_agg(setrole || array_to_string(setconfig, ',') ORDER BY setrole) FROM pg_db_role_setting s
             WHERE s.setdatabase = d.oid)
        FROM pg_database d WHERE datname = %s
    """
    before = server.execute(asked, arguments=[shop])
    call(postgres_backup, **login, path=path)
    server.execute("DELETE FROM public.orders", shop)
    call(postgres_restore, **login, path=path)
    assert server.execute(asked, arguments=[shop]) == before
