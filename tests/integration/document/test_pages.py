# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages in a real browser: on a phone and on a screen, light and dark, with hostile text in every field.

Pictures of all of them are left in TEST_ARTIFACTS, or in .cache/artifacts.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import html5lib
import pytest
from ansible_collections.octalume.rollback.plugins.modules import rollback_document

from tests.integration.document.axe import RUN, axe_source
from tests.integration.document.browser import INSTALL, Browser
from tests.integration.http.wire import call
from tests.unit.plugins.module_utils._document.data import MANIFEST, Json, metric, plan_data, run_record

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason=INSTALL)

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = '<script>console.error("run")</script><img src="http://127.0.0.1:9/x.png" onerror="console.error(1)">'
LONG = "a" * 300
# Words that a program chooses among, and times.
KEPT = (
    *("verdict", "status", "state", "strategy", "kind", "started_at", "ended_at", "opened_at", "closed_at"),
    *("detected_at", "now", "position"),
)
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
    scripts: document.scripts.length, images: document.images.length,
    plots: document.querySelectorAll("figure svg").length,
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
    if isinstance(value, dict):
        return {key: item if key in KEPT else infected(item) for key, item in value.items()}
    if isinstance(value, list):
        return [infected(item) for item in value]
    return f"{value} {HOSTILE} {LONG}" if isinstance(value, str) and not value.replace(".", "").isdigit() else value


def hostile(kind: str) -> Json:
    """The data of a paper, infected; what modules insist on stays as it is."""
    data: Json = infected(PAPERS[kind])
    if kind.startswith("history"):
        data["now"] = PAPERS[kind]["now"]
    else:
        data["manifest"]["release"] = "1.4.2"
    if kind.startswith("incident"):
        data["record"]["notices"] = [HOSTILE]
    return data


def texts(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where every text is that a person or another program may have written."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(item, str) and key not in KEPT:
            yield (*way, key)
        else:
            yield from texts(item, (*way, key))


def incident(**changes: Any) -> Json:
    metrics = [metric(), metric("P99 Latency", unit="seconds", threshold=5.0), metric("Nothing", samples=[])]
    record = {**run_record(), **changes}
    quiesce = {"name": "quiesce", "status": "done", "details": {}}
    ends = {"started_at": "2026-11-23T19:23:25.000Z", "ended_at": "2026-11-23T19:23:30.000Z"}
    record["steps"] = [{**quiesce, **ends}, *record["steps"]]
    record["facts"]["checklist"] = [
        {"name": "team", "text": "Ensure team", "state": "attention", "evidence": "nobody", "who": "Kim", "note": "x"},
        {"name": "issue", "text": "Document the issue", "state": "not ready", "evidence": "", "who": "", "note": ""},
    ]
    return {"manifest": MANIFEST, "record": record, "triggers": metrics, "monitoring": [metric("Memory")]}


def failure() -> Json:
    data = incident(status="failed")
    data["record"]["facts"]["failure"] = "Migrate down: the table is locked"
    data["record"]["steps"][-1]["status"] = "failed"
    data["contacts"] = [{"label": "Ann Lee (DBA), +00 2", "on_duty": True}]
    return {**data, "tickets": [{"link": "https://github.example/17"}, {"problem": "answered 403"}]}


def blocked() -> Json:
    """A plan in which everything is wrong that may be."""
    data = plan_data()
    drift = {"component": "application", "name": "deployment/api-server", "what": "replicas", "recorded": "3"}
    data["left"]["drift"] = [{**drift, "live": "5", "message": "replicas is 5, and was 3"}]
    data["problems"] = ["version 6 of secret/production/app-config is pruned"]
    data["images"] = [{"image": "shop/api-server:1.4.1", "verdict": "fail", "message": "gone"}]
    data["acknowledged"] = {"team": {"who": "Kim Reyes", "note": "alone"}}
    data["approvals"] = [{"role": "Dev Lead", "verdict": "fail", "message": "not signed", "command": "sign it"}]
    item = {"column": "tier", "table": "public.users", "kind": "column", "rows": 12, "exact": False}
    data["databases"][0]["loss"] = {"rows": 12, "items": [item], "unseen": ["step 42"]}
    return {**data, "contacts": [], "channels": [], "triggers": [], "smoke_tests": [], "monitoring": []}


def history() -> Json:
    drill = {**run_record(), "facts": {"drill": True}}
    return {"records": [run_record(), {**run_record(), "status": "failed"}, drill], "now": "2026-11-24T00:00:00Z"}


PAPERS = {
    "plan": plan_data(),
    "plan-blocked": blocked(),
    "incident": incident(),
    "incident-failed": failure(),
    "history": history(),
    "history-empty": {"records": [], "now": "2026-11-24T00:00:00Z"},
}
PLOTS = {"incident": 3, "incident-failed": 3}


def draw(kind: str, data: Json, folder: Path) -> Path:
    """Write a document; its page."""
    call(rollback_document, kind=kind.split("-")[0], data=data, path=str(folder / f"{kind}.md"))
    return folder / f"{kind}.html"


def picture(name: str) -> Path:
    """Where a screenshot goes, to be looked at."""
    place = Path(os.environ.get("TEST_ARTIFACTS") or ROOT / ".cache/artifacts")
    place.mkdir(parents=True, exist_ok=True)
    return place / f"{name}.png"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("kind", PAPERS)
def test_a_page_can_be_read(browser: Browser, tmp_path: Path, kind: str, width: int, dark: bool) -> None:
    page = draw(kind, PAPERS[kind], tmp_path)
    shot = picture(f"{kind}-{width}-{'dark' if dark else 'light'}")
    axe, _problem = axe_source()
    script = f"{axe};{RUN.strip()}.then(axe => ({{...{INSPECT.strip()}, axe}}))" if axe else INSPECT
    seen = browser.show(page, width, script, dark=dark, picture=shot)
    assert seen.complaints == []
    if axe:
        assert seen.found["axe"]["rules"] > 12, "axe looked at something"
        assert seen.found["axe"]["violations"] == []
    assert seen.requests == [page.as_uri()], "a page fetches nothing"
    found = seen.found
    assert found["width"] <= found["window"] == width
    assert (found["faint"], found["out"], found["twice"], found["images"], found["scripts"]) == ([], [], 0, 0, 0)
    assert (sum(found["background"]) < 150) == dark
    assert found["plots"] == PLOTS.get(kind, 0)
    assert found["size"] is None or found["size"] >= 10, "labels of plots are large enough, on a phone too"
    assert struct.unpack(">I", shot.read_bytes()[16:20])[0] == width


@pytest.mark.parametrize("kind", PAPERS)
def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path, kind: str) -> None:
    data = hostile(kind)
    seen = browser.show(draw(kind, data, tmp_path), 360, INSPECT)
    assert seen.complaints == []
    assert len(seen.requests) == 1
    assert (seen.found["scripts"], seen.found["images"]) == (0, 0)
    assert seen.found["width"] <= 360
    assert kind == "history-empty" or '<script>console.error("run")</script>' in seen.found["text"]


