# SPDX-License-Identifier: GPL-3.0-or-later
"""migration_info and migration_downgrade with a program that keeps the plan template's contract."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import migration_downgrade, migration_info

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer
from tests.sandbox.process import wait_until


def version(server: PostgresServer, project: dict[str, Any]) -> int:
    """Where the schema really is."""
    return int(server.execute("SELECT version FROM state", project["login_db"])[0][0])


def down_script(project: dict[str, Any], number: int) -> Path:
    """The file of one step."""
    return next(Path(project["chdir"]).glob(f"migrations/{number}_*"))


def test_info_tells_the_way_down_and_its_price(project: dict[str, Any]) -> None:
    told = call(migration_info, **project, target="41")
    assert (told["current"], told["target"], told["direction"], told["dirty"]) == ("42", "41", "down", False)
    assert told["steps"] == [{"version": "42", "to": "41", "name": "loyalty"}]
    assert told["problems"] == []
    assert told["loss"]["rows"] == 7 + 5
    items = [(item["kind"], item["table"], item["column"], item["rows"]) for item in told["loss"]["items"]]
    assert items == [("table", "public.points", "", 7), ("column", "public.users", "tier", 5)]


def test_without_target_only_the_version_is_told(project: dict[str, Any]) -> None:
    told = call(migration_info, **project)
    assert (told["current"], told["direction"], told["steps"], told["loss"]) == ("42", "none", [], None)


def test_down_and_again(project: dict[str, Any], server: PostgresServer) -> None:
    done = call(migration_downgrade, diff=True, **project, target="41")
    assert done["changed"]
    assert (done["from"], done["to"]) == ("42", "41")
    assert done["diff"] == {"before": "version: 42\n", "after": "version: 41\n"}
    assert done["output"] == ["now at 41"]
    assert done["steps"][0]["seconds"] > 0
    assert version(server, project) == 41
    again = call(migration_downgrade, **project, target="41")
    assert not again["changed"]
    assert again["steps"] == []


def test_two_steps_are_run_one_by_one(project: dict[str, Any], server: PostgresServer) -> None:
    done = call(migration_downgrade, **project, target="40")
    assert [(step["version"], step["to"]) for step in done["steps"]] == [("42", "41"), ("41", "40")]
    assert done["output"] == ["now at 41", "100", "now at 40"]
    assert version(server, project) == 40


def test_second_step_missing_stops_before_the_first(project: dict[str, Any], server: PostgresServer) -> None:
    down_script(project, 41).write_text("")
    with pytest.raises(RollbackError, match="step 41 cannot be undone: its down script is empty"):
        call(migration_downgrade, **project, target="40")
    assert version(server, project) == 42


def test_check_mode_tells_and_runs_nothing(project: dict[str, Any], server: PostgresServer) -> None:
    told = call(migration_downgrade, check_mode=True, **project, target="41")
    assert told["changed"]
    assert told["steps"] == [{"version": "42", "to": "41", "name": "loyalty"}]
    assert version(server, project) == 42


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("43", "above the current version 42: that way is up"),
        ("abc", "not both numbers"),
    ],
)
def test_wrong_targets_are_refused(project: dict[str, Any], server: PostgresServer, target: str, message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        call(migration_downgrade, **project, target=target)
    assert version(server, project) == 42


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, "step 42 cannot be undone: there is no down script for it"),
        ("-- nothing here\n", "step 42 cannot be undone: its down script is empty"),
        ("-- This migration is irreversible.\n", "says that it is irreversible"),
        ("DO $$ BEGIN RAISE EXCEPTION 'irreversible'; END $$;", "raises an error"),
    ],
)
def test_steps_that_cannot_be_undone_are_found_first(
    project: dict[str, Any], server: PostgresServer, script: str | None, message: str
) -> None:
    file = down_script(project, 42)
    file.unlink() if script is None else file.write_text(script)
    assert any(message in problem for problem in call(migration_info, **project, target="41")["problems"])
    with pytest.raises(RollbackError, match=message):
        call(migration_downgrade, **project, target="41")
    assert version(server, project) == 42


def test_failing_step_leaves_the_schema_and_a_rerun_finishes(project: dict[str, Any], server: PostgresServer) -> None:
    file = down_script(project, 42)
    good = file.read_text()
    file.write_text("DROP TABLE points; SELECT 1/0;")
    with pytest.raises(RollbackError, match="division by zero") as caught:
        call(migration_downgrade, **project, target="41")
    assert caught.value.details["at"] == "42"
    assert "The schema is at 42; the target is 41" in caught.value.message
    assert server.execute("SELECT count(*) FROM points", project["login_db"]) == [(7,)]
    file.write_text(good)
    assert call(migration_downgrade, **project, target="41")["to"] == "41"


def test_tool_that_lies_is_found_out(project: dict[str, Any]) -> None:
    tool = Path(project["chdir"]) / "migrate.sh"
    tool.write_text("#!/bin/sh\n[ $1 = down ] || echo 'version: 42'\n")
    with pytest.raises(RollbackError, match=r"the tool reported success\. The schema is at 42"):
        call(migration_downgrade, **project, target="41")


def test_held_lock_names_its_holder(project: dict[str, Any], server: PostgresServer) -> None:
    with server.connect(project["login_db"]) as holder, holder.cursor() as cursor:
        cursor.execute("SET application_name = 'forgotten console'")
        cursor.execute("BEGIN; SELECT name FROM users LIMIT 1")
        with pytest.raises(RollbackError, match=r"locks in .* are held by pid") as caught:
            call(migration_downgrade, **project, target="41", lock_timeout=0.3)
        blocker = caught.value.details["blockers"][0]
        assert blocker["pid"] == holder.get_backend_pid()
        assert blocker["user"] == "postgres"
        assert blocker["application"] == "forgotten console"
        assert "SELECT name FROM users" in blocker["query"]
        assert call(migration_info, **project)["blockers"][0]["pid"] == blocker["pid"]
        assert version(server, project) == 42
        done = call(migration_downgrade, **project, target="41", lock_timeout=0.3, terminate_blockers=True)
        assert [one["pid"] for one in done["terminated"]] == [blocker["pid"]]
    assert version(server, project) == 41


def test_a_role_that_may_not_see_what_others_do_sees_their_locks(
    project: dict[str, Any], server: PostgresServer
) -> None:
    database = project["login_db"]
    role = f"{database}_plain"
    server.create_role(role, "secret")
    server.execute(f"GRANT pg_read_all_data TO {role}; GRANT ALL ON state TO {role}", database)
    plain = {**project, "login_user": role, "login_password": "secret"}
    with server.connect(database) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; SELECT name FROM users LIMIT 1")
        pid = holder.get_backend_pid()
        with pytest.raises(RollbackError, match=rf"by pid {pid} \(user postgres, .*, holds AccessShareLock on users"):
            call(migration_downgrade, **plain, target="41", lock_timeout=0.3)
        assert call(migration_info, **plain)["blockers"][0]["pid"] == pid
        with pytest.raises(RollbackError, match=rf"could not be ended: pid {pid} .*superuser.*by a role that may"):
            call(migration_downgrade, **plain, target="41", lock_timeout=0.3, terminate_blockers=True)
    assert version(server, project) == 42


def test_short_transactions_of_a_live_application_are_not_blockers(
    project: dict[str, Any], server: PostgresServer
) -> None:
    """Ever new transactions, none of which lasts: the step gets its lock between them."""
    login = server.dsn(project["login_db"])
    each = "PERFORM count(*) FROM public.users; PERFORM pg_sleep(0.01); COMMIT;"
    busy = f"DO $$ BEGIN FOR i IN 1..2000 LOOP {each} END LOOP; END $$"
    pump = subprocess.Popen(["psql", "-qX", login, "-c", busy], stderr=subprocess.DEVNULL)
    try:
        assert call(migration_downgrade, **project, target="41", lock_timeout=5)["to"] == "41"
        assert pump.poll() is None
    finally:
        pump.kill()
        pump.wait()


def test_advisory_lock_of_another_migrator_is_a_blocker(project: dict[str, Any], server: PostgresServer) -> None:
    with server.connect(project["login_db"]) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(42)")
        with pytest.raises(RollbackError, match="holds an advisory lock"):
            call(migration_downgrade, **project, target="41", lock_timeout=0.2)


def test_lock_taken_after_the_look_is_not_waited_for_without_end(
    project: dict[str, Any], server: PostgresServer
) -> None:
    """Without connection options nobody looks for locks; the statement's own limit ends the wait."""
    options = {name: value for name, value in project.items() if not name.startswith("login")}
    options["environment"] = server.environment(project["login_db"])
    with server.connect(project["login_db"]) as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE users")
        with pytest.raises(RollbackError, match="lock timeout"):
            call(migration_downgrade, **options, target="41", lock_timeout=0.3)
    assert version(server, project) == 42


