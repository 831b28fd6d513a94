# SPDX-License-Identifier: GPL-3.0-or-later
"""What the timeline says at the end of a run that failed, and what it leaves out."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.executor.stats import AggregateStats
from ansible_collections.octalume.rollback.plugins.callback.timeline import REFUSED, CallbackModule, complaint


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


def a_task(name: str, action: str = "ansible.builtin.fail") -> Any:
    """What the callback asks of a task."""
    return SimpleNamespace(name=name, get_name=lambda: name, action=action, _role=None, _uuid=name)


def a_result(host: str, task: Any, **result: Any) -> Any:
    """What the callback asks of a result."""
    return SimpleNamespace(_host=SimpleNamespace(get_name=lambda: host), _task=task, _result=result)


def ended(timeline: CallbackModule, monkeypatch: pytest.MonkeyPatch, *failures: tuple[str, str]) -> list[str]:
    """What is said at the end of a run in which tasks failed: host and name of each, one after the other."""
    told: list[str] = []
    monkeypatch.setattr(timeline._display, "display", lambda line, **_colour: told.append(line))
    stats = AggregateStats()
    for host, name in failures:
        timeline.v2_runner_on_failed(a_result(host, a_task(name), msg="no"))
        stats.increment("processed", host)
    for host in dict(failures):
        stats.increment("failures", host)
    timeline.v2_playbook_on_stats(stats)
    return [line for line in told if line.startswith("once that is mended")]


def test_a_refusal_to_abort_is_not_followed_by_the_command_that_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "Refuse to abort after the point of no return"
    assert ended(CallbackModule(), monkeypatch, ("eu", refusal)) == []
    assert len(ended(CallbackModule(), monkeypatch, ("eu", "Release the lock"))) == 1
    assert len(ended(CallbackModule(), monkeypatch, ("eu", refusal), ("eu", "Say what is next"))) == 1
    assert len(ended(CallbackModule(), monkeypatch, ("eu", refusal), ("us", "Release the lock"))) == 1
    assert ended(CallbackModule(), monkeypatch) == []


def test_every_refusal_to_abort_is_known_by_its_name() -> None:
    tasks = yaml.safe_load((Path(__file__).parents[4] / "playbooks/tasks/put_back.yml").read_text())
    names = [task["name"] for task in tasks if "ansible.builtin.fail" in task]
    assert names
    assert [name for name in names if not name.startswith(REFUSED)] == []


def test_each_environment_has_its_own_duration_where_they_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the strategy host_pinned, ``us`` comes to a task in which ``eu`` has been for a minute."""
    told: list[str] = []
    now = iter((100.0, 100.0, 160.0, 163.5, 170.0, 170.5)).__next__
    monkeypatch.setattr("ansible_collections.octalume.rollback.plugins.callback.timeline.time.monotonic", now)
    timeline, task = CallbackModule(), a_task("Work", "ansible.builtin.command")
    monkeypatch.setattr(timeline._display, "display", lambda line, **_colour: told.append(line))
    eu, us = (SimpleNamespace(get_name=lambda name=name: name) for name in ("eu", "us"))
    timeline.v2_runner_on_start(eu, task)
    timeline.v2_runner_on_start(us, task)
    for host in ("us", "eu", "elsewhere"):
        timeline.v2_runner_on_ok(a_result(host, task, changed=False))
    assert [re.findall(r"([0-9.]+) s", line) for line in told] == [["3.5"], ["70.0"], ["0.0"]]
