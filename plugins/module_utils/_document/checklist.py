# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 3 of the plan: each item is a check with its evidence, or somebody has acknowledged it by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._module import RollbackError
from . import words
from .model import ATTENTION, MISSING, OPEN, READY, Check
from .readiness import INSTEAD, MODES, Readiness

Data = Mapping[str, Any]

TEXTS = {
    "issue": "Document the issue triggering rollback",
    "stakeholders": "Notify stakeholders of rollback decision",
    "artifacts": "Verify rollback artifacts exist (images, backups)",
    "team": "Ensure rollback team is available",
    "maintenance": "Enable maintenance mode (if needed)",
}
"""The template's items, by the names with which they are acknowledged."""
EXAMPLE = """-e '{"checklist_acknowledged": {"%s": {"who": "NAME", "note": "WHY"}}}'"""


@dataclass(frozen=True)
class Item:
    """One item: its state, what shows it, and who has acknowledged it."""

    name: str
    text: str
    state: str
    evidence: str = ""
    who: str = ""
    note: str = ""

    @property
    def done(self) -> bool:
        """Whether it holds no rollback up. A registry that said nothing (a doubt about artifacts) does not."""
        doubtful = self.name == "artifacts" and self.state == ATTENTION
        return self.state == READY or doubtful or bool(self.who)

    def shown(self) -> Check:
        """The same for a document: whatever the check found stays visible behind the name."""
        if not self.who:
            return Check(self.text, self.state, self.evidence)
        said = f"acknowledged by {self.who}{f': {self.note}' if self.note else ''}"
        found = f" (the check says: {self.evidence})" if self.evidence and self.state != READY else ""
        return Check(self.text, READY, f"{said}{found}")

    def to_json(self) -> dict[str, str]:
        """Plain data, as the run record keeps it."""
        return asdict(self)


def shown(kept: Data) -> Check:
    """An item of a run record, for a document."""
    known = {key: str(kept.get(key) or "") for key in ("name", "text", "state", "evidence", "who", "note")}
    return Item(**known).shown()


def checklist(data: Data, ready: Readiness) -> list[Item]:
    """All items in the template's order, and then the team's own."""
    found = [
        _issue(data),
        _stakeholders(data, ready),
        _artifacts(data, ready),
        _team(data, ready),
        _maintenance(data, ready),
    ]
    own = _own(data.get("items") or ())
    names = {item.name for item in (*found, *own)}
    acknowledged = _acknowledged(data.get("acknowledged") or {}, names)
    return [replace(item, **acknowledged.get(item.name, {})) for item in (*found, *own)]


def unmet(items: Iterable[Item], required: Sequence[str]) -> list[Item]:
    """Required items that are neither so nor acknowledged."""
    known = list(items)
    unknown = sorted(set(required) - {item.name for item in known})
    if unknown:
        raise RollbackError(f"required: {', '.join(unknown)} is no item; {_items(item.name for item in known)}")
    return [item for item in known if item.name in required and not item.done]


def acknowledging(item: Item) -> str:
    """What somebody types to take an item on themselves."""
    return EXAMPLE % item.name


def _own(items: Sequence[Data]) -> list[Item]:
    """Items that no machine can check."""
    found = []
    for item in items:
        name, text = str(item.get("name") or ""), str(item.get("text") or "")
        if not name or not text or name in TEXTS:
            raise RollbackError(f"items: {item!r} wants a name of its own and a text")
        found.append(Item(name, text, OPEN))
    return found


def _acknowledged(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Who and note by item; an item that is none, and a name that is none, are refused."""
    known, found = list(names), {}
    for name, entry in given.items():
        if name not in known:
            raise RollbackError(f"acknowledged: {name!r} is no item of the checklist; {_items(known)}")
        told = entry if isinstance(entry, Mapping) else {"who": entry}
        who, note = (words.text_of(told.get(key) or "") for key in ("who", "note"))
        if set(told) - {"who", "note"} or who == words.NONE or not any(map(str.isalpha, who)):
            raise RollbackError(f"acknowledged: {name} does not say who acknowledges it; write {EXAMPLE % name}")
        found[name] = {"who": who, "note": "" if note == words.NONE else note}
    return found


def _items(names: Iterable[str]) -> str:
    return f"the items are {', '.join(sorted(names))}"


def _issue(data: Data) -> Item:
    issue = data.get("issue")
    if issue:
        return Item("issue", TEXTS["issue"], READY, words.text_of(issue))
    return Item("issue", TEXTS["issue"], OPEN, "-e reason=... or -e issue=LINK, kept in the run record")


def _stakeholders(data: Data, ready: Readiness) -> Item:
    channels = ", ".join(words.text_of(item.get("name") or item.get("type")) for item in data.get("channels", ()))
    if ready.state("channels") != READY:
        return Item("stakeholders", TEXTS["stakeholders"], ATTENTION, ready.said("channels"))
    state = READY if data.get("decided") else OPEN
    return Item("stakeholders", TEXTS["stakeholders"], state, f"sent by the rollback to {channels}")


def _artifacts(data: Data, ready: Readiness) -> Item:
    unfit = [text for part, texts in ready.missing.items() if part != "approvals" for text in texts]
    doubts = (*ready.attention.get("history", ()), *ready.attention.get("registry", ()))
    if unfit:
        return Item("artifacts", TEXTS["artifacts"], MISSING, "; ".join(unfit))
    state = ATTENTION if doubts else READY
    return Item("artifacts", TEXTS["artifacts"], state, "; ".join((*doubts, *_there(data))))


def _there(data: Data) -> Iterable[str]:
    """What a rollback goes back to, and was found."""
    for live in data["applications"]:
        target = live.get("target") or {}
        if target and target.get("source") not in INSTEAD:
            yield f"{live['name']} has revision {words.text_of(target.get('revision'))} of the previous image"
    for image in data.get("images", ()):
        if image.get("verdict") == "pass":
            yield f"image {image['image']} is {image['message']}"
    left = [item for item in data["databases"] if item.get("steps")]
    for item in left:
        yield f"{item['name']} has the way down from migration {item['current']}"
    for item in data["configurations"]:
        yield f"version {item['target_version']} of {item['path']} can be read"
    if left:
        yield f"a backup can be written to {data['backup_directory']}"


def _team(data: Data, ready: Readiness) -> Item:
    names = ", ".join(
        f"{item.get('name')} ({item.get('role')})" for item in data.get("contacts", ()) if item.get("on_duty")
    )
    return Item("team", TEXTS["team"], ready.state("contacts"), ready.said("contacts") or f"available now: {names}")


def _maintenance(data: Data, ready: Readiness) -> Item:
    if data["left"]["strategy"] != "quiesce":
        return Item(
            "maintenance", TEXTS["maintenance"], READY, "not needed: no pod is stopped before its successor runs"
        )
    modes = " and ".join(mode for mode in MODES if mode in (data.get("maintenance") or {}))
    said = ready.said("maintenance") or f"switched on and off by the rollback ({modes.replace('_', ' ')})"
    return Item("maintenance", TEXTS["maintenance"], ready.state("maintenance"), said)
