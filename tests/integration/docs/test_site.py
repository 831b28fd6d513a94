# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation: its links lead somewhere, the site is built without a warning, a browser has no complaint."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

from tests import example_pages
from tests.integration.document.browser import Browser

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
GENERATED = "docs/collections/"  # made while the site is built


def pages() -> list[str]:
    """Every Markdown page of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    return [name for name in listed if not name.startswith(("collections/", "playbooks/collections/"))]


@cache
def anchors(path: Path) -> frozenset[str]:
    """The headings of a page, as links name them."""
    found = re.findall(r"^#+ +(.*)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found)


@pytest.mark.parametrize("page", pages())
def test_its_links_lead_somewhere(page: str) -> None:
    for link in LINK.findall(FENCE.sub("", (ROOT / page).read_text())):
        target, _hash, anchor = link.partition("#")
        path = (ROOT / page).parent / unquote(target) if target else ROOT / page
        if str(path.resolve().relative_to(ROOT)).startswith(GENERATED):
            continue
        assert path.exists(), f"{page}: {link}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.resolve()), f"{page}: {link}"


def test_the_picture_of_the_report_is_drawn_as_reports_are() -> None:
    drawn = example_pages.picture(example_pages.pages()["incident.html"])
    assert example_pages.PICTURE.read_text() == drawn, "draw it again: make picture"


class Links(HTMLParser):
    """What a page of the site leads to and is named by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Keep addresses and names."""
        given = dict(attrs)
        self.targets.update(value for key in ("href", "src") if (value := given.get(key)))
        self.names.update(value for key in ("id", "name") if (value := given.get(key)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a warning is an error."""
    build = tmp_path_factory.mktemp("docs") / "build"
    done = subprocess.run([ROOT / "docs/build.sh", build], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return build / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all pages."""
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.mark.timeout(600)
def test_every_page_of_the_site_leads_somewhere(site: Path) -> None:
    known = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    assert (site / "collections/octalume/rollback/rollback_record_module.html") in known
    assert (site / "how-to/drills.html") in known
    for page, links in known.items():
        for target in links.targets:
            asked = urlparse(target)
            if asked.scheme or asked.netloc or not asked.path:
                continue
            path = (page.parent / unquote(asked.path)).resolve()
            assert path.exists(), f"{page.relative_to(site)}: {target}"
            if asked.fragment and path in known:
                assert unquote(asked.fragment) in known[path].names, f"{page.relative_to(site)}: {target}"


def test_a_browser_shows_the_picture(browser: Browser) -> None:
    seen = browser.show(example_pages.PICTURE, 1200, "document.querySelector('h1').getBoundingClientRect().width")
    assert seen.found > 0
    assert (seen.complaints, seen.requests) == ([], [example_pages.PICTURE.as_uri()])


@pytest.mark.parametrize(
    "page", ["index", "protects", "how-to/awx", "collections/octalume/rollback/k8s_rollout_module"]
)
def test_a_browser_has_nothing_to_complain_about(site: Path, browser: Browser, page: str) -> None:
    seen = browser.show(site / f"{page}.html", 1200, "document.querySelector('h1').textContent")
    assert seen.found
    assert seen.complaints == []