def test_tool_that_hangs_is_ended_on_both_sides(project: dict[str, Any], server: PostgresServer) -> None:
    down_script(project, 42).write_text("SELECT pg_sleep(60);")
    with server.connect("postgres") as other, other.cursor() as cursor:  # another tool, at work on another database
        cursor.execute("SET application_name = 'octalume.rollback migration'")
        told = r"was ended; its sessions on the server \(\d+\) were ended.*The schema is at 42"
        with pytest.raises(RollbackError, match=told):
            call(migration_downgrade, **project, target="41", timeout=0.8)
        cursor.execute("SELECT 1")
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
    assert server.execute(sleeping) == [(0,)]


def test_tool_that_goes_on_elsewhere_is_not_said_to_be_rolled_back(
    project: dict[str, Any], server: PostgresServer
) -> None:
    down_script(project, 42).write_text("SELECT pg_sleep(2);")
    elsewhere = Path(project["chdir"]) / "ssh.sh"  # what we set does not cross, and its end goes on without us
    elsewhere.write_text('#!/bin/sh\nunset PGAPPNAME PGOPTIONS\nsetsid ./migrate.sh "$@" </dev/null &\nwait $!\n')
    elsewhere.chmod(0o755)
    with pytest.raises(RollbackError, match=r"no session .* may still be at work.*pg_stat_activity") as told:
        call(migration_downgrade, **project, command=["./ssh.sh"], target="41", timeout=1)
    assert "rolled back" not in told.value.message
    wait_until(lambda: version(server, project) == 41, 10, "the tool that went on")


