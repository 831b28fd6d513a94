# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools print, read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.adapters import (
    alembic,
    command,
    connection_environment,
    dbmate,
    django,
    flyway,
    golang_migrate,
    liquibase,
)
from ansible_collections.octalume.rollback.plugins.module_utils._migrations.model import Completed, Step, Tool
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._postgres.model import Connection


class Answers:
    """A tool that says what the test wants, by the last word it is asked with."""

    def __init__(self, folder: Path = Path(), **said: tuple[int, str, str]) -> None:
        self.folder = folder
        self.said = said
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], *, timeout: float = 60, once: bool = False) -> Completed:
        del once
        self.asked.append(list(arguments))
        word = next(word for word in arguments if word.replace("-", "_") in self.said)
        return Completed(("tool", *arguments), *self.said[word.replace("-", "_")], timeout)

    def files(self, pattern: str) -> dict[str, str]:
        return {str(path): path.read_text() for path in self.folder.glob(pattern)}

    def settle(self, timeout: float, *, take: bool) -> list[Completed]:
        del timeout, take
        return []


@pytest.mark.parametrize(
    ("text", "current", "applied", "dirty"),
    [
        ("environment: production\nversion: 42\npending: none\n", "42", None, False),
        ("42\n", "42", None, False),
        ("v42", "42", None, False),
        ("Version = 42\ndirty: true", "42", None, True),
        ("version: 42 (dirty)", "42", None, True),
        ("applied: 41 currency\napplied: 42 loyalty\nversion: 42", "42", ["41", "42"], False),
        ("applied: 42 loyalty\napplied: 41 currency\nversion: 42", "42", ["41", "42"], False),
        ("applied: 40, 41, 42\nversion: 42", "42", ["40", "41", "42"], False),
        ("applied: 40\nversion: 42", "42", None, False),
        ("version: 0", "0", None, False),
    ],
)
def test_contract_of_migrate_sh(text: str, current: str, applied: list[str] | None, dirty: bool) -> None:
    status = command.parse_status(text, ["./migrate.sh"])
    assert (status.current, status.dirty) == (current, dirty)
    assert (None if status.applied is None else [one.version for one in status.applied]) == applied


@pytest.mark.parametrize("text", ["", "all good", "version:", "version: 41\nversion: 42", "a\nb"])
def test_no_version_is_an_error(text: str) -> None:
    with pytest.raises(RollbackError, match="told no version"):
        command.parse_status(text, ["./migrate.sh"])


def test_alembic_graph() -> None:
    history = "b -> c (head), third\na -> b (current), second\n<base> -> a, first\n"
    status = alembic.read_history(history)
    assert status.current == "b"
    assert [(one.version, one.name) for one in status.applied or ()] == [("a", "first"), ("b", "second")]
    assert status.pending == ("c",)


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ("a -> b (head) (current), x\na -> c (head) (current), y\n<base> -> a (branchpoint), z\n", "several branches"),
        ("b, c -> d (head) (mergepoint) (current), m\na -> b, x\na -> c, y\n<base> -> a, z\n", "merges branches"),
    ],
)
def test_alembic_branches(history: str, problem: str) -> None:
    assert problem in alembic.read_history(history).problems[0]


def test_alembic_revision_of_another_release() -> None:
    lost = Answers(history=(255, "", "FAILED: Can't locate revision identified by 'zzz'"))
    status = alembic.Alembic(Tool(("alembic",)), lost).status()
    assert "revision zzz is in the database but not among the scripts here" in status.problems[0]


def test_django_gap_is_a_problem() -> None:
    status = django.read_migrations("shop\n [X] 0001_a\n [ ] 0002_b\n [X] 0003_c\n [ ] 0004_d\n", "shop")
    assert status.current == "0003_c"
    assert "0002_b is not applied" in status.problems[0]
    with pytest.raises(RollbackError, match="needs the option app"):
        django.Django(Tool(("x",)), Answers())


def test_dbmate_file_without_a_way_down() -> None:
    assert dbmate.read_file("-- migrate:up\nSELECT 1;").problem == "its file has no '-- migrate:down' part"
    assert dbmate.read_file("-- migrate:up\nx\n-- migrate:down transaction:false\nDROP TABLE a;").problem == ""


def test_flyway_json() -> None:
    entries = [
        {"version": "41", "category": "Versioned", "description": "currency", "state": "Success"},
        {"version": "", "category": "Repeatable", "description": "views", "state": "Success"},
        {"version": "42", "category": "Versioned", "description": "loyalty", "state": "Failed"},
        {"version": "43", "category": "Versioned", "description": "next", "state": "Pending"},
    ]
    status = flyway.read_info(json.dumps({"migrations": entries}))
    assert (status.current, status.dirty, status.pending) == ("41", True, ("43",))
    with pytest.raises(RollbackError, match="gave no JSON"):
        flyway.read_info("ERROR: no license")


def test_liquibase_history_and_rollback() -> None:
    history = "Liquibase History\n- Database updated at 1/2/26. Applied 2 changeset(s).\n"
    history += "     db/log.sql::41::ann\n     db/log.sql::42::bob\n"
    said = Answers(
        history=(0, history, ""),
        status=(0, "1 changesets have not been applied\n     db/log.sql::43::ann\n", ""),
        rollback_count_sql=(0, "-- c\nDELETE FROM public.databasechangelog WHERE ID = '42';\nDROP TABLE a;\n", ""),
    )
    tool = liquibase.Liquibase(Tool(("liquibase",)), said)
    status = tool.status()
    assert (status.current, status.pending) == ("42", ("43",))
    steps = [Step("42", "41"), Step("41", "0")]
    scripts = tool.scripts(steps)
    assert "databasechangelog" not in (scripts["42"].sql or "")
    assert [scripts[step.version].problem for step in steps] == ["", ""]
    said.said["rollback_count_sql"] = (1, "", "No inverse to liquibase.change.core.RawSQLChange created")
    assert "cannot roll it back" in tool.scripts(steps)["42"].problem


@pytest.mark.parametrize(
    ("said", "current", "dirty", "problem"),
    [
        ((0, "", "42\n"), "42", False, ""),
        ((0, "", "42 (dirty)\n"), "42", True, ""),
        ((1, "", "error: no migration\n"), "0", False, ""),
        ((0, "", "44\n"), "44", False, "version 44 is applied but its file is not in migrations"),
    ],
)
def test_golang_migrate(tmp_path: Path, said: tuple[int, str, str], current: str, dirty: bool, problem: str) -> None:
    (tmp_path / "migrations").mkdir()
    for name in ("041_a", "042_b", "043_c"):
        (tmp_path / "migrations" / f"{name}.up.sql").touch()
    where = Connection("db", 5432, "ann", "shop", "hunter2")
    environment = connection_environment("golang-migrate", where)
    answers = Answers(tmp_path, version=said)
    tool = golang_migrate.GolangMigrate(Tool(("migrate",), chdir=str(tmp_path), environment=environment), answers)
    status = tool.status()
    assert (status.current, status.dirty) == (current, dirty)
    assert "".join(status.problems) == problem
    assert "hunter2" not in str(answers.asked)
    assert environment["PGPASSWORD"] == "hunter2"


def test_passwords_in_addresses_are_escaped() -> None:
    where = Connection("db", 5432, "ann", "shop", "p@ss:/?#word")
    url = connection_environment("dbmate", where)["DATABASE_URL"]
    assert url == "postgres://ann:p%40ss%3A%2F%3F%23word@db:5432/shop?sslmode=disable"
