# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback proposes to change about its procedure, as a patch that the real git applies."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._document.procedure import (
    Change,
    learnt,
    pinned,
    propose,
)
from ansible_collections.octalume.rollback.plugins.modules import rollback_document

from tests.integration.http.wire import call
from tests.unit.plugins.module_utils._document.data import MANIFEST, Json

VARIABLES = """\
---
# How the shop is rolled back.
application_timeout: 300  # seconds
# Section 2.1.
decision_triggers:
  - name: Error Rate
    query: >-
      rate(errors[1m])
# Section 4.
database_rehearse: true

secret: !vault |
  $ANSIBLE_VAULT;1.1;AES256
# The end.
communication_contact: Dana"""
LIMITS = [{"step": "database", "variable": "database_timeout", "seconds": 600}]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an inventory; the file of its variables."""
    file = tmp_path / "inventories/production/group_vars/all/rollback.yml"
    file.parent.mkdir(parents=True)
    file.write_text(VARIABLES)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=20)
    return file


def apply(file: Path, patch: str) -> str:
    """What the file holds once git has applied the patch."""
    top = file.parents[4]
    subprocess.run(["git", "apply", "--check", "-"], cwd=top, input=patch, text=True, check=True, timeout=20)
    subprocess.run(["git", "apply", "-"], cwd=top, input=patch, text=True, check=True, timeout=20)
    return file.read_text()


def test_what_is_learnt(record: Json) -> None:
    record["steps"][0]["ended_at"] = "2026-11-23T19:28:40.000Z"
    found = learnt(record, {"database_rehearse": "false", "application_timeout": "900"}, LIMITS)
    assert [(change.name, change.value, change.why) for change in found] == [
        ("application_timeout", 900, "had to be given on the command line"),
        ("database_rehearse", False, "had to be given on the command line"),
        ("plan_time_to_restore", 33, "seconds, as measured"),
        ("database_timeout", 620, "database took 5 min 7 s of 10 min"),
    ]
    record.update(status="failed")
    record["steps"][0]["ended_at"] = None
    assert learnt(record, {}, LIMITS) == []


class Tagged(str):
    """Text as Ansible hands it over."""


def test_text_of_a_kind_of_its_own_is_text(repository: Path, record: Json) -> None:
    proposal = propose(record, {"file": str(repository), "overrides": {"a": [Tagged("x")], "b": Tagged("y")}})
    assert "\nb: y\n" in apply(repository, proposal.patch)


def test_git_applies_the_patch(repository: Path, record: Json) -> None:
    overrides = {
        "application_timeout": "900",
        "decision_triggers": [{"name": "Error Rate", "query": "{{ better }}"}],
        "communication_contact": "Bo Chen",
    }
    proposal = propose(record, {"file": str(repository), "overrides": overrides, "limits": LIMITS})
    assert proposal.patch.startswith("What rollback 1.4.2-20261123t192320z in eu-west has taught.")
    after = apply(repository, proposal.patch)
    assert "# Section 4.\ndatabase_rehearse: true\n\nsecret: !vault |\n" in after, "the rest is as it was"
    assert "# The end.\n# Had to be given on the command line.\ncommunication_contact: Bo Chen\n" in after
    known = yaml.safe_load(after.replace("!vault", ""))
    assert known["application_timeout"] == 900
    assert known["decision_triggers"] == overrides["decision_triggers"]
    assert known["plan_time_to_restore"] == 33
    again = propose(record, {"file": str(repository), "overrides": overrides, "limits": LIMITS})
    assert (again.patch, list(again.made)) == ("", []), "what is pinned is not proposed again"


def test_a_file_that_is_not_there_is_made(repository: Path, record: Json) -> None:
    repository.unlink()
    proposal = propose(record, {"file": str(repository)})
    assert apply(repository, proposal.patch) == "---\n# Seconds, as measured.\nplan_time_to_restore: 33\n"


def test_a_second_rollback_replaces_what_the_first_one_has_pinned(repository: Path, record: Json) -> None:
    apply(repository, propose(record, {"file": str(repository)}).patch)
    record["closed_at"] = "2026-11-23T19:25:20.925Z"
    after = apply(repository, propose(record, {"file": str(repository)}).patch)
    assert after.count("# Seconds, as measured.\nplan_time_to_restore: 120\n") == after.count("plan_time") == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [("$ANSIBLE_VAULT;1.1;AES256\n3", "is encrypted"), ("a: [", "is no YAML"), ("- a\n- b: {", "is no YAML")],
)
def test_what_cannot_be_patched_is_told(repository: Path, record: Json, content: str, problem: str) -> None:
    repository.write_text(content)
    proposal = propose(record, {"file": str(repository)})
    assert proposal.patch == ""
    assert problem in proposal.problem
    assert [change.name for change, _old in proposal.made] == ["plan_time_to_restore"]


@pytest.mark.parametrize("text", ["", "---\n", "a: 1\n", "a: 1", "b:\n- 1\n- 2\n\n# end\n", "x: |\n  a\n\n  b\ny: 2\n"])
@pytest.mark.parametrize("name", ["a", "b", "x", "new"])
def test_a_variable_is_set_and_no_other_one_changes(text: str, name: str) -> None:
    after, _made = pinned(text, [Change(name, {"k": ["v", 1]}, "why")])
    before = yaml.safe_load(text) or {}
    assert yaml.safe_load(after) == {**before, name: {"k": ["v", 1]}}
    assert after.count("# end") == text.count("# end")


def test_the_patch_is_part_of_the_evidence(repository: Path, record: Json, tmp_path: Path) -> None:
    data: dict[str, Any] = {"manifest": MANIFEST, "record": record, "procedure": {"file": str(repository)}}
    path = tmp_path / "evidence/1/incident-report.md"
    files = call(rollback_document, kind="incident", path=str(path), data=data)["files"]
    patch = path.with_name("procedure.patch")
    assert str(patch) in files
    text = path.read_text()
    assert "| plan_time_to_restore | - | 33 | seconds, as measured |" in text
    assert f"git apply {patch}" in text
    apply(repository, patch.read_text())
