# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a manifest is text: no template, no command, wherever it turns up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.arena import APPLICATION, Arena

pytestmark = pytest.mark.sandbox


def test_a_template_in_a_manifest_is_never_evaluated(arena_of: Callable[[str], Arena], tmp_path: Path) -> None:
    arena = arena_of(APPLICATION)
    trap = tmp_path / "trapped"
    evil = "{{ lookup('pipe', 'touch " + str(trap) + "') }}"
    manifest = arena.scratch / f"{arena.release}.yml"
    text = manifest.read_text()
    for was in ("Dana Okafor (DevOps Lead)", "Loyalty points for every order"):
        assert was in text
        text = text.replace(was, f'"{was} {evil} {{% if true %}}yes{{% endif %}} $(touch {trap})"')
    manifest.write_text(text)

    for playbook in ("plan", "rollback") if os.environ.get("CHAOS") else ("plan",):
        run = arena.start(playbook)
        assert run.wait() == 0, run.output
    assert not trap.exists()
    for mail in (arena.directory / "smtp").glob("*.eml"):
        assert "{{ lookup('pipe'" in mail.read_text().replace("=\n", "").replace("=\r\n", "")
    plan = max((arena.directory / "plans").glob("*.md"), key=lambda path: path.stat().st_mtime).read_text()
    assert "if true" in plan, "the text is there, and as it was written"
