# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback has taught about its own procedure, as a patch of the inventory's variables that git applies.

Three things are learnt: what somebody had to give on the command line, how long it took to restore, and which time
limits were more than half used up. A patch proposes; it changes nothing until people have read it and applied it.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from . import files, words
from .history import to_restore

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

Data = Mapping[str, Any]
TIME_TO_RESTORE = "plan_time_to_restore"
USED_UP = 0.5
"""The share of a limit beyond which there is too little left."""
ENCRYPTED = "$ANSIBLE_VAULT"


@dataclass(frozen=True)
class Change:
    """A variable, the value that it should have, and why."""

    name: str
    value: Any
    why: str


def learnt(record: Data, overrides: Mapping[str, Any], limits: Iterable[Data]) -> list[Change]:
    """What the run of ``record`` proposes; ``limits`` have ``step``, ``variable`` and ``seconds``."""
    given = "had to be given on the command line"
    found = [Change(name, _typed(value), given) for name, value in sorted(overrides.items())]
    took = to_restore(record)
    if took is not None:
        found.append(Change(TIME_TO_RESTORE, math.ceil(took), "seconds, as measured"))
    steps = {step["name"]: step for step in record.get("steps") or ()}
    for limit in limits:
        step = steps.get(limit["step"], {})
        spent = words.between(step.get("started_at"), step.get("ended_at"))
        if spent is not None and limit["variable"] not in overrides and spent > USED_UP * float(limit["seconds"]):
            told = f"{limit['step']} took {words.duration(spent)} of {words.duration(float(limit['seconds']))}"
            found.append(Change(limit["variable"], math.ceil(2 * spent / 10) * 10, told))
    return found


def _typed(value: Any) -> Any:
    """What ``-e name=value`` means: the command line knows text alone. Kinds of text of Ansible's own become plain."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+([.][0-9]+)?|true|false", value):
        return json.loads(value)
    return json.loads(json.dumps(value, default=str))


@dataclass(frozen=True)
class Proposal:
    """What is proposed: the patch, and for each variable what it was. ``problem``: why there is no patch."""

    made: Sequence[tuple[Change, Any]] = ()
    patch: str = ""
    problem: str = ""


def propose(record: Data, procedure: Data) -> Proposal:
    """The proposal of one run; ``procedure`` has ``file``, ``overrides`` and ``limits``."""
    if not procedure.get("file"):
        return Proposal()
    changes = learnt(record, procedure.get("overrides") or {}, procedure.get("limits") or ())
    path = Path(procedure["file"])
    content = files.read(path)
    before = None if content is None else content.decode(errors="replace")
    told = [(change, None) for change in changes]
    if yaml is None:
        return Proposal(told, "", "no patch without the Python library PyYAML: pip install pyyaml")
    if (before or "").startswith(ENCRYPTED):
        return Proposal(told, "", f"no patch, as {path} is encrypted")
    try:
        after, made = pinned(before or "", changes)
    except yaml.YAMLError as error:
        return Proposal(told, "", f"no patch, as {path} is no YAML: {' '.join(str(error).split())[:160]}")
    return Proposal(made, patch(before, after, path, record, made)) if made else Proposal()


def pinned(text: str, changes: Sequence[Change]) -> tuple[str, list[tuple[Change, Any]]]:
    """``text`` (YAML) with ``changes``, and those that were none before, each with the value that stood there."""
    made: list[tuple[Change, Any]] = []
    for change in changes:
        known = _values(text)
        if change.name in known and known[change.name] == change.value:
            continue
        made.append((change, known.get(change.name)))
        text = _set(text, change)
    return text, made


class _Plain(yaml.SafeLoader if yaml else object):  # type: ignore[misc]
    """Reads YAML whose tags (``!vault``, ``!unsafe``) mean nothing here."""


if yaml:
    _Plain.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)


def _values(text: str) -> Mapping[str, Any]:
    found = yaml.load(text, Loader=_Plain)
    return found if isinstance(found, Mapping) else {}


def _set(text: str, change: Change) -> str:
    """Replace a variable in its place, with all lines that its value has; add it at the end where there is none."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    new = yaml.safe_dump({change.name: change.value}, sort_keys=False, allow_unicode=True, width=110)
    told = [f"# {change.why[0].upper()}{change.why[1:]}.\n", *new.splitlines(keepends=True)]
    node = yaml.compose(text, Loader=_Plain)
    for key, value in getattr(node, "value", None) or ():
        if getattr(key, "value", None) == change.name:
            first, last = key.start_mark.line, _end(lines, value.end_mark)
            before = lines[:first]
            if before and before[-1] == told[0]:
                before.pop()
            return "".join([*before, *told, *lines[last:]])
    return "".join([*(lines or ["---\n"]), *told])


def _end(lines: Sequence[str], mark: Any) -> int:
    """The line after a value; comments and empty lines behind it belong to what follows."""
    last = int(mark.line) + (1 if mark.column else 0)
    while last > 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
        last -= 1
    return last


def patch(before: str | None, after: str, path: Path, record: Data, made: Sequence[tuple[Change, Any]]) -> str:
    """A unified diff with a few words in front; paths are those of the repository that ``path`` is in."""
    root = repository(path)
    name = PurePath(path.resolve().relative_to(root)).as_posix()
    ends = ("/dev/null" if before is None else f"a/{name}", f"b/{name}")
    lines = list(difflib.unified_diff((before or "").splitlines(keepends=True), after.splitlines(keepends=True), *ends))
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    new = "new file mode 100644\n" if before is None else ""
    told = "".join(f"* {change.name}: {change.why}\n" for change, _old in made)
    run = words.text_of(f"{record['id']} in {record['environment']}")
    head = f"What rollback {run} has taught. Read it, then: git apply, in {root.name}"
    return f"{head}\n\n{told}\ndiff --git a/{name} b/{name}\n{new}{body}"


def repository(path: Path) -> Path:
    """The top of the repository that a file is in; the folder that holds the inventories where there is none."""
    place = path.resolve()
    for folder in place.parents:
        if (folder / ".git").exists():
            return folder
    return place.parents[min(4, len(place.parents) - 1)]
