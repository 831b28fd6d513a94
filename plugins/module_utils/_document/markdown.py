# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a document as Markdown (CommonMark with GitHub's tables), in which foreign text stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import words
from .model import MISSING as NOT_READY
from .model import (
    READY,
    Block,
    Bullets,
    Cell,
    Check,
    Checklist,
    Code,
    Contents,
    Document,
    Fields,
    Figures,
    Heading,
    Kept,
    Mark,
    Paragraph,
    Plot,
    Table,
)

SPECIAL = re.compile(r"[\\`*\[\]|]|~~|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
TAG = re.compile(r"<(?=[A-Za-z/!?])")
ENTITY = re.compile(r"&(?=#?[0-9A-Za-z]+;)")
LEADING = re.compile(r"^(#|>|[+-](?=\s|$)|-{2,}|=+$|\d+(?=[.)](?:\s|$)))")


def render(document: Document) -> str:
    """The whole document, ending in one line break."""
    parts = [f"# {escape(document.title)}", _opening(document.subtitle), *(_block(block) for block in document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """``text`` so that Markdown shows it as it is, on one line."""
    plain = TAG.sub("&lt;", ENTITY.sub("&amp;", " ".join(text.split())))
    return SPECIAL.sub(lambda found: "\\" + found[0], plain)


def _opening(text: str) -> str:
    """The same where a line begins, so that no heading, quote or list comes of it."""
    return LEADING.sub(lambda found: f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}", escape(text))


def _cell(cell: Cell) -> str:
    if isinstance(cell, Mark):
        return _marked(cell)
    return escape(cell)


def _marked(mark: Mark) -> str:
    return f"**{mark.said}**{': ' if mark.text else ''}{escape(mark.text)}"


def _table(block: Table) -> str:
    if not block.rows:
        return ""
    lines = [block.head, tuple("---" for _unused in block.head)]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*rows, *(f"| {' | '.join(map(_cell, row))} |" for row in block.rows)])


def _check(item: Check) -> str:
    mark = "**NOT READY** " if item.state == NOT_READY else "**ATTENTION** " if item.state == "attention" else ""
    evidence = f": {escape(item.evidence)}" if item.evidence else ""
    return f"- [{'x' if item.state == READY else ' '}] {mark}{escape(item.text)}{evidence}"


def _code(block: Code) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", block.text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{block.language}\n{block.text.rstrip()}\n{fence}"


def _plot(block: Plot) -> str:
    """What a reader without the picture has to know."""
    values = [value for _unused, value in block.samples if value is not None]
    told = f" ({escape(block.condition)})" if block.condition else ""
    if not values:
        return f"**{escape(block.title)}**{told}: no data"
    low, high = (words.measured(edge, block.unit) for edge in (min(values), max(values)))
    end = words.measured(values[-1], block.unit)
    return f"**{escape(block.title)}**{told}: from {low} to {high}, {end} at the end"


DRAWN: dict[type, Callable[[Any], str]] = {
    Heading: lambda block: f"{'#' * block.level} {escape(block.text)}",
    Contents: lambda _block: "",
    Paragraph: lambda block: _opening(block.text),
    Mark: _marked,
    Fields: lambda block: "  \n".join(f"**{escape(name)}:** {escape(value)}" for name, value in block.pairs),
    Table: _table,
    Figures: lambda block: "\n".join(
        f"- **{escape(name)}:** {escape(value)}{f' ({escape(hint)})' if hint else ''}"
        for name, value, hint in block.items
    ),
    Bullets: lambda block: "\n".join(
        f"{f'{number}.' if block.numbered else '-'} {_marked(item) if isinstance(item, Mark) else _opening(item)}"
        for number, item in enumerate(block.items, 1)
    ),
    Checklist: lambda block: "\n".join(map(_check, block.items)),
    Code: _code,
    Kept: lambda block: block.text,
    Plot: _plot,
}


def _block(block: Block) -> str:
    return DRAWN[type(block)](block)
