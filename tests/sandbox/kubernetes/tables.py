# SPDX-License-Identifier: GPL-3.0-or-later
"""Server-side printing: the tables that ``kubectl get`` shows."""

from __future__ import annotations

from typing import Any

from . import columns
from .columns import Column
from .kinds import Kind
from .meta import now

Object = dict[str, Any]


def table(kind: Kind, items: list[Object], metadata: Object, include: str) -> Object:
    """The objects as a Table; ``include`` tells what each row carries of its object."""
    shown = columns.OF.get(kind.plural, columns.PLAIN)
    kept = {key: metadata[key] for key in ("resourceVersion", "continue", "remainingItemCount") if key in metadata}
    definitions = [
        {"name": c.name, "type": c.type, "format": c.format, "description": c.description, "priority": c.priority}
        for c in shown
    ]
    rows = [_row(shown, item, include) for item in items]
    found: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": kept}
    return found | {"columnDefinitions": definitions, "rows": rows}


def _row(shown: tuple[Column, ...], item: Object, include: str) -> Object:
    row: Object = {"cells": [column.value(item) for column in shown]}
    if include == "Object":
        row["object"] = item
    elif include != "None":
        row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
    return row


def modern_event(event: Object) -> Object:
    """A core event as events.k8s.io/v1 shows it."""
    renamed = {"involvedObject": "regarding", "message": "note"}
    deprecated = {
        "source": "Source",
        "firstTimestamp": "FirstTimestamp",
        "lastTimestamp": "LastTimestamp",
        "count": "Count",
    }
    new: Object = {"kind": "Event", "apiVersion": "events.k8s.io/v1"}
    for key, value in event.items():
        if key in ("kind", "apiVersion"):
            continue
        if key in deprecated:
            new[f"deprecated{deprecated[key]}"] = value
        elif key == "reportingInstance" and not value:
            continue
        elif key == "reportingComponent":
            new["reportingController"] = value
        else:
            new[renamed.get(key, key)] = value
    return new


def core_event(event: Object) -> Object:
    """An event of events.k8s.io/v1 as the core API stores it."""
    back: dict[str, str] = {
        "regarding": "involvedObject",
        "note": "message",
        "reportingController": "reportingComponent",
    }

    def convert(key: str) -> str:
        return key[10].lower() + key[11:] if key.startswith("deprecated") else back.get(key, key)

    return {convert(key): value for key, value in event.items()} | {"apiVersion": "v1"} | {"lastTimestamp": now()}
