# SPDX-License-Identifier: GPL-3.0-or-later
"""Markdown and HTML of the same blocks: foreign text stays text, pages are well-formed, colours have contrast."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._document import html, markdown, page
from ansible_collections.octalume.rollback.plugins.module_utils._document.incident import incident_document
from ansible_collections.octalume.rollback.plugins.module_utils._document.model import (
    Bullets,
    Check,
    Checklist,
    Code,
    Document,
    Fields,
    Heading,
    Kept,
    Mark,
    Paragraph,
    Plot,
    Table,
)
from ansible_collections.octalume.rollback.plugins.module_utils._document.plan_document import plan_document
from markdown_it import MarkdownIt

from tests.unit.plugins.module_utils._document.data import MANIFEST, Json, metric, plan_data, run_record

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "a | b",
    "**bold** _it_ `code` ~~gone~~",
    "[link](https://evil.example) ![image](https://evil.example/x.png)",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "{{ 7 * 7 }} {% raw %}",
    "# no heading",
    "- no list",
    "1. no list",
    "> no quote",
    "---",
    "back\\slash",
    "line one\nline two\n\n# line three",
    "snake_case and 2 < 3 > 1",
]


def tree_of(drawn: str) -> ET.Element:
    """The page, which is well-formed XML too."""
    return ET.fromstring(drawn.removeprefix("<!DOCTYPE html>"))  # noqa: S314


def everywhere(text: str) -> Document:
    """``text`` in every place where a document holds text."""
    plot = Plot(text, "ratio", ((0.0, 0.1), (1.0, 0.2)), 0.1, text, ((text, 0.0, 1.0),))
    blocks = (
        Heading(text),
        Paragraph(text),
        Mark(text, "not ready"),
        Fields((("Name", text),)),
        Table(("Head", "Other"), ((text, Mark(text, "attention")),)),
        Bullets((text, Mark(text, "attention"))),
        Checklist((Check(text, "ready", text),)),
        Code(text),
        plot,
    )
    return Document(text, blocks)


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_text_on_the_page(text: str) -> None:
    drawn = html.render(everywhere(text))
    tree = tree_of(drawn)
    assert not list(tree.iter("script"))
    assert not [item for item in tree.iter() if any(name.startswith("on") for name in item.attrib)]
    assert {item.tag for item in tree.iter("img")} == set()
    plain = " ".join(text.split())
    shown = [" ".join("".join(item.itertext()).split()) for item in tree.iter()]
    assert sum(plain in item for item in shown) >= 8
    assert " ".join(tree.findtext("head/title", "").split()) == plain


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_text_in_markdown(text: str) -> None:
    """Read back by a CommonMark parser that lets HTML through, as GitHub's does."""
    drawn = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .parse(
            markdown.render(Document("T", [block for block in everywhere(text).blocks if not isinstance(block, Code)]))
        )
    )
    inline = [child for token in drawn for child in token.children or ()]
    kinds = {token.type for token in (*drawn, *inline)}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "em_open", "s_open", "code_inline", "hr"}
    assert not kinds & {"blockquote_open", "ordered_list_open", "code_block", "fence"}
    assert [token.tag for token in drawn if token.type == "heading_open"] == ["h1", "h2"]
    assert sum(token.type == "bullet_list_open" for token in drawn) == 1, "bullets and checks follow each other"
    assert sum(token.type == "table_open" for token in drawn) == 1
    shown = ["".join(child.content for child in token.children or ()) for token in drawn if token.type == "inline"]
    plain = " ".join(text.split())
    assert sum(plain in item for item in shown) >= 9


def test_code_that_holds_a_fence_stays_one_block() -> None:
    drawn = MarkdownIt("commonmark").parse(markdown.render(Document("T", [Code("a\n```\n# b\n````\nc", "text")])))
    [fence] = [token for token in drawn if token.type == "fence"]
    assert fence.content == "a\n```\n# b\n````\nc\n"
    assert len([token for token in drawn if token.type == "heading_open"]) == 1


def pages() -> list[str]:
    record = {"manifest": MANIFEST, "record": run_record(), "triggers": [metric()], "monitoring": []}
    return [html.render(plan_document(plan_data())[0]), html.render(incident_document(record))]


@pytest.mark.parametrize("drawn", pages(), ids=["plan", "incident"])
def test_a_page_is_whole_and_needs_nothing_else(drawn: str) -> None:
    tree = tree_of(drawn)
    assert tree.attrib["lang"] == "en"
    assert len(list(tree.iter("h1"))) == 1
    levels = [int(item.tag[1]) for item in tree.iter() if re.fullmatch("h[1-6]", item.tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for table in tree.iter("table"):
        heads = list(table.iter("th"))
        assert all(head.attrib["scope"] == "col" for head in heads)
        assert all(len(list(row)) == len(heads) for row in table.iter("tr"))
    assert not list(tree.iter("script"))
    assert all(item.attrib["href"] == "data:," for item in tree.iter("link"))
    assert not re.search(r"(src|href)=\"?(http|//|file)", drawn)
    assert "@import" not in drawn
    assert "url(" not in drawn


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.1 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [page.LIGHT, page.DARK], ids=["light", "dark"])
def test_colours_have_contrast_in_both_themes(theme: dict[str, str]) -> None:
    for name in ("text", "quiet", "ready", "missing", "attention"):
        assert contrast(theme[name], theme["page"]) >= 4.5, name
        assert contrast(theme[name], theme["shade"]) >= 4.5, name
    for name in ("value", "limit"):
        assert contrast(theme[name], theme["page"]) >= 3, name
        assert contrast(theme[name], theme["band"]) >= 3, name


def test_a_line_and_its_limit_differ_by_more_than_hue(record: Json) -> None:
    drawn = html.render(incident_document({"manifest": MANIFEST, "record": record, "triggers": [metric()]}))
    assert "stroke-dasharray" in page.STYLE
    assert '<line class="limit"' in drawn
    assert drawn.count('<polyline class="value"') == 2, "a NaN in between breaks the line"


def test_what_people_wrote_is_text_on_the_page_and_itself_in_markdown() -> None:
    document = Document("T", [Kept("A **typo** in <b>query</b>.\n\n- one")])
    assert "A **typo** in <b>query</b>.\n\n- one" in markdown.render(document)
    assert "A **typo** in &lt;b&gt;query&lt;/b&gt;." in html.render(document)
