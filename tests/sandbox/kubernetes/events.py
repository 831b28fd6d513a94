# SPDX-License-Identifier: GPL-3.0-or-later
"""Events: what the components tell about objects; repeats are counted, not added."""

from __future__ import annotations

import time
from typing import Any

from .errors import ApiError
from .kinds import EVENT
from .meta import copy, now, now_micro
from .registry import Registry

Object = dict[str, Any]


class Recorder:
    """Writes events."""

    def __init__(self, registry: Registry) -> None:
        """Write through ``registry``."""
        self.registry = registry
        self._known: dict[tuple[str, ...], str] = {}

    def record(
        self, item: Object, reason: str, message: str, component: str, *, warning: bool = False, field: str = "",
        host: str = "", action: str = "",
    ) -> None:  # fmt: skip
        """Tell that ``reason`` happened to ``item``; ``field``: the container; ``action``: of the newer events API."""
        metadata = item["metadata"]
        namespace = metadata.get("namespace", "default")
        key = (metadata["uid"], reason, message, component, field)
        name = self._known.get(key)
        held = self.registry.store.find(EVENT, namespace, name) if name else None
        if held is not None:
            again = copy(held)
            again.update(count=held.get("count", 1) + 1, lastTimestamp=now())
            self.registry.store.update(EVENT, again)
            return
        about = {"kind": item["kind"], "namespace": namespace, "name": metadata["name"], "uid": metadata["uid"]}
        about |= {"apiVersion": item["apiVersion"], "resourceVersion": metadata.get("resourceVersion", "")}
        if field:
            about["fieldPath"] = field
        self._known[key] = f"{metadata['name']}.{time.time_ns():x}"
        event: Object = {
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": self._known[key], "namespace": namespace},
            "involvedObject": about, "reason": reason, "message": message,
            "source": {"component": component, **({"host": host} if host else {})},
            "firstTimestamp": now(), "lastTimestamp": now(), "count": 1, "type": "Warning" if warning else "Normal",
            "eventTime": None, "reportingComponent": component, "reportingInstance": host,
        }  # fmt: skip
        if action:
            del event["count"]
            event |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": now_micro()}
            event |= {"action": action, "reportingInstance": component}
        try:
            self.registry.create(EVENT, event, manager=component)
        except ApiError:
            self._known.pop(key)  # a namespace on its way out takes no more events
