# SPDX-License-Identifier: GPL-3.0-or-later
"""postgres_backup_copy against an S3 endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import (
    postgres_backup,
    postgres_backup_copy,
    postgres_restore,
)

from tests.integration.postgres.calling import call
from tests.sandbox.postgres import PostgresServer
from tests.sandbox.s3 import S3Server

MEGABYTES = "INSERT INTO events (raw) SELECT decode(string_agg(md5(i::text || j), ''), 'hex')"
MORE = f"{MEGABYTES} FROM generate_series(1, 1100) i, generate_series(1, 1000) j GROUP BY i"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One endpoint for all."""
    with S3Server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def there(s3: S3Server, shop: str) -> dict[str, Any]:
    """Options of the module for a place of its own."""
    keys = {"access_key": s3.access_key, "secret_key": s3.secret_key}
    return {"url": f"s3://{s3.bucket}/{shop}/shop.dump", "endpoint_url": s3.url, **keys}


def objects(s3: S3Server, shop: str) -> Any:
    """The client of the bucket and the keys below ``shop``."""
    client = boto3.client(
        "s3", endpoint_url=s3.url, aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    found = client.list_objects_v2(Bucket=s3.bucket, Prefix=f"{shop}/").get("Contents", [])
    return client, sorted(one["Key"].partition("/")[2] for one in found)


def test_there_and_back_in_parts(
    login: dict[str, Any], folder: Path, server: PostgresServer, shop: str, s3: S3Server, there: dict[str, Any]
) -> None:
    server.execute(MORE, shop)
    taken = call(postgres_backup, **login, path=str(folder / "shop.dump"), compression="none")["backup"]
    assert taken["size"] > 32 * 1024 * 1024
    told = call(postgres_backup_copy, check_mode=True, **there, path=taken["path"])
    assert (told["changed"], objects(s3, shop)[1]) == (True, [])
    copied = call(postgres_backup_copy, **there, path=taken["path"])
    assert (copied["changed"], copied["sha256"]) == (True, taken["sha256"])
    assert objects(s3, shop)[1] == ["shop.dump", "shop.dump.json"]
    assert not call(postgres_backup_copy, **there, path=taken["path"])["changed"]
    back = {**there, "path": str(folder / "back.dump"), "direction": "download"}
    assert call(postgres_backup_copy, **back)["changed"]
    assert not call(postgres_backup_copy, **back)["changed"]
    assert not call(postgres_restore, **login, path=back["path"])["changed"]


def test_copy_that_is_damaged_or_broke_off_is_no_backup(
    login: dict[str, Any], folder: Path, shop: str, s3: S3Server, there: dict[str, Any]
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    call(postgres_backup_copy, **there, path=path)
    client, _unused = objects(s3, shop)
    body = (folder / "shop.dump").read_bytes()
    client.put_object(Bucket=s3.bucket, Key=f"{shop}/shop.dump", Body=body[:-1] + b"!")
    with pytest.raises(RollbackError, match="is corrupt"):
        call(postgres_backup_copy, **there, path=str(folder / "back.dump"), direction="download")
    assert sorted(entry.name for entry in folder.iterdir()) == ["shop.dump", "shop.dump.json"]
    warnings: list[str] = []
    assert call(postgres_backup_copy, **there, path=path, warnings=warnings)["changed"]
    assert "is corrupt" in warnings[0]
    client.delete_object(Bucket=s3.bucket, Key=f"{shop}/shop.dump.json")
    with pytest.raises(RollbackError, match=r"there is no backup at s3://.*: its manifest is missing"):
        call(postgres_backup_copy, **there, path=str(folder / "back.dump"), direction="download")
    assert call(postgres_backup_copy, **there, path=path)["changed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "https://example.com/x"}, "is not of the form s3://bucket/key"),
        ({"url": "s3://no-such-bucket/x"}, "could not be"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "could not be read"),
    ],
)
def test_wrong_places_are_clear_errors(
    login: dict[str, Any], folder: Path, there: dict[str, Any], change: dict[str, str], message: str
) -> None:
    path = str(folder / "shop.dump")
    call(postgres_backup, **login, path=path)
    with pytest.raises(RollbackError, match=message) as caught:
        call(postgres_backup_copy, **{**there, **change}, path=path)
    assert there["secret_key"] not in caught.value.message
