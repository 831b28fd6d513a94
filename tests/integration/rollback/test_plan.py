# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.yml as a gate on the live sandbox: each single thing that is missing is marked, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.integration.http.wire import Reply, WireServer
from tests.integration.rollback.conftest import ROOT, Operator, world
from tests.sandbox.process import free_port

pytestmark = pytest.mark.sandbox
DRAWN = re.compile(r"NOT READY\*\*")


@dataclass
class Planner:
    """Somebody who plans with manifests and options of their own."""

    operator: Operator
    folder: Path

    def plan(self, *options: str, rc: int = 0, replace: Sequence[tuple[str, str]] = ()) -> tuple[str, str]:
        """What plan.yml prints, and the document."""
        text = self.manifest()
        for old, new in replace:
            assert old in text
            text = text.replace(old, new)
        (self.folder / "1.4.2.yml").write_text(text)
        document = self.folder / "plan.md"
        document.unlink(missing_ok=True)
        own = ("-e", f"plan_manifests={self.folder}", "-e", f"plan_document={document}")
        output = self.operator.play("plan", "-e", "version=1.4.2", *options, *own, rc=rc)
        return output, document.read_text()

    def manifest(self) -> str:
        """The release's manifest, as it fits this sandbox."""
        given = self.operator.manifests()
        folder = Path(given[1].partition("=")[2]) if given else ROOT / "inventories/sandbox/releases"
        return (folder / "1.4.2.yml").read_text()


def option(**values: object) -> tuple[str, str]:
    return "-e", json.dumps(values)


@pytest.mark.usefixtures("quiet_release")
def test_each_single_thing_that_is_missing_is_marked(operator: Operator, tmp_path: Path) -> None:
    planner = Planner(operator, tmp_path)
    before = world(operator.sandbox)[:4]
    output, document = planner.plan()
    assert "Release 1.4.2 can be rolled back (quiesce)" in output
    assert not DRAWN.search(document)
    assert planner.plan()[1] == document, "the same world gives the same document"

    tag = yaml.safe_load(planner.manifest())["applications"][0]["containers"][0]["previous"]
    gone = Reply(404, '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
    repository, _colon, version = tag.rpartition(":")
    with WireServer({f"/v2/{repository.partition('/')[2] or repository}/manifests/{version}": gone}) as registry:
        mirrors = dict.fromkeys(("docker.io", repository.partition("/")[0]), registry.url)
        missing = {
            "version 99": ((), [("previous: 6", "previous: 99")]),
            "no backup of shop can be taken": (option(database_backup_directory=str(Path(__file__) / "none")), ()),
            "(any more)": (option(plan_registry_ask=True, plan_registries=mirrors), ()),
        }
        output, document = planner.plan(replace=[(f"previous: {tag}", f"previous: {repository}:1.3.9")])
        assert f"no revision of its history has {repository}:1.3.9; the live template would get it" in document
        for words, (options, replace) in missing.items():
            output, document = planner.plan(*options, replace=replace, rc=2)
            assert "Release 1.4.2 CANNOT be rolled back: " in output, words
            told = [line for line in document.splitlines() if line.startswith("- **NOT READY**: ")]
            assert len(told) == 1, (words, told)
            assert words in told[0]
    assert world(operator.sandbox)[:4] == before, "a plan changes nothing"


@pytest.mark.usefixtures("quiet_release")
def test_what_is_missing_and_not_in_the_way_is_marked_too(operator: Operator, tmp_path: Path) -> None:
    planner = Planner(operator, tmp_path)
    tag = yaml.safe_load(planner.manifest())["applications"][0]["containers"][0]["previous"]
    away = dict.fromkeys(("docker.io", tag.partition("/")[0]), f"http://127.0.0.1:{free_port()}")
    missing = {
        "cannot be asked: nothing listens there": {"plan_registry_ask": True, "plan_registries": away},
        "no emergency contact is named": {"communication_contacts": []},
        "no channel is defined": {"communication_channels": []},
        "no maintenance mode is defined": {"checklist_maintenance": {}},
        "no smoke test is defined": {"verification_smoke_tests": []},
    }
    output, document = planner.plan(*(word for values in missing.values() for word in option(**values)))
    assert "can be rolled back" in output
    assert not DRAWN.search(document)
    told = [line for line in document.splitlines() if line.startswith("- **ATTENTION**: ")]
    told = [line for line in told if " loses " not in line and "does not tell" not in line]
    assert len(told) == len(missing), told
    assert [words for words in missing if sum(words in line for line in told) != 1] == []
