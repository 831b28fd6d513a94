# SPDX-License-Identifier: GPL-3.0-or-later
"""axe-core, the judge of accessible pages: from npm, installed once below .cache."""

from __future__ import annotations

import fcntl
import functools
import shutil
import subprocess
from pathlib import Path

PLACE = Path(__file__).resolve().parents[3] / ".cache" / "axe"
PACKAGE = "axe-core@4.14.1"
INSTALL = f"npm install --prefix .cache/axe {PACKAGE}"
# What it finds, and how many rules a page keeps.
RUN = """
axe.run(document, {resultTypes: ["violations"]}).then(found => ({
  rules: found.passes.length,
  violations: found.violations.map(one => [one.impact, one.id, ...one.nodes.slice(0, 3).map(node => node.html)]),
}))
"""


@functools.cache
def axe_source() -> tuple[str, str]:
    """The program, or nothing and the reason why it cannot be had here."""
    program = PLACE / "node_modules/axe-core/axe.min.js"
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        problem = "" if program.exists() else _install()
    return ("", problem) if problem else (program.read_text(), "")


def _install() -> str:
    """Fetch it; what is wrong where that does not work."""
    if shutil.which("npm") is None:
        return f"axe-core is not installed and neither is npm: apt-get install npm, then {INSTALL}"
    argv = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(PLACE), PACKAGE]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return f"axe-core cannot be installed ({done.stderr.strip()[-200:]}): {INSTALL}" if done.returncode else ""
