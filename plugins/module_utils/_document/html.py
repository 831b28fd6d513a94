# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a document as one self-contained page; every text is escaped by the template engine."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from .._module import RollbackError
from . import page
from .model import ATTENTION, MISSING, OPEN, READY, Block, Document, Plot
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
    plots: tuple[Layout, ...] = ()


def render(document: Document) -> str:
    """The whole page."""
    if jinja2 is None:
        raise RollbackError("the Python library Jinja2 is missing: pip install jinja2")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    # The style is this collection's own text, and the only one that goes in as it is.
    style = Markup(page.STYLE)  # noqa: S704
    template = environment.from_string(page.TEMPLATE)
    return template.render(document=document, groups=_groups(document), style=style, classes=CLASSES) + "\n"


def _groups(document: Document) -> list[Group]:
    groups: list[Group] = []
    for plots, blocks in itertools.groupby(document.blocks, lambda block: isinstance(block, Plot)):
        if plots:
            groups.append(Group(plots=tuple(lay_out(block) for block in blocks if isinstance(block, Plot))))
        else:
            groups += [Group(block=block) for block in blocks]
    return groups
