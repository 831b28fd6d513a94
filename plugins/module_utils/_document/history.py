# SPDX-License-Identifier: GPL-3.0-or-later
"""What all run records tell together: how long rollbacks take, and when one was last proven to work."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .._module import RollbackError
from . import words
from .model import ATTENTION, MISSING, READY, Block, Cell, Document, Heading, Mark, Paragraph, Table

Data = Mapping[str, Any]

COLUMNS = (
    "record", "service", "release", "previous", "environment", "kind", "decision", "outcome", "detected_at",
    "opened_at", "closed_at", "seconds_to_restore", "seconds_since_detection", "opened_by",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A field that starts so is a formula to a spreadsheet."""


def is_drill(record: Data) -> bool:
    """Whether it was an exercise."""
    return bool((record.get("facts") or {}).get("drill"))


def to_restore(record: Data) -> float | None:
    """Seconds from the start to the proven end; None unless it ended well."""
    if record.get("status") != "completed":
        return None
    return words.between(record.get("opened_at"), record.get("closed_at"))


def estimate(records: Iterable[Data], service: str) -> str:
    """How long a rollback of the service is going to take, from those it has had."""
    known = sorted(
        seconds
        for record in records
        if record.get("service") == service and (seconds := to_restore(record)) is not None
    )
    if not known:
        return "not known, as this service was never rolled back and no drill was held"
    middle, worst = words.duration(statistics.median(known)), words.duration(known[-1])
    return f"{middle} (median of {words.plural(len(known), 'run')}, the longest {worst})"


def rows(records: Iterable[Data]) -> list[dict[str, str]]:
    """One row of plain text for each record, the newest first; keys are :data:`COLUMNS`."""
    newest_first = sorted(records, key=lambda record: str(record.get("opened_at")), reverse=True)
    return [_row(record) for record in newest_first]


def _row(record: Data) -> dict[str, str]:
    decision = record.get("decision") or {}
    detected = decision.get("detected_at") or ""
    values = {
        "record": record.get("id"),
        "kind": "drill" if is_drill(record) else "rollback",
        "decision": decision.get("condition") or decision.get("kind"),
        "outcome": record.get("status"),
        "detected_at": detected,
        "seconds_to_restore": to_restore(record),
        "seconds_since_detection": words.between(detected, record.get("closed_at")) if to_restore(record) else None,
        **{key: record.get(key) for key in ("service", "release", "previous", "environment")},
        **{key: record.get(key) for key in ("opened_at", "closed_at", "opened_by")},
    }
    return {key: _plain(values.get(key)) for key in COLUMNS}


def _plain(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else "" if value is None else str(value)


def as_csv(records: Iterable[Data]) -> str:
    """RFC 4180, for spreadsheets; no field is a formula."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for row in rows(records):
        writer.writerow({key: f"'{value}" if value.startswith(FORMULA) else value for key, value in row.items()})
    return stream.getvalue()


def summary(records: Sequence[Data], now: datetime) -> dict[str, Any]:
    """``rollbacks``, ``drills``, ``failed``, ``median`` and ``worst`` (seconds), ``proven_days_ago`` (None: never)."""
    real = [record for record in records if not is_drill(record)]
    took = [seconds for record in real if (seconds := to_restore(record)) is not None]
    ends = [end for record in records if to_restore(record) is not None and (end := words.moment(record["closed_at"]))]
    return {
        "rollbacks": len(real),
        "drills": len(records) - len(real),
        "failed": sum(record.get("status") == "failed" for record in records),
        "median": round(statistics.median(took), 3) if took else None,
        "worst": round(max(took), 3) if took else None,
        "proven_days_ago": max((now - max(ends)).days, 0) if ends else None,
    }


def history_document(data: Data) -> tuple[Document, dict[str, Any]]:
    """The page over all run records, and its figures; ``data`` has ``records`` and ``now``."""
    records, now = list(data["records"]), words.moment(data["now"])
    if now is None:
        raise RollbackError(f"now: {data['now']!r} is not a moment such as 2026-11-23T18:15:00Z")
    services = sorted({str(record.get("service")) for record in records})
    blocks: list[Block] = [Paragraph(f"As of {now:%Y-%m-%d %H:%M} UTC.")]
    if not records:
        blocks.append(
            Mark("No rollback and no drill is on record: nothing proves that a release can be undone.", ATTENTION)
        )
    else:
        table = tuple(_figures(service, records, now) for service in services)
        head = ("Service", "Rollbacks", "Drills", "Failed", "Median to restore", "Worst to restore", "Last proven")
        blocks += [Heading("By service"), Table(head, table), Heading("All run records"), _all(records)]
    return Document("Rollback history", tuple(blocks)), summary(records, now)


def _figures(service: str, records: Sequence[Data], now: datetime) -> tuple[Cell, ...]:
    told = summary([record for record in records if str(record.get("service")) == service], now)
    days = told["proven_days_ago"]
    proven: Cell = (
        Mark("", ATTENTION, "never") if days is None else "today" if days == 0 else f"{words.plural(days, 'day')} ago"
    )
    counts = (str(told[key]) for key in ("rollbacks", "drills", "failed"))
    return (service, *counts, words.duration(told["median"]), words.duration(told["worst"]), proven)


def _all(records: Sequence[Data]) -> Table:
    states = {"completed": READY, "failed": MISSING}
    lines = []
    for row in rows(records):
        taken = row["seconds_to_restore"]
        lines.append(
            (
                words.date_and_time(row["opened_at"]),
                words.text_of(row["service"]),
                f"{row['release']} to {row['previous']}",
                words.text_of(row["environment"]),
                f"{row['kind']}, {words.text_of(row['decision'])}",
                Mark("", states.get(row["outcome"], ATTENTION), row["outcome"]),
                words.duration(float(taken) if taken else None),
            )
        )
    return Table(("Started", "Service", "Release", "Environment", "Kind", "Outcome", "Time to restore"), tuple(lines))
