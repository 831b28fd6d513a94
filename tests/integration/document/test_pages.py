# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages in a real browser: on a phone and on a screen, light and dark, with hostile text in every field."""

from __future__ import annotations

import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.modules import rollback_document

from tests.integration.document.browser import INSTALL, Browser
from tests.integration.http.wire import call
from tests.unit.plugins.module_utils._document.data import MANIFEST, Json, metric, plan_data, run_record

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason=INSTALL)

HOSTILE = '<script>console.error("run")</script><img src="http://127.0.0.1:9/x.png" onerror="console.error(1)">'
LONG = "a" * 300
# What a reader would stumble over: a page wider than the window, text that hardly differs from what is behind it, an
# element that sticks out, a picture that is not there, an id that is given twice.
INSPECT = """
(() => {
  const rgb = text => text.match(/[0-9.]+/g).map(Number);
  const part = value => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [], out = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const box = element.getBoundingClientRect();
    if (!own || box.width < 2 || (innerWidth < 640 && element.closest("thead"))) continue;
    const style = getComputedStyle(element);
    const svg = element.namespaceURI.endsWith("svg");
    const pair = [light(rgb(svg ? style.fill : style.color)), light(behind(element))].sort((a, b) => a - b);
    if ((pair[1] + 0.05) / (pair[0] + 0.05) < 4.5) faint.push(element.textContent.slice(0, 40));
    if (box.right > innerWidth + 1 || box.left < -1) out.push(element.textContent.slice(0, 40));
  }
  const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
  return {
    width: document.documentElement.scrollWidth, window: innerWidth, faint, out,
    scripts: document.scripts.length, images: document.images.length, plots: document.querySelectorAll("svg").length,
    twice: ids.length - new Set(ids).size, text: document.body.innerText, background: behind(document.body),
    size: Math.min(...[...document.querySelectorAll("svg text")].map(text => text.getBoundingClientRect().height)),
  };
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


def infected(value: Any) -> Any:
    """The same data with hostile and endless text behind every text a person may write."""
    kept = ("verdict", "status", "started_at", "ended_at", "opened_at", "closed_at", "detected_at", "strategy", "kind")
    if isinstance(value, dict):
        return {key: item if key in kept else infected(item) for key, item in value.items()}
    if isinstance(value, list):
        return [infected(item) for item in value]
    return f"{value} {HOSTILE} {LONG}" if isinstance(value, str) and not value.replace(".", "").isdigit() else value


def incident() -> Json:
    metrics = [metric(), metric("P99 Latency", unit="seconds", threshold=5.0), metric("Nothing", samples=[])]
    return {"manifest": MANIFEST, "record": run_record(), "triggers": metrics, "monitoring": [metric("Memory")]}


def history() -> Json:
    return {"records": [run_record(), {**run_record(), "status": "failed"}], "now": "2026-11-24T00:00:00Z"}


PAPERS = {"plan": plan_data(), "incident": incident(), "history": history()}


def draw(kind: str, data: Json, folder: Path) -> Path:
    """Write a document; its page."""
    call(rollback_document, kind=kind, data=data, path=str(folder / f"{kind}.md"))
    return folder / f"{kind}.html"


def picture(name: str, folder: Path) -> Path:
    """Where a screenshot goes: to be looked at, where TEST_ARTIFACTS names a folder."""
    place = Path(os.environ.get("TEST_ARTIFACTS") or folder)
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{name}.png"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", PAPERS)
def test_a_page_can_be_read(browser: Browser, tmp_path: Path, kind: str, width: int, dark: bool) -> None:
    page = draw(kind, PAPERS[kind], tmp_path)
    shot = picture(f"{kind}-{width}-{'dark' if dark else 'light'}", tmp_path)
    seen = browser.show(page, width, INSPECT, dark=dark, picture=shot)
    assert seen.complaints == []
    assert seen.requests == [page.as_uri()], "a page fetches nothing"
    found = seen.found
    assert found["width"] <= found["window"] == width
    assert (found["faint"], found["out"], found["twice"], found["images"], found["scripts"]) == ([], [], 0, 0, 0)
    assert (sum(found["background"]) < 150) == dark
    assert found["plots"] == (3 if kind == "incident" else 0)
    assert found["size"] is None or found["size"] >= 10, "labels of plots are large enough, on a phone too"
    assert struct.unpack(">I", shot.read_bytes()[16:20])[0] == width


@pytest.mark.parametrize("kind", PAPERS)
def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path, kind: str) -> None:
    data = infected(PAPERS[kind])
    if kind == "history":
        data["now"] = PAPERS[kind]["now"]
    else:
        data["manifest"]["release"] = "1.4.2"
    if kind == "incident":
        data["record"]["notices"] = [HOSTILE]
    seen = browser.show(draw(kind, data, tmp_path), 390, INSPECT)
    assert seen.complaints == []
    assert len(seen.requests) == 1
    assert (seen.found["scripts"], seen.found["images"]) == (0, 0)
    assert seen.found["width"] <= 390
    assert '<script>console.error("run")</script>' in seen.found["text"]


def test_a_page_prints_on_paper_in_the_light_theme(browser: Browser, tmp_path: Path) -> None:
    page = draw("plan", PAPERS["plan"], tmp_path)
    style = page.read_text()
    [printed] = re.findall(r"@media print\{(.*?)\n\}\n", style, re.DOTALL)
    assert "--page:#ffffff" in printed
    seen = browser.show(page, 1280, "matchMedia('print').matches", dark=True)
    assert seen.complaints == []
