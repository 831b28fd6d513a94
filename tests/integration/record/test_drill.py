# SPDX-License-Identifier: GPL-3.0-or-later
"""Two releases recorded by record.yml, the second one rolled back by what was recorded."""

from __future__ import annotations

import re
import resource
import secrets

import pytest
import yaml

from tests.integration.record.conftest import Banner
from tests.integration.rollback.conftest import Operator, world
from tests.sandbox import proof
from tests.sandbox.demo import WANTED
from tests.sandbox.releases import Pipeline, Places

pytestmark = pytest.mark.sandbox

DECISION = ("-e", "condition=security_vulnerability", "-e", 'decided_by="Security Lead: Kim Reyes"')


def record(operator: Operator, banner: Banner, version: str, *options: str, rc: int = 0) -> str:
    """``ansible-playbook playbooks/record.yml -e version=...``, as a pipeline runs it."""
    return operator.play("record", "-e", f"version={version}", *banner.variables(), *options, rc=rc)


def test_a_release_comes_back_from_what_was_recorded(operator: Operator, banner: Banner) -> None:
    sandbox, old, new = operator.sandbox, *(f"planted-{secrets.token_hex(8)}" for _unused in range(2))
    told = []
    sandbox.ship("1.4.1")
    banner.create("Welcome", old)
    told.append(record(operator, banner, "1.4.1"))
    before = banner.contents()

    with sandbox.load(20):
        sandbox.ship("1.4.2")
        banner.configure("Now with loyalty points", new, binary=b"\x01")
        banner.restart()
        told += _recorded(operator, banner)
        _check_manifest(yaml.safe_load((banner.folder / "1.4.2.yml").read_text()))

        revisions = {name: banner.revisions(name) for name in ("api-server", "banner")}
        kept = proof.rows(sandbox.endpoints)
        told.append(operator.rollback(*banner.variables(), *DECISION, "--check", "--diff"))
        assert banner.contents() != before, "check mode changed something"
        told.append(operator.rollback(*banner.variables(), *DECISION, "--diff", "-vvv"))
        lines = [line for line in proof.prove(sandbox.endpoints, kept, WANTED) if not line.holds]
        assert not lines, "\n".join(map(str, lines))
        done = world(sandbox)
        again = operator.rollback(*banner.variables())
    assert re.search(r"changed=0 unreachable=0 failed=0", again), again
    assert world(sandbox) == done, "the second run changed something"
    assert banner.contents() == before
    grown = {name: banner.revisions(name) - count for name, count in revisions.items()}
    assert grown == {"api-server": 1, "banner": 1}, "one rollout each: what came back anyway is not restarted"
    assert "Now with loyalty points" in told[-1], "the diff shows a ConfigMap"

    files = [path.read_text() for path in banner.folder.glob("*")]
    for word in (old, new):
        assert [text for text in (*told, *files) if word in text] == []


def _recorded(operator: Operator, banner: Banner) -> list[str]:
    """Record 1.4.2: predicted, in a moment, and once."""
    manifest = banner.folder / "1.4.2.yml"
    predicted = record(operator, banner, "1.4.2", "--check", "--diff")
    assert not manifest.exists()
    assert "changed=1" in predicted
    began = _processor_seconds()
    output = record(operator, banner, "1.4.2", "--diff", "-vvv")
    assert _processor_seconds() - began < 3, "a pipeline should hardly notice"
    written = manifest.read_bytes()
    assert "changed=0" in record(operator, banner, "1.4.2")
    assert manifest.read_bytes() == written
    return [predicted, output]


def _processor_seconds() -> float:
    """What finished children have used: unlike the clock, no other test adds to it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _check_manifest(document: dict) -> None:
    assert (document["release"], document["previous"], document["service"]) == ("1.4.2", "1.4.1", "shop")
    containers = {item["name"]: item["containers"] for item in document["applications"]}
    assert containers["api-server"][0]["current"].endswith("api-server:1.4.2")
    assert containers["api-server"][0]["previous"].endswith("api-server:1.4.1")
    assert containers["banner"][0]["current"] == containers["banner"][0]["previous"]
    assert [(item["current"], item["previous"]) for item in document["databases"]] == [("42", "41")]
    assert document["configurations"][0]["secret"] == "app-config"
    assert document["configurations"][0]["consumers"] == ["api-server"]
    kinds = {(item["kind"], item["name"]): item for item in document["cluster_configurations"]}
    assert set(kinds) == {("ConfigMap", "banner"), ("Secret", "banner")}
    assert kinds["ConfigMap", "banner"]["previous"]["data"]["TEXT"] == "Welcome"
    assert kinds["ConfigMap", "banner"]["consumers"] == ["banner"]
    assert kinds["Secret", "banner"]["previous"]["encrypted"].startswith("$ANSIBLE_VAULT;1.1;AES256")
    assert {item["name"]: item["replicas"] for item in document["recorded"]} == {"api-server": 3, "banner": 2}


def test_a_signed_manifest_and_a_release_that_is_not_live_are_refused(operator: Operator, banner: Banner) -> None:
    operator.sandbox.ship("1.4.1")
    banner.create("Welcome", "planted-licence")
    record(operator, banner, "1.4.1")
    refused = record(operator, banner, "1.4.2", rc=2)
    assert "nothing differs from release 1.4.1: 1.4.2 is not live here, or was rolled back" in refused
    assert not (banner.folder / "1.4.2.yml").exists()

    written = (banner.folder / "1.4.1.yml").read_bytes()
    (banner.folder / "1.4.1.yml.dba.sig").write_text("a signature")
    assert "changed=0" in record(operator, banner, "1.4.1")
    banner.configure("Hello", "planted-licence")
    refused = record(operator, banner, "1.4.1", rc=2)
    assert "differs from what is live now in cluster_configurations, and is signed (1.4.1.yml.dba.sig)" in refused
    assert (banner.folder / "1.4.1.yml").read_bytes() == written
    assert "is the first that was recorded" in operator.play(
        "rollback", "-e", "version=1.4.1", *banner.variables(), rc=2
    )


def test_a_release_of_configuration_alone_restarts_what_uses_it(operator: Operator, banner: Banner) -> None:
    sandbox = operator.sandbox
    version = ("-e", "version=1.4.2-settings")
    sandbox.ship("1.4.1")
    banner.create("Welcome", "planted-licence")
    record(operator, banner, "1.4.1")
    before = banner.contents()
    with sandbox.load(20):
        Pipeline(Places.of(sandbox.endpoints), sandbox.steps.append).configure(7)
        banner.configure("Loyalty", "planted-licence")
        for name in ("api-server", "banner"):
            banner.restart(name)
        record(operator, banner, "1.4.2-settings")
        released = banner.contents()

        banner.configure("Somebody's own words", "planted-licence")
        drifted = operator.play("plan", *version, *banner.variables(), rc=2)
        assert "configmap/banner: content is another content" in " ".join(drifted.split())
        refused = operator.play("rollback", *version, *banner.variables(), *DECISION, rc=2)
        assert "somebody changed it since" in refused
        assert banner.contents() not in (before, released)

        banner.configure("Loyalty", "planted-licence")
        revisions = {name: banner.revisions(name) for name in ("api-server", "banner")}
        operator.play("rollback", *version, *banner.variables(), *DECISION)
        assert banner.contents() == before
        grown = {name: banner.revisions(name) - count for name, count in revisions.items()}
        assert grown == {"api-server": 1, "banner": 1}
