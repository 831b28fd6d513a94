# SPDX-License-Identifier: GPL-3.0-or-later
"""The nouns of migrations: where the schema is, which steps lead down, and what they lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Migration:
    """One applied migration as its tool names it."""

    version: str
    name: str = ""


@dataclass(frozen=True)
class Status:
    """What the tool says. ``applied`` runs from the oldest to the newest; None if the tool cannot list it.

    ``scripts`` are the versions that have a script here, which says where the steps are but not what is applied.
    """

    current: str
    applied: tuple[Migration, ...] | None = None
    pending: tuple[str, ...] = ()
    dirty: bool = False
    problems: tuple[str, ...] = ()
    scripts: tuple[Migration, ...] = ()


@dataclass(frozen=True)
class Step:
    """One way down: undo ``version``, after which the schema is at ``to``."""

    version: str
    to: str
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for results."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """The way from ``current`` to ``target``; with problems nothing may be run."""

    current: str
    target: str
    direction: str
    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """The SQL of one step down, or why it cannot be shown (``problem`` says why it cannot be run either).

    ``others`` are migrations of other applications that the tool undoes with it; their SQL is part of it.
    """

    sql: str | None
    problem: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drop:
    """Something a statement takes away; ``kind`` is table, schema, column, truncate or delete."""

    kind: str
    table: tuple[str, ...]
    column: str = ""


@dataclass(frozen=True)
class Loss:
    """Data that a step loses: ``rows`` rows of a table or values of a column; not ``exact`` means at most that many."""

    step: str
    kind: str
    table: str
    column: str
    rows: int
    exact: bool = True


@dataclass(frozen=True)
class Preview:
    """What going down would lose, and the steps nothing can be said about."""

    losses: tuple[Loss, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows and values lost in all."""
        return sum(loss.rows for loss in self.losses)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for results."""
        return {"rows": self.rows, "items": [asdict(loss) for loss in self.losses], "unseen": list(self.unseen)}


@dataclass(frozen=True)
class Completed:
    """A finished run of a tool."""

    argv: tuple[str, ...]
    status: int
    output: str
    errors: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What it said; a log in which both streams are one is told once."""
        if self.output.strip() in self.errors:
            return self.errors.splitlines()
        return [*self.output.splitlines(), *self.errors.splitlines()]


@dataclass(frozen=True)
class Tool:
    """How the tool is called: ``command`` is the argv it begins with, ``environment`` only what is added to ours."""

    command: tuple[str, ...]
    chdir: str | None = None
    env_name: str | None = None
    app: str | None = None
    down_scripts: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
