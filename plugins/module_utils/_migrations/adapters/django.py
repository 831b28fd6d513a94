# SPDX-License-Identifier: GPL-3.0-or-later
"""Django: one application's migrations, and those of others that depend on them.

``migrate --plan`` shows what a way down undoes, ``sqlmigrate --backwards`` how, without running it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ..._module import RollbackError
from ..._postgres.foreign import NAMES, not_supported
from ..client import Runner, demand
from ..model import Migration, Script, Status, Step, Tool

LINE = re.compile(r"^\s*\[(?P<mark>[Xx ])\]\s+(?P<name>\S+)")
PLANNED = re.compile(r"^(\w+)\.(\w+)\s*$", re.MULTILINE)
VENDOR = re.compile(r"^vendor: (\w+)$", re.MULTILINE)
QUESTION = (
    "from django.core.management import call_command; from django.db import connection;"
    ' print("vendor:", connection.vendor, flush=True); call_command("showmigrations", {app!r}, no_color=True)'
)


class Django:
    """``manage.py showmigrations``, ``sqlmigrate`` and ``migrate`` for the application of the option ``app``."""

    base = "zero"

    def __init__(self, tool: Tool, run: Runner) -> None:
        if not tool.app:
            raise RollbackError("tool django needs the option app: the label of the application whose schema goes down")
        self._app = tool.app
        self._run = run

    def status(self) -> Status:
        """``showmigrations APP``, after a word about the database it is shown for."""
        done = self._run(["shell", "-c", QUESTION.format(app=self._app)])
        vendor = VENDOR.search(done.output)
        if vendor and vendor[1] != "postgresql":
            raise not_supported(NAMES.get(vendor[1], vendor[1]), "the default database of the Django project")
        return read_migrations(demand(done, "cannot ask Django for its migrations"), self._app)

    def scripts(self, steps: Sequence[Step]) -> Mapping[str, Script]:
        """``migrate APP NAME --plan`` says what a step undoes, ``sqlmigrate APP NAME --backwards`` how."""
        found: dict[str, Script] = {}
        before: set[tuple[str, str]] = set()
        for step in steps:
            asked = self._run([*self.down(step), "--plan"])
            planned = PLANNED.findall(demand(asked, f"cannot ask Django what else goes with {step.version}"))
            others = [one for one in planned if one not in before and one[0] != self._app]
            before.update(planned)
            found[step.version] = joined([(self._app, step.version), *others], self._backwards)
        return found

    def _backwards(self, app: str, name: str) -> Script:
        done = self._run(["sqlmigrate", app, name, "--backwards", "--no-color"])
        return read_backwards(done.status, done.output, done.errors)

    def down(self, step: Step) -> list[str]:
        """``migrate APP NAME``."""
        return ["migrate", self._app, step.to, "--no-input", "--no-color"]


def read_migrations(text: str, app: str) -> Status:
    """``[X] 0001_initial`` lines; an unapplied one below an applied one is a problem."""
    marks = [(match.group("name"), match.group("mark") != " ") for match in map(LINE.match, text.splitlines()) if match]
    applied = tuple(Migration(name) for name, done in marks if done)
    pending = tuple(name for name, done in marks if not done)
    problems = []
    if not marks and "(no migrations)" not in text:
        problems.append(f"application {app} has no migrations")
    newest = max((number for number, (_unused, done) in enumerate(marks) if done), default=-1)
    gaps = [name for name, done in marks[: newest + 1] if not done]
    if gaps:
        problems.append(f"{', '.join(gaps)} is not applied although a later migration is; repair that by hand")
    return Status(applied[-1].version if applied else Django.base, applied, pending, problems=tuple(problems))


def joined(undone: Sequence[tuple[str, str]], script_of: Callable[[str, str], Script]) -> Script:
    """One script for a migration and those of other applications that go with it: unseen if any of them is."""
    scripts = {f"{app}.{name}": script_of(app, name) for app, name in undone}
    own, *others = scripts
    problem = scripts[own].problem
    for name in others:
        problem = problem or (f"it undoes {name} too: {scripts[name].problem}" if scripts[name].problem else "")
    texts = [script.sql for script in scripts.values() if script.sql is not None]
    return Script("\n".join(texts) if len(texts) == len(scripts) else None, problem, tuple(others))


def read_backwards(status: int, output: str, errors: str) -> Script:
    """A script from ``sqlmigrate --backwards``; RunPython is shown by Django as a comment only."""
    if status:
        said = errors.strip().splitlines()[-1] if errors.strip() else "no reason given"
        if "IrreversibleError" in errors or "is not reversible" in errors:
            return Script(None, f"Django calls it irreversible: {said}")
        return Script(None)
    unseen = "THIS OPERATION CANNOT BE WRITTEN AS SQL" in output
    return Script(None if unseen else output)
