# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws a plan, an incident report and a history from the data of the tests.

``python -m tests.example_pages DIRECTORY``.

The documentation's site shows them: these are the pages that the playbooks write, drawn by the same code.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.octalume.rollback.plugins.module_utils._document.papers import make

from tests.unit.plugins.module_utils._document.data import metric, plan_data, run_record


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    record, manifest = run_record(), plan_data()["manifest"]
    metrics = [metric(), metric("P99 Latency", unit="seconds", threshold=5.0)]
    data = {
        "plan": plan_data(),
        "incident": {"record": record, "manifest": manifest, "metrics": metrics},
        "history": {"records": [record], "now": "2026-11-30T09:00:00Z"},
    }
    for kind, given in data.items():
        for path, content in make(kind, given, folder / f"{kind}.md", None).contents.items():
            if path.suffix == ".html":
                path.write_bytes(content)


if __name__ == "__main__":
    main()
