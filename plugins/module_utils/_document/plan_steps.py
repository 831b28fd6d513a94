# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 4 of the plan: what would be done now, in the order in which it happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words
from .model import ATTENTION, MISSING, Block, Bullets, Cell, Code, Heading, Mark, Paragraph
from .readiness import INSTEAD, Readiness

Data = Mapping[str, Any]


def steps(data: Data, ready: Readiness) -> list[Block]:
    """The command, and the template's three parts with what each would do."""
    version = data["manifest"]["release"]
    quiesce = data["left"]["strategy"] == "quiesce"
    order = [*(["maintenance on", "quiesce"] if quiesce else []), "backup", "configuration", "database", "application"]
    return [
        Heading("4. Rollback Steps"),
        Code(data.get("command") or f"ansible-playbook playbooks/rollback.yml -e version={version}", "bash"),
        Paragraph(f"It goes through {', '.join(order)} and verification, whatever the numbers of the parts below."),
        Heading("4.1 Application Rollback", 3),
        *_part([*_quiesce(data, quiesce=quiesce), *_applications(data, ready)], "application"),
        Heading("4.2 Database Rollback", 3),
        *_part(_databases(data, ready), "database"),
        Heading("4.3 Configuration Rollback", 3),
        *_part(_configurations(data), "configuration"),
    ]


def _part(lines: list[Cell], noun: str) -> list[Block]:
    return [Bullets(tuple(lines), numbered=True)] if lines else [Paragraph(f"No {noun} belongs to this release.")]


def _place(live: Data) -> str:
    return f"{str(live['kind']).lower()}/{live['name']} -n {live['namespace']}"


def _quiesce(data: Data, *, quiesce: bool) -> list[Cell]:
    if not quiesce:
        return []
    return [
        f"Before anything else: scale {_place(live)} from {live['replicas']} to 0 and wait until every pod is gone"
        for live in data["applications"]
    ]


def _applications(data: Data, ready: Readiness) -> list[Cell]:
    lines: list[Cell] = []
    for live in data["applications"]:
        target = live.get("target")
        if target:
            images = list(target["images"].values())
            count = live.get("recorded_replicas") or live["replicas"]
            known = target.get("source") not in INSTEAD
            where = f"revision {words.text_of(target['revision'])}" if known else "the previous images"
            told = (
                f"Bring {_place(live)} back to {where} ({words.text_of(images)}) "
                f"with {words.plural(count, 'replica')}, watch it, and compare the images"
            )
            lines.append(_marked(told, "registry" if known else "history", ready, images))
        else:
            lines.append(f"Nothing to do for {_place(live)}: {words.text_of(list(live['images'].values()))}")
    return lines


def _databases(data: Data, ready: Readiness) -> list[Cell]:
    lines: list[Cell] = []
    where = data.get("backup_directory")
    unfit = ready.said("backups")
    for live in data["databases"]:
        name = live["name"]
        if not live.get("steps"):
            lines.append(f"Nothing to migrate: {name} is at migration {live['current']}")
            continue
        told = f"Back up {name}{f' to {where}' if where else ''}, and read the backup back"
        lines.append(Mark(f"{told}: {unfit}", MISSING) if unfit else told)
        taken = _rehearsed(data, name)
        lines += [
            _marked(
                f"Migrate down {step['version']} ({step['name']}) to {step['to']}{taken.get(str(step['version']), '')}",
                "rehearsal",
                ready,
                [f"database {name}:"],
            )
            for step in live["steps"]
        ]
        lines += [Mark(text, ATTENTION) for text in _loss(live)]
        lines.append(f"Check that {name} is at migration {live['target']}, and validate its data")
    return lines


def _marked(told: str, part: str, ready: Readiness, about: Sequence[str]) -> Cell:
    """A step, with whatever a part of the checks says about one of ``about``."""
    for state, texts in ((MISSING, ready.missing.get(part, ())), (ATTENTION, ready.attention.get(part, ()))):
        said = [text for text in texts if any(name in text for name in about)]
        if said:
            return Mark(f"{told}: {'; '.join(said)}", state)
    return told


def _rehearsed(data: Data, name: str) -> dict[str, str]:
    """By version, how long a step took on a copy."""
    return {
        str(step["version"]): f", which took {words.duration(step['seconds'])} on a copy"
        for item in data.get("rehearsals", ())
        if item.get("name") == name and item.get("verdict") == "pass"
        for step in item.get("steps") or ()
        if step.get("seconds") is not None
    }


def _loss(live: Data) -> list[str]:
    """What is gone for good, table by table."""
    loss = live.get("loss") or {}
    found = []
    for item in loss.get("items", ()):
        column = f".{item['column']}" if item.get("column") else ""
        about = "" if item.get("exact", True) else "about "
        found.append(
            f"Lost for good, but for the backup: {item['kind']} {item['table']}{column}, "
            f"{about}{words.plural(item['rows'], 'row')}"
        )
    return found + [f"Loss that cannot be foreseen: {text}" for text in loss.get("unseen", ())]


def _configurations(data: Data) -> list[Cell]:
    """Names of keys alone; no value is ever shown."""
    lines: list[Cell] = [
        f"Restore {live['mount']}/{live['path']} from version {live['live_version']} to the data of version "
        f"{live['target_version']}: {_keys(live)}"
        for live in data["configurations"]
    ]
    for live in data.get("cluster_configurations", ()):
        place = f"{live['kind'].lower()}/{live['name']} -n {live['namespace']}"
        lines.append(f"Restore {place}: {_keys(live)}")
    return lines


def _keys(live: Data) -> str:
    if live["equal"]:
        return "nothing differs"
    kinds = ("added", "removed", "changed")
    told = (f"{kind} {words.text_of(live.get(f'keys_{kind}') or 'none')}" for kind in kinds)
    return f"keys {'; '.join(told)}"
