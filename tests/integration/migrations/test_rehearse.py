# SPDX-License-Identifier: GPL-3.0-or-later
"""migration_rehearse: the way down on a copy, with the live database untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import (
    migration_downgrade,
    migration_info,
    migration_rehearse,
    postgres_backup,
    postgres_validate_info,
)

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer


@pytest.fixture
def rehearsal(project: dict[str, Any], server: PostgresServer) -> Any:
    """Options of the module, with a backup taken; afterwards the live database is what it was and no copy is left."""
    path = str(Path(project["chdir"]) / "app.dump")
    login = {name: value for name, value in project.items() if name.startswith("login")}
    call(postgres_backup, **login, path=path, release="1.4.2")
    yield {**project, "path": path, "target": "41", "ignore_tables": ["state"]}
    checked = call(postgres_validate_info, **login, manifest=path)
    assert (checked["verdict"], checked["tables_gone"], checked["columns_gone"]) == ("pass", [], [])
    assert server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE '%_scratch_%'") == [(0,)]


def test_what_it_costs(rehearsal: dict[str, Any]) -> None:
    script = next(Path(rehearsal["chdir"]).glob("migrations/42_*"))
    more = "ALTER TABLE users RENAME name TO title; DELETE FROM users WHERE id > 8;"
    script.write_text(f"{script.read_text()}{more}")
    told = call(migration_rehearse, **rehearsal, compare_rows=False)
    assert (told["verdict"], told["from"], told["to"], told["changed"]) == ("pass", "42", "41", False)
    items = {(item["kind"], item["table"], item["column"]): item["rows"] for item in told["loss"]["items"]}
    assert items == {
        ("table", "public.points", ""): 7,
        ("delete", "public.users", ""): 2,
        ("column", "public.users", "tier"): 5,
        ("column", "public.users", "name"): 10,  # its values are not all there any more
    }
    assert "table public.points" in told["objects_gone"]
    assert "column public.users.title text" in told["objects_new"]
    assert told["steps"][0]["seconds"] > 0


def test_how_long_tables_are_locked(rehearsal: dict[str, Any]) -> None:
    script = next(Path(rehearsal["chdir"]).glob("migrations/42_*"))
    script.write_text(f"{script.read_text()}\nSELECT pg_sleep(0.7);")
    locks = {lock["table"]: lock["seconds"] for lock in call(migration_rehearse, **rehearsal)["locks"]}
    assert set(locks) >= {"public.points", "public.users"}
    assert all(0.5 < locks[name] < 30 for name in ("public.points", "public.users"))


def test_schema_is_compared_with_the_previous_release(rehearsal: dict[str, Any]) -> None:
    after = call(migration_rehearse, **rehearsal)["schema_fingerprint"]
    assert call(migration_rehearse, **rehearsal, schema_fingerprint=after)["verdict"] == "pass"
    assert call(migration_rehearse, **rehearsal, schema_fingerprint="0" * 64)["verdict"] == "fail"


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ("", ""),
        ("DELETE FROM users WHERE id > 8;", "public.users: 8 rows instead of 10"),
        ("UPDATE users SET name = 'x' WHERE id = 1;", "public.users: changed values in name"),
        ("ALTER TABLE users ADD note text;", ""),
        ("DELETE FROM users;", "public.users: 0 rows instead of 10; there are users"),
    ],
)
def test_the_copy_is_judged_as_the_live_database_will_be(rehearsal: dict[str, Any], more: str, note: str) -> None:
    script = next(Path(rehearsal["chdir"]).glob("migrations/42_*"))
    script.write_text(f"{script.read_text()}{more}")
    asked = [{"name": "there are users", "query": "SELECT count(*) FROM users", "expect": "> 0"}]
    told = call(migration_rehearse, **rehearsal, assertions=asked)
    assert told["verdict"] == ("fail" if note else "pass")
    assert all(part in told["note"] for part in note.split("; "))
    unasked = call(migration_rehearse, **{**rehearsal, "ignore_tables": ["state", "users"]})
    assert (unasked["verdict"], unasked["note"]) == ("pass", "")


def test_tool_with_an_address_of_its_own_is_refused(rehearsal: dict[str, Any]) -> None:
    tool = Path(rehearsal["chdir"]) / "migrate.sh"
    tool.write_text(tool.read_text().replace("set -eu\n", f"set -eu\nexport PGDATABASE={rehearsal['login_db']}\n"))
    with pytest.raises(RollbackError, match="does not follow the connection it is given"):
        call(migration_rehearse, **rehearsal)
    told = call(migration_rehearse, **rehearsal, budget=60)
    assert told["verdict"] == "inconclusive"
    assert "does not follow the connection" in told["note"]


def test_failing_step_is_found_where_it_costs_nothing(rehearsal: dict[str, Any]) -> None:
    next(Path(rehearsal["chdir"]).glob("migrations/42_*")).write_text("DROP TABLE points; DROP TABLE no_such_table;")
    with pytest.raises(RollbackError, match=r"(?s)live database was left alone: .*no_such_table"):
        call(migration_rehearse, **rehearsal)


def test_budget_and_check_mode_do_nothing(rehearsal: dict[str, Any]) -> None:
    assert call(migration_rehearse, **rehearsal, budget=0.0001)["verdict"] == "inconclusive"
    assert call(migration_rehearse, check_mode=True, **rehearsal)["verdict"] == "inconclusive"


def test_backup_of_another_release_is_refused(rehearsal: dict[str, Any]) -> None:
    with pytest.raises(RollbackError, match=r"belongs to release 1\.4\.2, not to 1\.4\.3"):
        call(migration_rehearse, **rehearsal, release="1.4.3")


NAMES = """
CREATE TYPE level AS ENUM ('gold', 'tin');
CREATE TABLE members (id serial PRIMARY KEY, user_id int REFERENCES users, level level DEFAULT 'tin',
                      since timestamptz DEFAULT '2026-01-01 00:00:00+02');
CREATE VIEW gold AS SELECT m.id, u.name FROM members m JOIN users u ON u.id = m.user_id WHERE m.level = 'gold';
"""


def test_the_schema_has_one_fingerprint_whoever_asks(project: dict[str, Any], server: PostgresServer) -> None:
    """Names below search_path are written short by PostgreSQL, and times in the session's zone."""
    database = project["login_db"]
    server.execute(NAMES, database)
    server.execute(f"ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'")
    path = str(Path(project["chdir"]) / "app.dump")
    login = {name: value for name, value in project.items() if name.startswith("login")}
    taken = call(postgres_backup, **login, path=path)["backup"]["schema_fingerprint"]
    rehearsed = call(migration_rehearse, **project, path=path, target="41")["schema_fingerprint"]
    told = [call(migration_info, **project)["schema_fingerprint"], call(postgres_validate_info, **login)]
    assert told[0] == told[1]["schema_fingerprint"] == taken
    call(migration_downgrade, **project, target="41")
    recorded = call(migration_info, **project)["schema_fingerprint"]
    assert call(postgres_validate_info, **login, schema_fingerprint=recorded)["verdict"] == "pass"
    assert recorded == rehearsed != taken
