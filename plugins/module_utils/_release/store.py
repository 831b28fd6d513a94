# SPDX-License-Identifier: GPL-3.0-or-later
"""Where run records are kept: ConfigMaps in the cluster, or files where there is no cluster."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .._kubernetes.adapter import connect
from .._kubernetes.client import MERGE_PATCH, ApiError, ApiServer, Cluster, path_of
from .._module import RollbackError, ignore, unfenced
from .record import RunRecord, object_name

COLLECTION = "/api/v1/configmaps"
MANAGED = {"app.kubernetes.io/managed-by": "octalume.rollback"}
LABELS = {**MANAGED, "app.kubernetes.io/component": "run-record"}
PART_LABELS = {**MANAGED, "app.kubernetes.io/component": "run-record-part"}
LARGEST = 900_000  # bytes in one object; a ConfigMap may hold 1 MiB in all
PARTS = 20
"""The most objects of one record. Larger ones are no journals: something has written its data into it."""
KEY = "record.json"


class Store(Protocol):
    """A place that keeps run records."""

    def load(self) -> list[RunRecord]:
        """Every record there is."""

    def save(self, record: RunRecord) -> None:
        """Write one record durably, in whole or not at all."""

    def remove(self, record: RunRecord) -> None:
        """Forget one record."""

    def where(self, record: RunRecord) -> str:
        """How a person finds the record."""


def _text(record: RunRecord) -> str:
    text = json.dumps(record.to_json(), indent=2)
    if len(text) > LARGEST * PARTS:
        raise RollbackError(f"run record {record.id} is larger than {LARGEST * PARTS} bytes; see what its facts hold")
    return text


class FileStore:
    """Records as JSON files, one each, readable by their owner alone."""

    def __init__(self, directory: Path, fence: Callable[[], None] = unfenced) -> None:
        self.directory = directory
        self._fence = fence

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
        self._fence()
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(dir=self.directory, prefix=f".{path.name}.")
            with os.fdopen(descriptor, "w") as file:
                file.write(_text(record))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
            _sync(self.directory)
        except OSError as error:
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            raise RollbackError(f"the run record cannot be written to {path}: {error.strerror}") from error

    def remove(self, record: RunRecord) -> None:
        """Delete the file."""
        self._fence()
        self._path(record).unlink(missing_ok=True)

    def where(self, record: RunRecord) -> str:
        """The file's path."""
        return str(self._path(record))


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Known:
    """What the server has of a record: the version of its ConfigMap, and the names of its parts."""

    version: str
    parts: tuple[str, ...]


class ConfigMapStore:
    """Records as ConfigMaps, one each; a write on top of somebody else's is refused by its resourceVersion.

    A record that is too large for one lies in parts. Parts are named by their content and written first; the ConfigMap
    that lists them comes last, in one write, so a crash leaves the old record or the new one.
    """

    def __init__(self, cluster: Cluster, namespace: str, largest: int = LARGEST) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.largest = largest
        self._known: dict[str, _Known] = {}

    def load(self) -> list[RunRecord]:
        """Every record of the namespace, found by its labels."""
        selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
        answer = self.cluster.get(self._collection, {"labelSelector": selector})
        return [self._read(item) for item in answer["items"]]

    def _read(self, item: Mapping[str, Any]) -> RunRecord:
        name, data = item["metadata"]["name"], item.get("data") or {}
        parts = tuple(json.loads(data.get("parts", "[]")))
        try:
            text = (
                data[KEY] if not parts else "".join(self.cluster.get(self._path(part))["data"][KEY] for part in parts)
            )
            record = RunRecord.from_json(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise RollbackError(
                f"configmap/{name} in {self.namespace} is not a run record: {error!r}; look at it, and delete it to go "
                f"on without it: kubectl -n {self.namespace} get configmap {name} -o yaml"
            ) from error
        self._known[record.id] = _Known(item["metadata"]["resourceVersion"], parts)
        return record

    def save(self, record: RunRecord) -> None:
        """Create the record's ConfigMap, or change the version of it that was read."""
        known = self._known.get(record.id)
        text, name = _text(record), object_name(record.id)
        parts = self._write_parts(name, text) if len(text) > self.largest else {}
        data = {"parts": json.dumps(list(parts)), KEY: ""} if parts else {"parts": "[]", KEY: text}
        try:
            written = self._write(name, known, data)
        except ApiError as error:
            # A write whose answer was lost is repeated, and refused because it did arrive.
            arrived = self._arrived(name, data) if error.status == 409 else None
            if arrived is None:
                raise
            written = arrived
        self._known[record.id] = _Known(written["metadata"]["resourceVersion"], tuple(parts))
        self._delete(set(known.parts if known else ()) - set(parts))

    def _write(self, name: str, known: _Known | None, data: Mapping[str, str]) -> Mapping[str, Any]:
        if known is None:
            return self.cluster.create(self._collection, self._body(name, LABELS, data))
        change = {"metadata": {"resourceVersion": known.version}, "data": dict(data)}
        return self.cluster.patch(self._path(name), change, content_type=MERGE_PATCH)

    def _arrived(self, name: str, data: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The ConfigMap, if it holds exactly what was to be written; None when somebody else wrote."""
        try:
            found = self.cluster.get(self._path(name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found if found.get("data") == dict(data) else None

    def _write_parts(self, name: str, text: str) -> dict[str, str]:
        """Write what is not there yet; content by name."""
        chunks = [text[start : start + self.largest] for start in range(0, len(text), self.largest)]
        parts = {f"{name}.{hashlib.sha256(chunk.encode()).hexdigest()[:16]}": chunk for chunk in chunks}
        for part, chunk in parts.items():
            try:
                self.cluster.create(self._collection, self._body(part, PART_LABELS, {KEY: chunk}))
            except ApiError as error:
                if error.status != 409:  # it is there, and says the same
                    raise
        return parts

    def remove(self, record: RunRecord) -> None:
        """Delete the ConfigMap, then its parts."""
        self.cluster.delete(self._path(object_name(record.id)))
        known = self._known.pop(record.id, None)
        self._delete(known.parts if known else ())

    def _delete(self, names: Iterable[str]) -> None:
        """Delete parts that nothing lists any more; without the right to, they stay and harm nobody."""
        for name in names:
            try:
                self.cluster.delete(self._path(name))
            except ApiError as error:
                if error.status != 403:
                    raise

    @property
    def _collection(self) -> str:
        return path_of(COLLECTION, self.namespace)

    def _path(self, name: str) -> str:
        return path_of(COLLECTION, self.namespace, name)

    def _body(self, name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace, "labels": dict(labels)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}

    def where(self, record: RunRecord) -> str:
        """The command that shows it."""
        return f"kubectl get configmap {object_name(record.id)} -n {self.namespace} -o yaml"


STORE_ARGUMENTS: dict[str, Any] = {
    "options": {"namespace": {"type": "str"}, "directory": {"type": "path"}},
    "mutually_exclusive": [("namespace", "directory")],
    "required_one_of": [("namespace", "directory")],
}
"""Options that choose the store, for the modules that use it; documented by the fragment ``record``."""


def open_store(
    params: Mapping[str, Any], fence: Callable[[], None] = unfenced, warn: Callable[[str], None] = ignore
) -> Store:
    """The store that a module's parameters choose; ``warn`` is told of a cluster that is not verified."""
    if params.get("directory"):
        return FileStore(Path(params["directory"]), fence)
    return ConfigMapStore(ApiServer(connect(params, warn), fence=fence), params["namespace"])
