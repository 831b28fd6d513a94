# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 3 drilled: maintenance modes are on before the first pod stops and off at the end, and items have names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.http.wire import Asked, Reply, WireServer
from tests.integration.rollback.conftest import MAINTENANCE, Operator, world
from tests.integration.rollback.test_rollback import assert_undone
from tests.sandbox import proof

pytestmark = pytest.mark.sandbox
SWITCH = """#!/bin/sh
# A switch that writes down when it was turned.
case $1 in
  on | off) echo "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ) $1" >> "$2" ;;
  is-on) tail -n 1 "$2" 2> /dev/null | grep -q ' on$' ;;
esac
"""


class Balancer:
    """A load balancer with a switch, which knows when it was turned."""

    def __init__(self) -> None:
        self.turned: list[tuple[str, bool]] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.method == "PUT":
            self.turned.append((datetime.now(UTC).isoformat(), json.loads(asked.body)["enabled"]))
        return Reply(200, json.dumps({"enabled": bool(self.turned) and self.turned[-1][1]}))


@pytest.fixture
def balancer() -> Iterator[tuple[Balancer, str]]:
    """The balancer and its address."""
    found = Balancer()
    with WireServer({"/shop": found}) as wire:
        yield found, f"{wire.url}/shop"


def modes(**given: Any) -> tuple[str, str]:
    """The option that sets the maintenance mode."""
    return "-e", json.dumps({"checklist_maintenance": given})


def record_of(operator: Operator) -> dict[str, Any]:
    """The newest run record."""
    items = operator.sandbox.cluster.items("ConfigMap", "app.kubernetes.io/managed-by=octalume.rollback")
    newest = max(items, key=lambda item: item["metadata"]["creationTimestamp"])
    return dict(json.loads(newest["data"]["record.json"]))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def assert_around(record: dict[str, Any], on: str, off: str) -> None:
    """It was turned on before the first pod stopped, and off when the application was back and verified."""
    steps = {step["name"]: step for step in record["steps"]}
    assert moment(on) < moment(steps["quiesce"]["started_at"])
    assert moment(off) > moment(steps["application"]["ended_at"])
    assert moment(off) > moment(steps["verification"]["ended_at"])


def test_a_service_and_a_balancer_are_switched(
    operator: Operator, bad_release: proof.Rows, balancer: tuple[Balancer, str]
) -> None:
    switch, url = balancer
    way = {"url": url, "method": "PUT"}
    service = {"name": "api-server", "namespace": operator.sandbox.endpoints["namespace"]}
    given = modes(
        service={**service, "selector": {"app": "maintenance"}},
        http={
            "enable": {**way, "body_json": {"enabled": True}},
            "disable": {**way, "body_json": {"enabled": False}},
            "ask": {"url": url, "path": "$.enabled"},
        },
    )
    operator.rollback("--check", *given)
    assert switch.turned == [], "check mode turned it"
    operator.rollback(*given)
    assert_undone(operator, bad_release)
    (on, was_on), (off, still_on) = switch.turned
    assert (was_on, still_on) == (True, False)
    assert_around(record_of(operator), on, off)
    live = operator.sandbox.cluster.get("Service", "api-server")
    assert live["spec"]["selector"] == {"app": "api-server"}
    assert MAINTENANCE not in (live["metadata"].get("annotations") or {})


def test_a_flag_and_a_command_are_switched_and_items_are_taken_on_by_name(
    operator: Operator, bad_release: proof.Rows, tmp_path: Path
) -> None:
    cluster, namespace = operator.sandbox.cluster, operator.sandbox.endpoints["namespace"]
    flags = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags"}, "data": {"maintenance": "false"}}
    cluster.delete("ConfigMap", "flags")
    cluster.call("POST", cluster.path("ConfigMap"), flags)
    program, log = tmp_path / "switch.sh", tmp_path / "log"
    program.write_text(SWITCH)
    program.chmod(0o755)
    words = {way: [str(program), word, str(log)] for way, word in (("enable", "on"), ("disable", "off"))}
    given = modes(
        config_map={"name": "flags", "namespace": namespace, "key": "maintenance"},
        command={**words, "ask": [str(program), "is-on", str(log)]},
    )
    vendor = {"checklist_items": [{"name": "vendor", "text": "Tell the payment provider"}]}
    options = (*given, "-e", json.dumps({**vendor, "checklist_required": ["vendor", "issue"]}))
    before = world(operator.sandbox)
    refused = operator.rollback(*options, rc=2)
    assert "Nothing was touched, as the checklist is not complete. Tell the payment provider" in refused
    assert "To call now: Dana Okafor (DevOps Lead), +00 100 0001" in refused
    unknown = operator.rollback(*options, "-e", '{"checklist_acknowledged": {"crew": {"who": "Kim Reyes"}}}', rc=2)
    assert "'crew' is no item of the checklist" in unknown
    assert world(operator.sandbox) == before
    name = {"checklist_acknowledged": {"vendor": {"who": "Kim Reyes", "note": "called at 03:10"}}}
    operator.rollback(*options, "-e", json.dumps(name))
    assert_undone(operator, bad_release)
    (on, *rest), (off, *last) = map(shlex.split, log.read_text().splitlines())
    assert (rest, last) == (["on"], ["off"])
    record = record_of(operator)
    assert_around(record, on, off)
    assert cluster.get("ConfigMap", "flags")["data"] == {"maintenance": "false"}
    [item] = [item for item in record["facts"]["checklist"] if item["name"] == "vendor"]
    assert (item["who"], item["note"]) == ("Kim Reyes", "called at 03:10")
    [report] = (operator.sandbox.directory / "evidence" / record["id"]).glob("incident-report.md")
    assert "- [x] Tell the payment provider: acknowledged by Kim Reyes: called at 03:10" in report.read_text()
    cluster.delete("ConfigMap", "flags")