def test_axe_is_there() -> None:
    """Skipped with the reason where it cannot be had; the pages are judged without it then."""
    program, problem = axe_source()
    if problem:
        pytest.skip(problem)
    assert "axe.run" in program


@pytest.mark.parametrize("kind", PAPERS)
@pytest.mark.parametrize("evil", [False, True], ids=["plain", "hostile"])
def test_a_page_is_valid_html(tmp_path: Path, kind: str, evil: bool) -> None:
    page = draw(kind, hostile(kind) if evil else PAPERS[kind], tmp_path).read_text()
    found = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    names = [element.tag for element in found.iter() if isinstance(element.tag, str)]
    assert "script" not in names
    assert "img" not in names
    assert not [name for element in found.iter() for name in element.attrib if str(name).startswith("on")]
    assert names.count("h1") == names.count("main") == 1
    links = [element.get("href") for element in found.iter("a")]
    ids = {element.get("id") for element in found.iter() if element.get("id")}
    assert {str(link).removeprefix("#") for link in links} <= ids


FIELDS = [
    (kind, path)
    for kind in ("plan", "plan-blocked", "incident", "incident-failed", "history")
    for path in texts(PAPERS[kind])
]


def test_a_script_in_any_single_field_stays_text(tmp_path: Path) -> None:
    """One field after the other, so that none hides behind another; fields that a program chooses are left out."""
    shown: set[str] = set()
    for kind, path in FIELDS:
        data = copy.deepcopy(PAPERS[kind])
        *way, last = path
        place: Any = data
        for part in way:
            place = place[part]
        place[last] = f"{place[last]} {HOSTILE}"
        page = draw(kind, data, tmp_path)
        text = page.read_text()
        assert "<script" not in text, (kind, path)
        assert "<img" not in text, (kind, path)
        markdown = page.with_suffix(".md").read_text()
        outside = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
        assert "<script" not in outside, (kind, path)
        if "&lt;script&gt;" in text:
            shown.add(".".join(map(str, path)))
    assert {"manifest.author", "record.decision.reason", "contacts.0.name", "record.opened_by"} <= shown


def test_a_page_prints_on_paper_in_the_light_theme(browser: Browser, tmp_path: Path) -> None:
    page = draw("plan", PAPERS["plan"], tmp_path)
    style = page.read_text()
    [printed] = re.findall(r"@media print\{(.*?)\n\}\n", style, re.DOTALL)
    assert "--page:#ffffff" in printed
    seen = browser.show(page, 1280, "matchMedia('print').matches", dark=True)
    assert seen.complaints == []
