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
from .model import ATTENTION, MISSING, READY, Block, Cell, Document, Figures, Heading, Mark, Table

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


def is_restore(record: Data) -> bool:
    """Whether it brought a database back from a backup, and undid no release."""
    return (record.get("decision") or {}).get("kind") == "restore"


def to_restore(record: Data) -> float | None:
    """Seconds from the start to the proven end; None unless it ended well."""
    if record.get("status") != "completed" or is_restore(record):
        return None
    return words.between(record.get("opened_at"), record.get("closed_at"))


def estimated(records: Iterable[Data], service: str, pinned: Any = None) -> tuple[str, str]:
    """How long a rollback of the service is going to take, and how that is known.

    From those that it has had, drills too; else ``pinned``, the seconds that the team has written down.
    """
    own = [
        (seconds, is_drill(one)) for one in records if one.get("service") == service and (seconds := to_restore(one))
    ]
    known = sorted(seconds for seconds, _drill in own)
    if known:
        drills = sum(drill for _seconds, drill in own)
        runs = f"{words.plural(len(known), 'run')}{f' (drills among them: {drills})' if drills else ''}"
        return words.duration(statistics.median(known)), f"median of {runs}, the longest {words.duration(known[-1])}"
    if pinned:
        return words.duration(float(pinned)), "as measured and written down, with no run on record"
    return "not known", "this service was never rolled back and no drill was held"


def rows(records: Iterable[Data]) -> list[dict[str, str]]:
    """One row of plain text for each record, the newest first; keys are :data:`COLUMNS`."""
    newest_first = sorted(records, key=lambda record: str(record.get("opened_at")), reverse=True)
    return [_row(record) for record in newest_first]


def _row(record: Data) -> dict[str, str]:
    decision = record.get("decision") or {}
    detected = decision.get("detected_at") or ""
    values = {
        "record": record.get("id"),
        "kind": "drill" if is_drill(record) else "restore" if is_restore(record) else "rollback",
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
    """Figures of rollbacks, and by ``drill_`` those of drills; durations in seconds, days back to the last good end.

    ``proven_days_ago`` is about both: the last time that anything was undone and proven. None: never.
    """
    real = [record for record in records if not is_drill(record) and not is_restore(record)]
    drills = [record for record in records if is_drill(record)]
    return {
        "rollbacks": len(real),
        "drills": len(drills),
        "failed": sum(record.get("status") == "failed" for record in records),
        **_times(real, now, ""),
        **_times(drills, now, "drill_"),
        "proven_days_ago": _days_since(records, now),
    }


def _times(records: Sequence[Data], now: datetime, prefix: str) -> dict[str, Any]:
    took = [seconds for record in records if (seconds := to_restore(record)) is not None]
    return {
        f"{prefix}median": round(statistics.median(took), 3) if took else None,
        f"{prefix}worst": round(max(took), 3) if took else None,
        f"{prefix or 'rollback_'}proven_days_ago": _days_since(records, now),
    }


def _days_since(records: Sequence[Data], now: datetime) -> int | None:
    ends = [end for record in records if to_restore(record) is not None and (end := words.moment(record["closed_at"]))]
    return max((now - max(ends)).days, 0) if ends else None


def history_document(data: Data) -> tuple[Document, dict[str, Any]]:
    """The page over all run records, and its figures; ``data`` has ``records`` and ``now``."""
    records, now = list(data["records"]), words.moment(data["now"])
    if now is None:
        raise RollbackError(f"data of history: now is {data['now']!r}; a time is wanted, such as 2026-11-23T18:15:00Z")
    told = summary(records, now)
    about = f"As of {now:%Y-%m-%d %H:%M} UTC"
    if not records:
        nothing = "No rollback and no drill is on record: nothing proves that a release can be undone."
        return Document("Rollback history", (Mark(nothing, ATTENTION),), about), told
    services = sorted({str(record.get("service")) for record in records})
    table = tuple(row for service in services for row in _by_service(service, records, now))
    head = ("Service", "Kind", "Runs", "Failed", "Median to restore", "Worst to restore", "Last proven")
    blocks: list[Block] = [
        Figures(tuple(_figures(told))),
        Heading("By service"),
        Table(head, table),
        Heading("All run records"),
        _all(records),
    ]
    return Document("Rollback history", tuple(blocks), about), told


def _figures(told: Data) -> Iterable[tuple[str, str, str]]:
    yield (
        "Last proven rollback",
        _ago(told["rollback_proven_days_ago"]),
        f"drill: {_ago(told['drill_proven_days_ago'])}",
    )
    yield "Median to restore", words.duration(told["median"]), f"drills: {words.duration(told['drill_median'])}"
    yield "Worst to restore", words.duration(told["worst"]), f"drills: {words.duration(told['drill_worst'])}"
    runs = f"{words.plural(told['rollbacks'], 'rollback')} and {words.plural(told['drills'], 'drill')}"
    yield "Failed", str(told["failed"]), f"of {runs}"


def _ago(days: int | None) -> str:
    return "never" if days is None else "today" if days == 0 else f"{words.plural(days, 'day')} ago"


def _by_service(service: str, records: Sequence[Data], now: datetime) -> Iterable[tuple[Cell, ...]]:
    """One row for the rollbacks of a service, and one for its drills."""
    own = [record for record in records if str(record.get("service")) == service]
    for kind, drills in (("rollback", False), ("drill", True)):
        runs = [record for record in own if is_drill(record) == drills]
        told = _times(runs, now, "")
        days = told["rollback_proven_days_ago"]
        failed = sum(record.get("status") == "failed" for record in runs)
        proven: Cell = _ago(days) if days is not None else Mark("", ATTENTION, "never")
        times = (words.duration(told["median"]), words.duration(told["worst"]))
        yield (service, kind, str(len(runs)), str(failed), *times, proven)


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
