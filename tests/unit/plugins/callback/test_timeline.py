# SPDX-License-Identifier: GPL-3.0-or-later
"""What the timeline says at the end of a run that failed, and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.callback.timeline import CallbackModule, again, complaint


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (
            {"args": ("playbooks/rollback.yml",), "extra_vars": ("version=1.4.2",)},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2",
        ),
        (
            {
                "args": ("octalume.rollback.plan",),
                "extra_vars": ("version=1.4.2",),
                "inventory": ("a b",),
                "check": True,
            },
            "ansible-playbook octalume.rollback.plan -i 'a b' --check -e version=1.4.2",
        ),
        (
            {"args": ("playbooks/rollback.yml",), "extra_vars": ("version=1.4.2", "vault_token=s3cret")},
            "ansible-playbook playbooks/rollback.yml -e version=1.4.2 ... (and the other -e)",
        ),
        ({"args": ("playbooks/report.yml",)}, "ansible-playbook playbooks/report.yml"),
    ],
)
def test_the_next_command_is_the_same_one_without_what_may_be_secret(arguments: dict[str, Any], wanted: str) -> None:
    assert again(arguments) == wanted


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ({"msg": "the lock is held"}, "the lock is held"),
        ({"msg": "non-zero return code", "stderr": "boom"}, "non-zero return code\n          boom"),
        ({"stdout": "\n".join(f"line {number}" for number in range(9))}, "line 4"),
        ({}, "no message; run again with -vvv"),
    ],
)
def test_a_failure_says_what_is_known(result: dict[str, Any], wanted: str) -> None:
    assert complaint(result).startswith(wanted)


def test_a_phase_that_ends_says_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    timeline = CallbackModule()
    told: list[str] = []
    monkeypatch.setattr(timeline._display, "display", told.append)
    timeline._phase("eu", {"steps": [{"name": "notify", "status": "done"}, {"name": "backup", "status": "started"}]})
    assert told == []
    timeline._phase("eu", {"steps": [{"name": "notify", "status": "done"}, {"name": "backup", "status": "done"}]})
    [line] = told
    assert "phase" in line
    assert "backup" in line
    assert "done" in line
    timeline._phase("eu", {"steps": [{"name": "backup", "status": "done"}]})
    assert len(told) == 1, "a phase is told once"
