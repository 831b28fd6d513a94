# SPDX-License-Identifier: GPL-3.0-or-later
"""The key/value engine without versions."""

from __future__ import annotations

from typing import Any

from tests.sandbox.vault.kv2 import children
from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request

LEASE = 2764800  # seconds; the lease a KV v1 read always names


class KeyValue1:
    """One mount of the engine."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}

    def exists(self, path: str) -> bool:
        """Whether a write to ``path`` is an update (else a create)."""
        return path in self.values

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``request`` for ``path`` (relative to the mount)."""
        if request.operation == "list":
            return Reply(data={"keys": children(list(self.values), path)})
        if request.operation == "read":
            if path not in self.values:
                raise Fault(404)
            return Reply(data=self.values[path], lease_duration=LEASE)
        if request.operation == "delete":
            self.values.pop(path, None)
            return NO_CONTENT
        if not request.body:
            raise Fault(400, "missing data fields")
        self.values[path] = request.body
        return NO_CONTENT
