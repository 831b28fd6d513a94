# SPDX-License-Identifier: GPL-3.0-or-later
"""What a document is made of: blocks of plain text, which Markdown and HTML are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Union

READY, MISSING, ATTENTION, OPEN = "ready", "not ready", "attention", "to do"
"""States of what is checked: fine; stands in the way; somebody should look; left to people."""


@dataclass(frozen=True)
class Mark:
    """Text with a state, which is told by a word in front of it and not by a colour alone."""

    kind: ClassVar[str] = "mark"
    text: str
    state: str
    word: str = ""
    """The word; that of the state where not given."""

    @property
    def said(self) -> str:
        """The word in front of the text."""
        return (self.word or self.state).upper()


Cell = Union[str, Mark]  # noqa: UP007 - pylint reads it as a sum


@dataclass(frozen=True)
class Heading:
    """A heading; ``level`` 2 is a section."""

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True)
class Contents:
    """The way to the sections; where a document is read without a page it needs none."""

    kind: ClassVar[str] = "contents"


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True)
class Fields:
    """Names and values, such as the head of the document."""

    kind: ClassVar[str] = "fields"
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figures:
    """What a reader has to know first: name, value and a word about it."""

    kind: ClassVar[str] = "figures"
    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as ``head``."""

    kind: ClassVar[str] = "table"
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    bars: tuple[tuple[float, float], ...] = ()
    """For each row, where in the whole time (0 to 1) it begins and how much of it it takes: drawn on the page."""


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[Cell, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Check:
    """One item of a checklist, with what shows that it is done."""

    text: str
    state: str = OPEN
    evidence: str = ""

    @property
    def said(self) -> str:
        """The word in front of an item that is not as it should be."""
        return self.state.upper()


@dataclass(frozen=True)
class Checklist:
    """Things to tick off."""

    kind: ClassVar[str] = "checklist"
    items: tuple[Check, ...]


@dataclass(frozen=True)
class Code:
    """Commands or a message, word for word."""

    kind: ClassVar[str] = "code"
    text: str
    language: str = ""


@dataclass(frozen=True)
class Plot:
    """One metric over time: pairs of seconds since the epoch and value, its threshold, and spans worth knowing."""

    kind: ClassVar[str] = "plot"
    title: str
    unit: str
    samples: tuple[tuple[float, float | None], ...]
    threshold: float | None = None
    condition: str = ""
    spans: tuple[tuple[str, float, float], ...] = ()
    """Name, start and end (seconds since the epoch), such as the rollback itself."""


@dataclass(frozen=True)
class Kept:
    """What people wrote, in Markdown: it goes back into the Markdown as it was, and on the page it is text."""

    kind: ClassVar[str] = "kept"
    text: str

    @property
    def shown(self) -> str:
        """The same for the page, where it is not drawn as Markdown."""
        return self.text.strip("_")


Block = Union[Mark, Heading, Contents, Paragraph, Fields, Figures, Table, Bullets, Checklist, Code, Plot, Kept]  # noqa: UP007


@dataclass(frozen=True)
class Document:
    """A title, what it is about, and its blocks."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    subtitle: str = ""
