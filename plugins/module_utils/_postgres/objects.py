# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in an S3 bucket: the archive first, its manifest last, and every byte read back from the far side."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .._module import RollbackError
from . import archive
from .model import Manifest
from .programs import CHUNK

try:
    import boto3
    import boto3.exceptions
    import botocore.config
    import botocore.exceptions
    from boto3.s3.transfer import TransferConfig
    from urllib3.exceptions import HTTPError  # a body that breaks off; botocore lets it through
except ImportError:
    boto3 = None

PART = 16 * 1024 * 1024  # bytes of one part of an upload
ABSENT = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class Place:
    """Where in S3; without keys boto3 finds them as the AWS tools do."""

    url: str
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    region: str | None = None

    @property
    def bucket(self) -> str:
        """The bucket of the URL."""
        return urlsplit(self.url).netloc

    @property
    def key(self) -> str:
        """The key of the URL."""
        return urlsplit(self.url).path.lstrip("/")


class Store:
    """The objects at one place."""

    def __init__(self, place: Place) -> None:
        if boto3 is None:
            raise RollbackError("the Python library boto3 is missing on this host; install it with: pip install boto3")
        parts = urlsplit(place.url)
        if parts.scheme != "s3" or not parts.netloc or not place.key:
            raise RollbackError(f"{place.url} is not of the form s3://bucket/key")
        self.place = place
        with self._explained("reached"):
            self._client = boto3.client(
                "s3",
                endpoint_url=place.endpoint,
                aws_access_key_id=place.access_key,
                aws_secret_access_key=place.secret_key,
                region_name=place.region or "us-east-1",
                config=botocore.config.Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2}),
            )

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        failures = botocore.exceptions
        try:
            yield
        except (failures.BotoCoreError, failures.ClientError, boto3.exceptions.Boto3Error, HTTPError) as error:
            where = self.place.endpoint or "AWS"
            raise RollbackError(
                f"{self.place.url} at {where} could not be {what}: {error}; check bucket, keys and endpoint",
                url=self.place.url,
            ) from error

    def manifest(self) -> Manifest | None:
        """The manifest over there; None if there is none."""
        with self._explained("read"):
            try:
                answer = self._client.get_object(Bucket=self.place.bucket, Key=f"{self.place.key}.json")
            except botocore.exceptions.ClientError as error:
                if error.response.get("Error", {}).get("Code") in ABSENT:
                    return None
                raise
            text = answer["Body"].read()
        try:
            data: Any = json.loads(text)
        except ValueError as error:
            raise RollbackError(f"the manifest {self.place.url}.json is damaged: {error}") from error
        return Manifest.from_dict(data, f"{self.place.url}.json")

    def upload(self, path: Path, manifest: Manifest, fence: Callable[[], None]) -> None:
        """Copy the backup there; what was there counts as gone until the new manifest is written."""
        settings = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
        beside = f"{self.place.key}.json"
        fence()
        with self._explained("written"):
            self._client.delete_object(Bucket=self.place.bucket, Key=beside)
            checked = {"ChecksumAlgorithm": "SHA256"}
            self._client.upload_file(str(path), self.place.bucket, self.place.key, ExtraArgs=checked, Config=settings)
        self.verify(manifest)
        body = archive.manifest_path(path).read_bytes()
        fence()
        with self._explained("written"):
            self._client.put_object(Bucket=self.place.bucket, Key=beside, Body=body, ChecksumAlgorithm="SHA256")

    def verify(self, manifest: Manifest) -> None:
        """Read the archive over there to its end and compare it with the manifest."""
        digest = hashlib.sha256()
        for chunk in self._chunks():
            digest.update(chunk)
        if digest.hexdigest() != manifest.sha256:
            raise RollbackError(
                f"the backup {self.place.url} is corrupt: its SHA-256 is {digest.hexdigest()}, its manifest says"
                f" {manifest.sha256}; copy it again",
                url=self.place.url,
            )

    def download(self, path: Path, manifest: Manifest) -> None:
        """Copy the backup here, under temporary names until it is whole."""
        partial = path.with_name(f".{path.name}.download")
        beside = archive.manifest_path(path)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with archive.create(partial) as file:
                for chunk in self._chunks():
                    file.write(chunk)
            archive.verify_bytes(partial, manifest)
            archive.sync(partial)
            partial.rename(path)
            beside.write_text(json.dumps(manifest.as_dict(), indent=1, sort_keys=True) + "\n")
        except OSError as error:
            raise RollbackError(f"cannot write {path}: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)

    def _chunks(self) -> Iterator[bytes]:
        with self._explained("read"):
            answer = self._client.get_object(Bucket=self.place.bucket, Key=self.place.key)
            yield from answer["Body"].iter_chunks(CHUNK)
