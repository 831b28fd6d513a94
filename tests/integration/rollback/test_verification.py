# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback whose verification fails: it says so, holds customers off, calls for help, and is gone on with."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.rollback.conftest import MAINTENANCE, Operator

pytestmark = pytest.mark.sandbox

# One health check of the service is wrong after the rollback, or a metric of it is.
SMOKE = {
    "verification_smoke_deadline": 2,
    "verification_smoke_tests": [{"name": "Search", "http": {"path": "/search", "json": [{"path": "$.hits"}]}}],
}
METRIC: dict[str, Any] = {
    "name": "Error Rate",
    "query": "sum(rate(http_requests_total[5s])) * 0 + 0.5",
    "expect": "< 1%",
    "for": "2s",
}
MONITORING = {"verification_monitoring": [METRIC], "verification_monitoring_attempts": 10}


@pytest.mark.timeout(600)  # a release and two rollbacks
@pytest.mark.usefixtures("bad_release")
def test_a_service_that_is_not_well_stays_behind_the_maintenance_page(operator: Operator) -> None:
    mails = operator.sandbox.directory / "smtp"
    before = set(mails.glob("*.eml"))
    fails_with(operator, SMOKE, "Run the smoke tests: 1 of 1 smoke tests did not pass. Search: status 404, wanted 200")
    newest = max(set(mails.glob("*.eml")) - before, key=lambda path: path.stat().st_mtime_ns)
    notice = message_from_bytes(newest.read_bytes(), policy=default)
    text = " ".join(notice.get_content().split())
    assert notice["Subject"] == "[ROLLBACK] shop could not be rolled back from 1.4.2 to 1.4.1"
    assert "Search: status 404, wanted 200" in text
    assert "Dana Okafor (DevOps Lead), +00 100 0001" in text
    # The same command goes on: the smoke tests pass now, customers come back, and are held off again.
    fails_with(operator, MONITORING, "monitoring says fail: Error Rate: 50 % now, never < 1 % in the last 2s")


def test_a_rolling_rollback_that_monitoring_proves_bad_goes_on_serving(operator: Operator, tmp_path: Path) -> None:
    sandbox = operator.sandbox
    for release in ("1.4.3", "1.4.4"):
        sandbox.ship(release)
    prefix = sandbox.endpoints["shop"]["image_prefix"]
    images = {"current": f"{prefix}api-server:1.4.4", "previous": f"{prefix}api-server:1.4.3"}
    workload = {"name": "api-server", "namespace": sandbox.endpoints["namespace"]}
    manifest = {
        "release": "1.4.4",
        "previous": "1.4.3",
        "service": "shop",
        "document": "P7-ROLLBACK-144",
        "author": "Dana Okafor (DevOps Lead)",
        "applications": [{**workload, "containers": [{"name": "api", **images}]}],
    }
    (tmp_path / "1.4.4.yml").write_text(yaml.safe_dump(manifest))
    with sandbox.load(20):
        output = operator.play(
            "rollback", "-e", "version=1.4.4", "-e", f"plan_manifests={tmp_path}", "-e", "condition=critical_bug",
            "-e", 'decided_by="Deployment Lead: Ann Lee"', "-e", json.dumps(MONITORING), rc=2,
        )  # fmt: skip
    assert "monitoring says fail" in output
    service = sandbox.cluster.get("Service", "api-server")
    assert service
    assert MAINTENANCE not in service["metadata"].get("annotations", {}), "it was never held off"


def fails_with(operator: Operator, broken: dict[str, Any], says: str) -> None:
    """The rollback ends with ``says``, what to do next, whom to call, and maintenance mode on."""
    output = operator.rollback("-e", json.dumps(broken), rc=2)
    last = " ".join(output[output.index("Release 1.4.2 is NOT rolled back in sandbox:") :].split())
    assert says in last
    assert "Once that is mended, run the same command again: it goes on from here. To call now: Dana Okafor" in last
    service = operator.sandbox.cluster.get("Service", "api-server")
    assert service
    assert MAINTENANCE in service["metadata"]["annotations"], "customers are held off"
    record = _record(operator)
    assert record["status"] == "failed"
    assert says in record["facts"]["failure"]


def _record(operator: Operator) -> dict[str, Any]:
    records = operator.sandbox.cluster.items("ConfigMap", "app.kubernetes.io/component=run-record")
    newest = max(records, key=lambda item: str(item["metadata"]["creationTimestamp"]))
    found: dict[str, Any] = json.loads(newest["data"]["record.json"])
    return found
