# SPDX-License-Identifier: GPL-3.0-or-later
"""What customers notice of a rollback, at 60 requests a second: nothing where pods are replaced one by one, and else
no more than the one figure that is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.rollback.conftest import Operator
from tests.sandbox import proof
from tests.sandbox.releases import SHOP, owner_environment

pytestmark = pytest.mark.sandbox

RATE = 60  # requests per second
DECISION = ("-e", "condition=customer_escalation", "-e", 'decided_by="Product Owner: Ola Berg"')
# An index that one release brings and the other does without: a down-migration that breaks nobody.
INDEX = {"up": "CREATE INDEX orders_by_customer ON orders (customer_id);", "down": "DROP INDEX orders_by_customer;"}


@dataclass
class Drill:
    """Two releases that both work, so that every request that fails is the rollback's doing."""

    operator: Operator
    shop: Path

    def migrate(self, way: str, to: int) -> None:
        """Run the shop's migrations, those of the later release among them."""
        argv = [self.shop / "migrate.sh", way, "--env", "sandbox", "--to-version", str(to)]
        environment = {**os.environ, **owner_environment(self.operator.sandbox.endpoints)}
        subprocess.run(argv, env=environment, check=True, capture_output=True, timeout=60)

    def ship(self, previous: str, release: str) -> tuple[int, int]:
        """Ship both; the versions of their configuration."""
        versions = []
        for one in (previous, release):
            self.operator.sandbox.ship(one)
            versions.append(proof.vault_version(self.operator.sandbox.endpoints))
        return versions[0], versions[1]

    def roll_back(self, previous: str, release: str, database: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Under load: what the playbook printed, and the report of the load."""
        old, new = self.ship(previous, release)
        if int(database["current"]) > 42:
            self.migrate("up", int(database["current"]))
        sandbox = self.operator.sandbox
        prefix, namespace = sandbox.endpoints["shop"]["image_prefix"], sandbox.endpoints["namespace"]
        images = {"current": f"{prefix}api-server:{release}", "previous": f"{prefix}api-server:{previous}"}
        configuration = {"path": "production/app-config", "current": new, "previous": old, "secret": "app-config"}
        manifest = {
            "release": release,
            "previous": previous,
            "service": "shop",
            "document": f"P7-ROLLBACK-{release}",
            "author": "Dana Okafor (DevOps Lead)",
            "applications": [{"name": "api-server", "namespace": namespace, "containers": [{"name": "api", **images}]}],
            "databases": [{"name": "shop", **database}],
            "configurations": [{**configuration, "consumers": ["api-server"]}],
        }
        releases = self.shop.parent / "releases"
        releases.mkdir()
        (releases / f"{release}.yml").write_text(yaml.safe_dump(manifest))
        with sandbox.load(RATE) as load:
            output = self.operator.play(
                *("rollback", "-e", f"version={release}", "-e", f"plan_manifests={releases}"),
                *("-e", f"sandbox_shop={self.shop}", *DECISION),
            )
        lines = [
            line
            for line in proof.prove(
                sandbox.endpoints,
                proof.rows(sandbox.endpoints),
                {"version": previous, "replicas": 3, "schema": int(database["previous"]), "configuration": old},
            )
            if not line.holds
        ]
        assert not lines, "\n".join(map(str, lines))
        return output, load.report


@pytest.fixture
def drill(operator: Operator, tmp_path: Path) -> Iterator[Drill]:
    """The shop with one more migration; the schema is where the other tests know it afterwards."""
    shop = tmp_path / "shop"
    shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns("__pycache__"))
    for way, statement in INDEX.items():
        (shop / "migrations" / f"043_index.{way}.sql").write_text(statement)
    drill = Drill(operator, shop)
    yield drill
    (at,) = operator.sandbox.query("SELECT max(version) FROM schema_migrations")[0]
    if at > 42:
        drill.migrate("down", 42)


def sent_per_second(report: Mapping[str, Any]) -> float:
    """Requests per second of the whole load."""
    return float(report["requests"] / (report["seconds"] or 1))


def test_a_rollback_that_breaks_nothing_fails_no_request(drill: Drill, capsys: pytest.CaptureFixture[str]) -> None:
    output, report = drill.roll_back("1.4.3", "1.4.4", {"current": "43", "previous": "42", "breaking": False})
    with capsys.disabled():
        print(f"\n  one by one: {report['requests']} requests at {sent_per_second(report):.0f}/s, ", end="")
        print(f"{report['failed']} failed, p99 {report['p99']:.2f} s, slowest {report['max']:.2f} s")
    assert sent_per_second(report) >= 50
    assert (report["failed"], report["dropped"], report["failed_paths"]) == (0, 0, {}), report["examples"]
    assert set(report["statuses"]) <= {"200", "201"}
    assert "4 steps" not in output
    assert "3 steps, rolling" in output
    assert "maintenance mode on" not in output
    assert "Downtime: none, nothing had to stop." in output


def test_the_downtime_of_a_breaking_rollback_is_told_as_one_figure(
    drill: Drill, capsys: pytest.CaptureFixture[str]
) -> None:
    output, report = drill.roll_back("1.4.1", "1.4.3", {"current": "42", "previous": "41"})
    told = re.search(r"Downtime: (?:(\d+) min )?([\d.]+) s \(\d\d:\d\d:\d\d to \d\d:\d\d:\d\d UTC\)", output)
    assert told, output
    downtime = 60 * int(told[1] or 0) + float(told[2])
    failing = [int(second) for second in report["failures_by_second"]]
    noticed = max(failing) - min(failing) + 1
    with capsys.disabled():
        print(f"\n  quiesced: downtime {downtime:g} s as told, {noticed} s as customers saw it at ", end="")
        print(f"{sent_per_second(report):.0f}/s, {report['failed']} of {report['requests']} answered with 503")
    assert sent_per_second(report) >= 50
    assert set(report["statuses"]) <= {"200", "201", "503"}, "a maintenance page, and never an error"
    assert noticed <= downtime + 2
    assert downtime < noticed + 10
    evidence = re.search(r"Report: (\S+)", output)
    assert evidence
    paper = Path(evidence[1].rstrip(".")).read_text()
    assert "| Downtime | requests kept away by the rollback itself | " in paper
    notice = max((drill.operator.sandbox.directory / "smtp").glob("*.eml")).read_text()
    assert "Requests were kept away while the schema changed: " in notice
