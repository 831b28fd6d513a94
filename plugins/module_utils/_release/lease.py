# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and releases a lock in the cluster; several that try at once are told apart by the server alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .._kubernetes.client import MERGE_PATCH, ApiError, Cluster, path_of
from .._module import RollbackError
from .lock import Holder, Lease, may_take, refusal, spec

COLLECTION = "/apis/coordination.k8s.io/v1/leases"


class Latch:
    """A lock in a cluster."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.collection = path_of(COLLECTION, namespace)
        self.path = path_of(COLLECTION, namespace, name)

    def take(self, me: Holder, duration: int, take_over: bool, check_mode: bool) -> dict[str, Any]:
        """Hold the lock as ``me``; RollbackError when somebody else does or was faster."""
        body = self._read()
        lease = Lease.from_object(body) if body else None
        why = may_take(lease, me, datetime.now(UTC), is_alive(lease.holder) if lease else None, take_over)
        if why is None and lease:
            raise refusal(lease, self.name)
        wanted = spec(lease, me, datetime.now(UTC), duration)
        if not check_mode:
            self._write(body, wanted)
        result = {"holder": str(me), "token": wanted["leaseTransitions"], "why": why}
        return {"changed": why != "mine", **result}

    def release(self, me: Holder, check_mode: bool) -> dict[str, Any]:
        """Give the lock up if it is ours; somebody else's is left alone."""
        body = self._read()
        lease = Lease.from_object(body) if body else None
        if body is None or lease is None or lease.holder != str(me):
            return {"changed": False, "holder": lease.holder if lease else ""}
        if not check_mode:
            self._write(body, {"holderIdentity": None, "acquireTime": None, "renewTime": None})
        return {"changed": True, "holder": ""}

    def _read(self) -> dict[str, Any] | None:
        try:
            return self.cluster.get(self.path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _write(self, body: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> None:
        """Write only onto what was read: of several that try at once, the server lets one through."""
        try:
            if body is None:
                self.cluster.create(
                    self.collection,
                    {
                        "apiVersion": "coordination.k8s.io/v1",
                        "kind": "Lease",
                        "metadata": {"name": self.name},
                        "spec": dict(wanted),
                    },
                )
            else:
                version = {"resourceVersion": body["metadata"]["resourceVersion"]}
                self.cluster.patch(self.path, {"metadata": version, "spec": dict(wanted)}, content_type=MERGE_PATCH)
        except ApiError as error:
            if error.status != 409:
                raise
            raise RollbackError(f"somebody else took the lock {self.name} at the same moment; run again") from error


def is_alive(holder: str) -> bool | None:
    """Whether the holder's process runs; None when it is not a process of this machine."""
    owner = Holder.parse(holder)
    if owner.host != socket.gethostname() or owner.pid is None:
        return None
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
