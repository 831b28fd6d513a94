# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes outcomes of smoke tests as JUnit XML, the format every CI server shows."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from .._module import RollbackError
from .smoke_model import SmokeOutcome
from .verdict import Verdict

ELEMENTS = {Verdict.FAIL: "failure", Verdict.ERROR: "error", Verdict.INCONCLUSIVE: "skipped"}
# Characters that XML 1.0 cannot hold, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(suite: str, outcomes: Sequence[SmokeOutcome]) -> bytes:
    """The XML of one suite; a test that was not run is ``skipped``."""
    counts = {name: sum(outcome.verdict is verdict for outcome in outcomes) for verdict, name in ELEMENTS.items()}
    root = Xml.Element(
        "testsuite",
        {
            "name": _clean(suite),
            "tests": str(len(outcomes)),
            "failures": str(counts["failure"]),
            "errors": str(counts["error"]),
            "skipped": str(counts["skipped"]),
            "time": f"{sum(outcome.seconds for outcome in outcomes):.3f}",
        },
    )
    for outcome in outcomes:
        fields = {"classname": _clean(suite), "name": _clean(outcome.test.name), "time": f"{outcome.seconds:.3f}"}
        case = Xml.SubElement(root, "testcase", fields)
        if outcome.verdict in ELEMENTS:
            Xml.SubElement(case, ELEMENTS[outcome.verdict], {"message": _clean(outcome.message)})
    content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def write(path: str, content: bytes) -> None:
    """Put ``content`` at ``path``, whole or not at all."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as unfinished:
            unfinished.write(content)
        Path(unfinished.name).chmod(0o644)
        Path(unfinished.name).replace(target)
    except OSError as error:
        raise RollbackError(f"junit_path: {path} cannot be written: {error.strerror}") from None


def _clean(text: str) -> str:
    return FORBIDDEN.sub("?", text)
