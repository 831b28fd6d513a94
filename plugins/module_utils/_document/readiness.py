# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release could be rolled back now: every check of the plan, with what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import words
from .model import ATTENTION, MISSING, READY

Data = Mapping[str, Any]

MODES = ("service", "config_map", "http", "command")
"""Ways to hold requests off."""


@dataclass(frozen=True)
class Readiness:
    """What stands in the way, and what should be looked at, by the part of the plan it belongs to."""

    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    attention: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Every reason why the release cannot be rolled back."""
        return [text for texts in self.missing.values() for text in texts]

    def worries(self) -> list[str]:
        """What does not stand in the way, and yet is not as it should be."""
        return [text for texts in self.attention.values() for text in texts]

    def state(self, part: str) -> str:
        """How a part of the plan stands."""
        return MISSING if self.missing.get(part) else ATTENTION if self.attention.get(part) else READY

    def said(self, part: str) -> str:
        """What there is to say about a part; nothing where it is fine."""
        return "; ".join((*self.missing.get(part, ()), *self.attention.get(part, ())))


def judge(data: Data) -> Readiness:
    """Check every part of the plan."""
    missing = {
        **_obstacles(data),
        "backups": _backups(data),
        "registry": [] if _taken_on(data) else _images(data, "fail"),
        "rehearsal": _rehearsals(data, "fail"),
        "approvals": _approvals(data) if data.get("approval_required") else [],
    }
    attention = {
        "triggers": _triggers(data.get("triggers", ())),
        "maintenance": _maintenance(data),
        "drift": [
            entry["message"] for entry in data["left"].get("drift") or () if entry["message"] not in data["problems"]
        ],
        "registry": [*(_images(data, "fail") if _taken_on(data) else []), *_images(data, "inconclusive")],
        "history": _no_revision(data),
        "rehearsal": _rehearsals(data, "inconclusive"),
        "loss": [loss for database in data.get("databases", ()) for loss in lost(database)],
        "smoke_tests": _given(
            data, "smoke_tests", "no smoke test is defined: nothing would prove that the service works"
        ),
        "monitoring": _given(data, "monitoring", "no monitoring check is defined for the time after the rollback"),
        "channels": _given(data, "channels", "no channel is defined: nobody would be told"),
        "contacts": contacts_wanting(data.get("contacts", ())),
    }
    return Readiness(
        {part: texts for part, texts in missing.items() if texts},
        {part: texts for part, texts in attention.items() if texts},
    )


def label(kind: str, item: Data) -> str:
    """The words with which problems name a thing."""
    if kind == "applications":
        return f"{str(item.get('kind', 'Deployment')).lower()}/{item['name']}"
    if kind == "databases":
        return f"database {item['name']}"
    return f"{item['kind'].lower()}/{item['name']}" if kind == "cluster_configurations" else str(item["path"])


def _obstacles(data: Data) -> dict[str, list[str]]:
    """The problems that were found, sorted by the thing they name; the rest belongs to the plan as a whole."""
    manifest = data["manifest"]
    labels = [
        label(kind, item)
        for kind in ("applications", "databases", "configurations", "cluster_configurations")
        for item in manifest.get(kind) or ()
    ]
    sorted_out: dict[str, list[str]] = {}
    for problem in data.get("problems", ()):
        named = [name for name in labels if name in problem]
        sorted_out.setdefault(max(named, key=len) if named else "plan", []).append(problem)
    return sorted_out


def _backups(data: Data) -> list[str]:
    """Why no backup can be taken of a database that is still to go down; one that is down already needs none."""
    left = {live["name"] for live in data["databases"] if live.get("steps")}
    if left and not data.get("backup_directory"):
        return ["no folder for the backup is named; set database_backup_directory"]
    return [
        f"no backup of {backup['name']} can be taken: {backup['problem']}"
        for backup in data.get("backups", ())
        if backup.get("problem") and backup["name"] in left
    ]


def _images(data: Data, verdict: str) -> list[str]:
    """What registries say of the previous images."""
    return [
        f"image {image['image']}: {image['message']}"
        for image in data.get("images", ())
        if image.get("verdict") == verdict
    ]


def _no_revision(data: Data) -> list[str]:
    """Workloads whose history has forgotten the previous image."""
    found = []
    for live in data["applications"]:
        target = live.get("target") or {}
        if target.get("source") in INSTEAD:
            images = words.text_of(list(target["images"].values()))
            place = label("applications", live)
            found.append(f"{place}: no revision of its history has {images}; {INSTEAD[target['source']]}")
    return found


INSTEAD = {
    "manifest": "the template that the manifest has recorded takes its place",
    "live": "the live template would get it, and keep whatever else the release has changed",
}
"""What a rollback takes where the history has nothing, by the source that it names."""


def _taken_on(data: Data) -> bool:
    """Whether somebody goes without what the registries have not."""
    return "artifacts" in (data.get("acknowledged") or {})


def _rehearsals(data: Data, verdict: str) -> list[str]:
    """How the way down went on a copy; one that did not come to an end failed."""
    return [
        f"database {item['name']}: {TRIED[verdict]}: {words.text_of(item.get('note') or item.get('problem'))}"
        for item in data.get("rehearsals", ())
        if item.get("verdict", "fail") == verdict
    ]


TRIED = {"fail": "the way down failed on a copy", "inconclusive": "the way down was not tried on a copy"}


def lost(database: Data) -> list[str]:
    """What a database loses for good on the way down."""
    name, loss = database.get("name", ""), database.get("loss") or {}
    told = []
    if loss.get("rows"):
        told.append(f"database {name} loses {loss['rows']} rows or values, but for the backup")
    return told + [f"database {name}: a loss that cannot be foreseen: {text}" for text in loss.get("unseen", ())]


def _triggers(triggers: Iterable[Data]) -> list[str]:
    found = list(triggers)
    if not found:
        return ["no automatic trigger is defined: only people can decide"]
    return [
        f"trigger {trigger['name']} does not tell: {words.text_of(trigger.get('message'))}"
        for trigger in found
        if trigger.get("verdict") not in ("pass", "fail")
    ]


def _maintenance(data: Data) -> list[str]:
    given = data.get("maintenance") or {}
    if data["left"]["strategy"] != "quiesce" or any(mode in given for mode in MODES):
        return []
    if given:
        return [f"checklist_maintenance knows {', '.join(MODES)}, and not {', '.join(map(str, given))}"]
    return ["no maintenance mode is defined: while every pod is stopped, customers meet a dead service"]


def _given(data: Data, part: str, otherwise: str) -> list[str]:
    return [] if data.get(part) else [otherwise]


def contacts_wanting(contacts: Sequence[Data]) -> list[str]:
    """What is wrong with the table of contacts, now."""
    if not contacts:
        return ["no emergency contact is named"]
    found = [f"{contact.get('role')} has no name or no phone" for contact in contacts if not _reachable(contact)]
    found += [
        f"availability of {contact.get('name')} ({contact.get('role')}) cannot be read: {contact.get('availability')!r}"
        for contact in contacts
        if contact.get("on_duty") is None
    ]
    if not any(contact.get("on_duty") for contact in contacts):
        found.append("nobody of the contacts is available now")
    return found


def _reachable(contact: Data) -> bool:
    return bool(contact.get("name")) and bool(contact.get("phone"))


def _approvals(data: Data) -> list[str]:
    return [
        f"approval of {approval['role']}: {approval.get('message', 'missing')}"
        for approval in data.get("approvals", ())
        if approval.get("verdict") != "pass"
    ]
