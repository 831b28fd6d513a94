# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lock lies: a Lease of the cluster, or a file where there is no cluster."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from .._kubernetes.adapter import connect
from .._kubernetes.client import MERGE_PATCH, ApiError, ApiServer, Cluster, path_of
from .._module import RollbackError, ignore
from .lock import Lease

PATIENCE = 10.0  # seconds for which somebody else may write a lock in a file; it takes a few thousandths
PAUSE = 0.01  # seconds between two tries to write it
COLLECTION = "/apis/coordination.k8s.io/v1/leases"


class Taken(RollbackError):
    """Somebody else wrote between our look and our write."""


class Shelf(Protocol):
    """A place that holds one lock and lets one of several writers through."""

    name: str

    def read(self) -> Lease | None:
        """The lock as it is; None where there has never been one."""

    def write(self, before: Lease | None, spec: Mapping[str, Any]) -> Lease:
        """Change the lock that was read as ``before``. Raises :class:`Taken` if it is another one by now."""


class ClusterShelf:
    """A Lease; the server tells writers apart by its resourceVersion."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.name = name
        self._cluster = cluster
        self._collection = path_of(COLLECTION, namespace)
        self._path = path_of(COLLECTION, namespace, name)

    def read(self) -> Lease | None:
        """See :class:`Shelf`."""
        try:
            return _lease(self._cluster.get(self._path))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def write(self, before: Lease | None, spec: Mapping[str, Any]) -> Lease:
        """See :class:`Shelf`."""
        try:
            if before is None:
                kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
                body = {**kind, "metadata": {"name": self.name}, "spec": dict(spec)}
                return _lease(self._cluster.create(self._collection, body))
            change = {"metadata": {"resourceVersion": before.version}, "spec": dict(spec)}
            return _lease(self._cluster.patch(self._path, change, content_type=MERGE_PATCH))
        except ApiError as error:
            if error.status != 409:
                raise
            # A write whose answer was lost is repeated, and refused because it did arrive.
            now = self.read()
            if now is None or not now.says(spec):
                raise Taken(f"somebody else took the lock {self.name} at the same moment; run again") from error
            return now


def _lease(body: Mapping[str, Any]) -> Lease:
    return Lease.from_spec(body.get("spec") or {}, body["metadata"]["resourceVersion"])


class FileShelf:
    """A file, for one machine or a shared folder; writers are told apart by a lock of the operating system."""

    def __init__(self, directory: Path, name: str, patience: float = PATIENCE) -> None:
        """Wait ``patience`` seconds for others who write."""
        self.name = name
        self._path = directory / f"{name}.lock"
        self._patience = patience

    def read(self) -> Lease | None:
        """See :class:`Shelf`."""
        try:
            content = json.loads(self._path.read_text())
            return Lease.from_spec(content["spec"], str(content["version"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RollbackError(f"the lock {self._path} cannot be read: {error}; see whether it is one") from error

    def write(self, before: Lease | None, spec: Mapping[str, Any]) -> Lease:
        """See :class:`Shelf`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone():
                now = self.read()
                if (now.version if now else None) != (before.version if before else None):
                    raise Taken(f"somebody else took the lock {self.name} at the same moment; run again")
                old = json.loads(self._path.read_text())["spec"] if now else {}
                new, version = {**old, **spec}, int(now.version) + 1 if now else 1
                self._replace(json.dumps({"version": version, "spec": new}))
                return Lease.from_spec(new, str(version))
        except OSError as error:
            raise RollbackError(f"the lock {self._path} cannot be written: {error.strerror}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self._path.with_suffix(".lock.writing")
        beside = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        deadline = time.monotonic() + self._patience
        try:
            while not _alone_now(beside):
                if time.monotonic() > deadline:
                    raise RollbackError(
                        f"the lock {self._path} cannot be written: another process has been writing it for "
                        f"{self._patience:g} s, so it is stopped or hangs; see which: fuser -v {shlex.quote(str(path))}"
                    )
                time.sleep(PAUSE)
            yield
        finally:
            os.close(beside)

    def _replace(self, text: str) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(self._path)


def _alone_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_shelf(place: Mapping[str, Any], login: Mapping[str, Any], warn: Callable[[str], None] = ignore) -> Shelf:
    """The lock that ``name`` and ``namespace`` or ``directory`` tell; ``login`` holds the cluster's login options."""
    if place.get("directory"):
        return FileShelf(Path(place["directory"]), place["name"])
    return ClusterShelf(ApiServer(connect(login, warn)), place["namespace"], place["name"])
