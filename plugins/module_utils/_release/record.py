# SPDX-License-Identifier: GPL-3.0-or-later
"""The run record: the durable journal of one rollback, as data and as pure steps from one state to the next."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from .._module import RollbackError

RUNNING, COMPLETED, FAILED, ABORTED = "running", "completed", "failed", "aborted"
ENDED = (COMPLETED, ABORTED)
STARTED, DONE = "started", "done"


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as it stands in records and reports."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Loader(Protocol):
    """Something that knows run records."""

    def load(self) -> list[RunRecord]:
        """All of them."""


@dataclass(frozen=True)
class Step:
    """One phase of a rollback: when it ran, how it ended and what it found."""

    name: str
    status: str
    started_at: str
    ended_at: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """What the world forgets: who, why, when, and what was found on the way."""

    id: str
    release: str
    previous: str
    service: str
    document: str
    environment: str
    opened_at: str
    opened_by: str
    status: str = RUNNING
    closed_at: str | None = None
    decision: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Counts the records of an environment from 1; 0 in those that were written before there was one."""

    def to_json(self) -> dict[str, Any]:
        """Plain data: what is stored and what modules return."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        """Read what :meth:`to_json` wrote; keys of later versions are left aside."""
        known = {item.name for item in fields(cls)}
        steps = tuple(Step(**step) for step in data.get("steps", ()))
        rest = {key: value for key, value in data.items() if key in known and key not in ("steps", "notices")}
        return cls(**rest, steps=steps, notices=tuple(data.get("notices", ())))


def newest_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """``records`` in the order in which they were opened, whatever the clocks of those who opened them said.

    Those of one environment are ordered by number. Among several environments a record counts as opened no earlier than
    the one before it in its own.
    """
    latest: dict[str, str] = {}
    placed = []
    for record in sorted(records, key=lambda one: (one.number, one.opened_at)):
        latest[record.environment] = max(record.opened_at, latest.get(record.environment, ""))
        placed.append((latest[record.environment], record))
    placed.sort(key=lambda entry: (entry[0], entry[1].number), reverse=True)
    return [record for _moment, record in placed]


def of(records: Iterable[RunRecord], release: str | None, environment: str | None) -> list[RunRecord]:
    """Those of a release and an environment (None: of any), the newest first."""
    return newest_first(
        record for record in records if release in (None, record.release) and environment in (None, record.environment)
    )


def digest(records: Iterable[RunRecord]) -> str:
    """SHA-256, in hexadecimal, over all that the records say."""
    return hashlib.sha256(json.dumps([record.to_json() for record in records], sort_keys=True).encode()).hexdigest()


def unfinished(records: Iterable[RunRecord], release: str, environment: str) -> RunRecord | None:
    """The newest record of this rollback that did not end well, if there is one: a re-run goes on with it."""
    newest = next(iter(of(records, release, environment)), None)
    return newest if newest and newest.status not in ENDED else None


def current(params: Mapping[str, Any], store: Loader) -> RunRecord | None:
    """The unfinished record of the release and environment that a module's parameters name."""
    return unfinished(store.load(), params["release"], params["environment"])


def new_id(release: str, environment: str, now: datetime) -> str:
    """Name of a record: good as part of a file name and, in lower case, of a Kubernetes object's name.

    Environments that are rolled back at the same moment may keep their records, backups and papers in one place.
    """
    place = re.sub(r"[^A-Za-z0-9.-]+", "-", environment).strip("-.")[:60] or "somewhere"
    return f"{release}-{place}-{now.astimezone(UTC):%Y%m%dt%H%M%S}z"


def numbered(record: RunRecord, records: Iterable[RunRecord]) -> RunRecord:
    """``record`` as the next one of its environment, under a name that none of ``records`` has."""
    known = list(records)
    number = max((one.number for one in known if one.environment == record.environment), default=0) + 1
    taken, name, again = {object_name(one.id) for one in known}, record.id, 1
    while object_name(name) in taken:
        again += 1
        name = f"{record.id}-{again}"
    return replace(record, id=name, number=number)


def object_name(record_id: str) -> str:
    """The Kubernetes name of a record: RFC 1123, so nothing but lower case, digits, dots and dashes."""
    return "rollback-" + re.sub(r"[^a-z0-9.-]+", "-", record_id.lower()).strip("-.")


def resume(record: RunRecord, decision: Mapping[str, Any]) -> RunRecord:
    """Take up an unfinished record again; its first decision stands."""
    return replace(record, status=RUNNING, closed_at=None, decision=record.decision or dict(decision))


def note(record: RunRecord, steps: Sequence[Mapping[str, Any]], now: datetime) -> RunRecord:
    """Write down that steps started, were done or failed; a step that was begun before keeps its first start."""
    known = {step.name: step for step in record.steps}
    for item in steps:
        name, status, details = item["name"], item["status"], item.get("details") or {}
        before = known.get(name)
        started_at = before.started_at if before else timestamp(now)
        merged = {**(before.details if before else {}), **details}
        if before and before.status == DONE and status == STARTED:
            continue
        finished = before.ended_at if before and before.status == DONE else None
        ended_at = None if status == STARTED else finished or timestamp(now)
        known[name] = Step(name, status, started_at, ended_at, merged)
    return replace(record, steps=tuple(known.values()))


def remember(record: RunRecord, notices: Sequence[str], facts: Mapping[str, Any]) -> RunRecord:
    """Add notices that went out, the newest last, and facts; what is known already is not overwritten by nothing."""
    sent = (*(one for one in record.notices if one not in notices), *dict.fromkeys(notices))
    told = {key: value for key, value in facts.items() if value is not None}
    return replace(record, notices=sent, facts={**record.facts, **told})


def close(record: RunRecord, outcome: str, now: datetime) -> RunRecord:
    """End the record; steps that were under way when a rollback failed are marked failed."""
    if outcome not in (COMPLETED, FAILED, ABORTED):
        raise RollbackError(f"a run record ends as {COMPLETED}, {FAILED} or {ABORTED}, not as {outcome!r}")
    at = timestamp(now)
    steps = tuple(
        replace(step, status=FAILED, ended_at=at) if step.status == STARTED and outcome != COMPLETED else step
        for step in record.steps
    )
    return replace(record, status=outcome, closed_at=at, steps=steps)


def to_prune(records: Iterable[RunRecord], environment: str, keep: int) -> list[RunRecord]:
    """Records of ``environment`` that have ended well and are not among the ``keep`` newest of it."""
    mine = of(records, None, environment)
    return [one for one in reversed(mine[keep:]) if one.status in ENDED]