def test_loss_beyond_the_limit_stops(project: dict[str, Any], server: PostgresServer) -> None:
    with pytest.raises(
        RollbackError, match=r"lose 12 rows, max_loss is 11: 7 in public\.points, 5 in public\.users\.tier"
    ):
        call(migration_downgrade, **project, target="41", max_loss=11)
    assert version(server, project) == 42
    assert call(migration_downgrade, **project, target="41", max_loss=12)["changed"]


def test_loss_nobody_can_see_stops_too(project: dict[str, Any]) -> None:
    del project["down_scripts"]
    with pytest.raises(RollbackError, match="cannot be seen: step 42: its SQL is not known"):
        call(migration_downgrade, **project, target="41", max_loss=1000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo hello world", "told no version"),
        ("echo 'version: 41'; echo 'version: 42'", "told no version"),
        ("echo 'no such host' >&2; exit 3", r"failed \(rc 3\): no such host"),
        ("echo 'version: 42'; echo 'dirty: true'", "the schema is dirty at 42"),
    ],
)
def test_status_that_says_nothing_usable(project: dict[str, Any], body: str, message: str) -> None:
    (Path(project["chdir"]) / "migrate.sh").write_text(f"#!/bin/sh\n{body}\n")
    with pytest.raises(RollbackError, match=message):
        call(migration_downgrade, **project, target="41")


def test_missing_tool_and_other_servers_are_clear_errors(project: dict[str, Any]) -> None:
    with pytest.raises(RollbackError, match=r"cannot start the migration tool \./gone\.sh in .*No such file"):
        call(migration_info, **{**project, "command": ["./gone.sh"]})
    with pytest.raises(RollbackError, match="not supported: what DATABASE_URL names is MySQL"):
        call(migration_info, **project, environment={"DATABASE_URL": "mysql://root@db/shop"})


def test_only_what_the_way_down_prints_is_shown(project: dict[str, Any]) -> None:
    shown: list[str] = []
    call(migration_downgrade, **project, target="41", progress=shown)
    assert shown == ["now at 41"]


def test_info_tells_the_fingerprint_of_the_live_schema(project: dict[str, Any]) -> None:
    before = call(migration_info, **project)["schema_fingerprint"]
    call(migration_downgrade, **project, target="41")
    after = call(migration_info, **project)["schema_fingerprint"]
    assert len(before) == len(after) == 64
    assert before != after


def orphan(project: dict[str, Any], server: PostgresServer, seconds: float) -> subprocess.Popen[bytes]:
    """The tool on its way down, as a run that was ended leaves it behind."""
    script = down_script(project, 42)
    script.write_text(f"SELECT pg_sleep({seconds});\n{script.read_text()}")
    environment = {**server.environment(project["login_db"]), "PGAPPNAME": "octalume.rollback migration"}
    child = subprocess.Popen(
        ["./migrate.sh", "down", "--to-version", "41"],
        cwd=project["chdir"], env={**os.environ, **environment}, start_new_session=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    asked = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'octalume.rollback migration' AND query ~ 'pg_sleep'"
    )
    wait_until(lambda: bool(server.execute(asked)), 10, "the tool at work")
    return child


def test_a_tool_that_outlived_its_run_is_waited_for(project: dict[str, Any], server: PostgresServer) -> None:
    child = orphan(project, server, 2)
    progress: list[str] = []
    told = call(migration_info, progress=progress, **project, target="41")
    assert told["current"] == "41", "what was asked earlier would have been wrong a moment later"
    assert "still at work" in progress[0]
    assert child.wait(10) == 0


def test_a_tool_that_outlived_its_run_is_not_waited_for_for_ever(
    project: dict[str, Any], server: PostgresServer
) -> None:
    child = orphan(project, server, 30)
    try:
        with pytest.raises(RollbackError, match=r"still at work \(pid \d+ .*pg_terminate_backend"):
            call(migration_downgrade, **project, target="41", timeout=1)
    finally:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep\\(30'")
        child.wait(10)
    assert version(server, project) == 42
