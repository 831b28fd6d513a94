# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a plan, an incident report and a history from the data of the tests, by the code that the playbooks run.

``python -m tests.example_pages DIRECTORY`` writes the pages, which the documentation's site shows;
``python -m tests.example_pages --picture`` draws the picture of the report that the README shows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import html5lib
from ansible_collections.octalume.rollback.plugins.module_utils._document.papers import make

from tests.unit.plugins.module_utils._document.data import metric, plan_data, run_record

PICTURE = Path(__file__).resolve().parents[1] / "docs/incident-report.svg"
SIZE = (992, 1160)
SVG, XHTML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml"
FRAME = (
    "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->\n"
    '<svg xmlns="{svg}" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">\n'
    "<title>{title}</title>\n"
    '<rect width="100%" height="100%" style="fill:var(--page)"/>\n'
    '<foreignObject width="100%" height="100%">{page}</foreignObject>\n'
    "</svg>\n"
)


def pages() -> dict[str, bytes]:
    """The HTML pages by the names of their files."""
    record, manifest = run_record(), plan_data()["manifest"]
    metrics = [metric(), metric("P99 Latency", unit="seconds", threshold=5.0)]
    data = {
        "plan": plan_data(),
        "incident": {"record": record, "manifest": manifest, "metrics": metrics},
        "history": {"records": [record], "now": "2026-11-30T09:00:00Z"},
    }
    return {
        path.name: content
        for kind, given in data.items()
        for path, content in make(kind, given, Path(f"{kind}.md"), None).contents.items()
        if path.suffix == ".html"
    }


def picture(page: bytes) -> str:
    """The upper part of a page as an SVG image: text, as every file of the repository."""
    html = html5lib.parse(page)
    name = f"{{{XHTML}}}"
    body = html.find(f"{name}body")
    body.insert(0, html.find(f"{name}head/{name}style"))
    Xml.register_namespace("", XHTML)
    drawn = Xml.tostring(body, encoding="unicode")
    title = html.findtext(f"{name}head/{name}title")
    return FRAME.format(svg=SVG, width=SIZE[0], height=SIZE[1], title=title, page=drawn)


def main() -> None:
    """Write the pages, or the picture of one."""
    if sys.argv[1] == "--picture":
        PICTURE.write_text(picture(pages()["incident.html"]))
        return
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
