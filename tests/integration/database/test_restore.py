# SPDX-License-Identifier: GPL-3.0-or-later
"""restore.yml: what it refuses, and that it brings every row back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from ansible_collections.octalume.rollback.plugins.modules import rollback_record_info

from tests.integration.database.conftest import Shop, decided
from tests.integration.postgres.calling import call
from tests.integration.rollback.conftest import Operator, wait_for_line
from tests.sandbox.process import kill_tree

pytestmark = pytest.mark.sandbox


def damaged(backup: Path, folder: Path) -> Path:
    """A copy of the backup with one bit of its middle flipped."""
    copy = folder / backup.name
    shutil.copy(backup, copy)
    shutil.copy(f"{backup}.json", f"{copy}.json")
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    return copy


def records(operator: Operator) -> list[dict[str, Any]]:
    """The run records in the cluster."""
    sandbox = operator.sandbox
    login = {"kubeconfig": sandbox.endpoints["kubernetes"]["kubeconfig"], "namespace": sandbox.endpoints["namespace"]}
    found: list[dict[str, Any]] = call(rollback_record_info, **login)["records"]
    return found


def test_every_row_comes_back_and_nothing_by_accident(operator: Operator, shop: Shop, tmp_path: Path) -> None:
    before = shop.rows()
    said = [decided(operator)]
    after = shop.rows()
    assert after != before

    bad = damaged(shop.backups()[-1], tmp_path)
    restore = ("-e", "version=1.4.2")
    confirmed = ("-e", "restore_confirm=shop")
    output = operator.play("restore", *restore, *confirmed, "-e", f"restore_backup={bad}", rc=2)
    assert str(bad) in output
    assert "SHA-256" in output
    output = operator.play("restore", *restore, rc=2)
    assert "api-server (3 pods of shop/api-server:1.4.1) works on shop" in output
    assert "-e restore_confirm=shop" in output
    assert "Nothing was touched" in output
    assert shop.rows() == after

    predicted = operator.play("restore", *restore, *confirmed, "--check")
    assert "Restore beside the live database, compare, and swap" in predicted
    assert shop.rows() == after
    # The control node's own copy is gone: the one in S3 is fetched.
    for file in (operator.sandbox.directory / "backups").iterdir():
        file.unlink()
    who = ("-e", "decided_by='DBA: Ann Lee'", "-e", "reason='points are missing'")
    said.append(operator.play("restore", *restore, *confirmed, *who, "-vvv"))
    assert "migration 42" in said[-1]
    assert "does NOT fit this schema and stays stopped" in said[-1]
    assert shop.rows() == before
    kept = shop.databases() - {"shop"}
    assert len(kept) == 1, kept
    assert next(iter(kept)).startswith("shop_before_")
    before_again = records(operator)
    assert "nothing was changed" in operator.play("restore", *restore)
    (kept_record,) = (one for one in before_again if one["release"] == "1.4.2-restore")
    assert (kept_record["status"], kept_record["decision"]["kind"]) == ("completed", "restore")
    assert kept_record["decision"]["makers"] == ["DBA: Ann Lee"]
    assert kept_record["facts"]["restored"][0]["kept_as"] == next(iter(kept))
    (undone,) = (one for one in before_again if one["release"] == "1.4.2")
    assert (undone["status"], undone["facts"]["rehearsals"][0]["verdict"]) == ("completed", "pass")
    assert records(operator) == before_again, "a second run has nothing to write down"

    postgres, s3 = (operator.sandbox.endpoints[name] for name in ("postgres", "s3"))
    secrets = [user["password"] for user in postgres["users"].values()] + [s3["secret_key"]]
    for text in said:
        assert not [secret for secret in secrets if secret in text]


def ready(operator: Operator) -> int:
    """Pods that serve."""
    deployment = operator.sandbox.cluster.get("Deployment", "api-server") or {}
    return int(deployment["status"].get("readyReplicas", 0))


def test_a_restore_that_was_killed_lets_the_service_run_again(operator: Operator, shop: Shop) -> None:
    decided(operator)
    operator.sandbox.ship("1.4.2")
    operator.sandbox.query("UPDATE products SET name = name || ' (damaged)' RETURNING 1")
    restore = ("-e", "version=1.4.2", "-e", "restore_confirm=shop")
    killed = operator.start("restore", *restore)
    wait_for_line(killed, "Restore beside the live database, compare, and swap")
    kill_tree(killed.pid)
    killed.communicate(timeout=30)
    assert ready(operator) == 0, "it had been stopped for the restore"
    output = operator.play("restore", *restore)
    assert "api-server runs on it again" in output
    assert ready(operator) == 3
    assert not [row for row in shop.rows()["products"] if "damaged" in row]
    (record,) = (one for one in records(operator) if one["release"] == "1.4.2-restore")
    assert record["status"] == "completed"


@contextmanager
def may_not_create(operator: Operator) -> Iterator[None]:
    """The owner of the schema may not create databases meanwhile."""
    postgres = operator.sandbox.endpoints["postgres"]
    owner = postgres["users"]["owner"]["user"]
    connection = psycopg2.connect(
        host=postgres["host"], port=postgres["port"], dbname="postgres", **postgres["users"]["superuser"]
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {owner} NOCREATEDB")
        try:
            yield
        finally:
            cursor.execute(f"ALTER ROLE {owner} CREATEDB")
            connection.close()


def test_a_restore_that_fails_before_the_swap_lets_the_service_run_on(operator: Operator, shop: Shop) -> None:
    decided(operator)
    operator.sandbox.ship("1.4.2")
    operator.sandbox.query("UPDATE products SET name = name || ' (kept)' RETURNING 1")
    before = shop.rows()
    # A role that may not create databases finds out only when everything is stopped.
    login = json.dumps({"database_restore_connections": {"shop": "{{ database_connections.shop }}"}})
    with may_not_create(operator):
        output = operator.play("restore", "-e", "version=1.4.2", "-e", "restore_confirm=shop", "-e", login, rc=2)
    assert "Nothing was swapped, and the service runs on as it did" in " ".join(output.split())
    assert ready(operator) == 3
    assert shop.rows() == before
