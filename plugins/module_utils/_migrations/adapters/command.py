# SPDX-License-Identifier: GPL-3.0-or-later
"""Any program that keeps the plan template's contract: ``up|down|status --env E --to-version N``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..._module import RollbackError
from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool
from ..plan import same
from ._files import by_version, numbered

LINE = re.compile(r"^\s*(version|current|applied|pending|dirty)\s*[:=]\s*(.*?)\s*$", re.IGNORECASE)
TRUE = ("true", "yes", "1")


class Command:
    """``status`` prints ``version: N``; it may also print ``applied: N name``, ``pending: ...`` and ``dirty: true``."""

    base = "0"

    def __init__(self, tool: Tool, run: Runner) -> None:
        self._tool = tool
        self._run = run

    def _environment(self) -> list[str]:
        return ["--env", self._tool.env_name] if self._tool.env_name else []

    def status(self) -> Status:
        """Run ``status`` and read its lines."""
        done = self._run(["status", *self._environment()])
        told = parse_status(demand(done, "cannot ask for the schema's version"), self._tool.command)
        here = by_version(self._run, self._tool.down_scripts) if self._tool.down_scripts else {}
        return replace(told, scripts=tuple(here))

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """The files of the option down_scripts; without it nothing is known."""
        if not self._tool.down_scripts:
            return {}
        return numbered(self._run, steps, self._tool.down_scripts)

    def down(self, step: Step) -> list[str]:
        """``down --env E --to-version N``."""
        return ["down", *self._environment(), "--to-version", step.to]


def parse_status(text: str, command: Sequence[str]) -> Status:
    """Read the contract's lines; a text that is nothing but a number is a version too."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found: dict[str, list[str]] = {}
    for line in lines:
        if match := LINE.match(line):
            found.setdefault(match.group(1).lower(), []).append(match.group(2))
    versions = found.get("version") or found.get("current")
    if not versions and len(lines) == 1 and re.fullmatch(r"v?\w+", lines[0]):
        versions = [lines[0].removeprefix("v")]
    if not versions or not versions[0] or len({*versions}) > 1:
        raise RollbackError(
            f"{' '.join(command)} status told no version: its output must hold one line 'version: N',"
            f" it was {text.strip()[:300]!r}",
            output=text[:1000],
        )
    words = versions[0].split()
    dirty = (found.get("dirty") or [""])[-1].lower() in TRUE or "dirty" in words[1:] or "(dirty)" in words[1:]
    return Status(words[0], _applied(found.get("applied"), words[0]), _pending(found.get("pending")), dirty)


def _applied(lines: list[str] | None, current: str) -> tuple[Migration, ...] | None:
    """The applied migrations from the oldest to the newest; None unless they are told and end at ``current``."""
    if not lines:
        return None
    if len(lines) == 1 and all(re.fullmatch(r"\d+,?", word) for word in lines[0].split()):
        found = [Migration(word.strip(",")) for word in lines[0].split()]
    else:
        found = [Migration(*line.split(maxsplit=1)) for line in lines]
    if all(migration.version.isdigit() for migration in found):
        found.sort(key=lambda migration: int(migration.version))
    return tuple(found) if found and same(found[-1].version, current) else None


def _pending(lines: list[str] | None) -> tuple[str, ...]:
    words = [word.strip(",") for line in lines or [] for word in line.split()[:50]]
    return tuple(word for word in words if word != "none")
