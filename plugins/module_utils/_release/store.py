# SPDX-License-Identifier: GPL-3.0-or-later
"""Where run records are kept: ConfigMaps in the cluster, or files where there is no cluster."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .._kubernetes.adapter import connect
from .._kubernetes.client import MERGE_PATCH, ApiServer, Cluster, path_of
from .._module import RollbackError
from .record import RunRecord, object_name

COLLECTION = "/api/v1/configmaps"
LABELS = {"app.kubernetes.io/managed-by": "octalume.rollback", "app.kubernetes.io/component": "run-record"}
LARGEST = 900_000  # bytes; a ConfigMap may hold 1 MiB in all


class Store(Protocol):
    """A place that keeps run records."""

    def load(self) -> list[RunRecord]:
        """Every record there is."""

    def save(self, record: RunRecord) -> None:
        """Write one record durably, in whole or not at all."""

    def where(self, record: RunRecord) -> str:
        """How a person finds the record."""


def _text(record: RunRecord) -> str:
    text = json.dumps(record.to_json(), indent=2)
    if len(text.encode()) > LARGEST:
        raise RollbackError(f"run record {record.id} is larger than {LARGEST} bytes")
    return text


class FileStore:
    """Records as JSON files, one each, readable by their owner alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _path(self, record: RunRecord) -> Path:
        return self.directory / f"{object_name(record.id)}.json"

    def load(self) -> list[RunRecord]:
        """Every record of the directory; a file that is no record is told, not skipped."""
        records = []
        for path in sorted(self.directory.glob("rollback-*.json")):
            try:
                records.append(RunRecord.from_json(json.loads(path.read_text())))
            except (ValueError, TypeError) as error:
                raise RollbackError(f"{path} is not a run record: {error}; move it away to go on") from error
        return records

    def save(self, record: RunRecord) -> None:
        """Write beside, flush to disk, rename: a crash leaves the old record or the new one."""
        path = self._path(record)
        temporary = ""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(dir=self.directory, prefix=f".{path.name}.")
            with os.fdopen(descriptor, "w") as file:
                file.write(_text(record))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise RollbackError(f"the run record cannot be written to {path}: {error.strerror}") from error

    def where(self, record: RunRecord) -> str:
        """The file's path."""
        return str(self._path(record))


class ConfigMapStore:
    """Records as ConfigMaps, one each; a write on top of somebody else's is refused by its resourceVersion."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.versions: dict[str, str] = {}

    def load(self) -> list[RunRecord]:
        """Every record of the namespace, found by its labels."""
        selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
        answer = self.cluster.get(path_of(COLLECTION, self.namespace), {"labelSelector": selector})
        records = []
        for item in answer["items"]:
            record = RunRecord.from_json(json.loads(item["data"]["record.json"]))
            self.versions[record.id] = item["metadata"]["resourceVersion"]
            records.append(record)
        return records

    def save(self, record: RunRecord) -> None:
        """Create the record's ConfigMap, or change the version of it that was read."""
        name = object_name(record.id)
        known = self.versions.get(record.id)
        data = {"record.json": _text(record)}
        if known is None:
            metadata = {"name": name, "namespace": self.namespace, "labels": LABELS}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            answer = self.cluster.create(path_of(COLLECTION, self.namespace), body)
        else:
            change = {"metadata": {"resourceVersion": known}, "data": data}
            path = path_of(COLLECTION, self.namespace, name)
            answer = self.cluster.patch(path, change, content_type=MERGE_PATCH)
        self.versions[record.id] = answer["metadata"]["resourceVersion"]

    def where(self, record: RunRecord) -> str:
        """The command that shows it."""
        return f"kubectl get configmap {object_name(record.id)} -n {self.namespace} -o yaml"


STORE_ARGUMENTS: dict[str, Any] = {
    "options": {"namespace": {"type": "str"}, "directory": {"type": "path"}},
    "mutually_exclusive": [("namespace", "directory")],
    "required_one_of": [("namespace", "directory")],
}
"""Options that choose the store, for the modules that use it; documented by the fragment ``record``."""


def open_store(params: Mapping[str, Any]) -> Store:
    """The store that a module's parameters choose."""
    if params.get("directory"):
        return FileStore(Path(params["directory"]))
    return ConfigMapStore(ApiServer(connect(params)), params["namespace"])
