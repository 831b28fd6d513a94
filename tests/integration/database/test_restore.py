# SPDX-License-Identifier: GPL-3.0-or-later
"""restore.yml: what it refuses, and that it brings every row back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.modules import rollback_record_info

from tests.integration.database.conftest import Shop, decided
from tests.integration.postgres.calling import call
from tests.integration.rollback.conftest import Operator

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
