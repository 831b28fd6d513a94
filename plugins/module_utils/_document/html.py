# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a document as one self-contained page; every text is escaped by the template engine."""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from typing import Any

from .._module import RollbackError
from . import page
from .model import ATTENTION, MISSING, OPEN, READY, Block, Document, Heading, Plot
from .plot import Layout, lay_out

try:
    import jinja2
    from markupsafe import Markup
except ImportError:
    jinja2 = None  # type: ignore[assignment]

CLASSES = {READY: "ready", MISSING: "missing", ATTENTION: "attention", OPEN: "open"}


@dataclass(frozen=True)
class Group:
    """One block, or plots that stand beside each other."""

    block: Block | None = None
    anchor: str = ""
    """The id of a section's heading."""
    plots: tuple[Layout, ...] = ()


def render(document: Document) -> str:
    """The whole page."""
    # The style is this collection's own text, and the only one that goes in as it is.
    style = Markup(page.STYLE) if jinja2 else ""  # noqa: S704
    groups, sections = _groups(document), _sections(document)
    made: str = _template().render(document=document, groups=groups, sections=sections, style=style, classes=CLASSES)
    return made + "\n"


@functools.cache
def _template() -> Any:
    """The template, read once: that takes longer than to fill it in."""
    if jinja2 is None:
        raise RollbackError("the Python library Jinja2 is missing: pip install jinja2")
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(page.TEMPLATE)


def anchor(text: str) -> str:
    """The words of a heading, as an id takes them."""
    return re.sub(r"[^a-z]+", "-", text.casefold()).strip("-")[:60]


def _opens(block: Block) -> bool:
    return isinstance(block, Heading) and block.level == 2


def _sections(document: Document) -> list[tuple[str, str]]:
    """Id and text of the sections, in order; ids differ where texts do not."""
    texts = [block.text for block in document.blocks if isinstance(block, Heading) and _opens(block)]
    return [(f"{number}-{anchor(text)}", text) for number, text in enumerate(texts, 1)]


def _groups(document: Document) -> list[Group]:
    groups: list[Group] = []
    anchors = iter([name for name, _text in _sections(document)])
    for plots, blocks in itertools.groupby(document.blocks, lambda block: isinstance(block, Plot)):
        if plots:
            groups.append(Group(plots=tuple(lay_out(block) for block in blocks if isinstance(block, Plot))))
        else:
            groups += [Group(block, next(anchors, "") if _opens(block) else "") for block in blocks]
    return groups
