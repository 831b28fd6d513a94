# SPDX-License-Identifier: GPL-3.0-or-later
"""From the first bad request to the playbook's decision, through real Prometheus, Alertmanager and ansible-rulebook."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.filter.prometheus_alert_rules import prometheus_alert_rules

from tests.integration.eda.rulebook import TOKEN, Rulebook, signature, skip_where_something_lacks
from tests.integration.http.wire import Asked, Reply, WireServer
from tests.integration.prometheus.service import HOLD, STEP, TRIGGER, Service, due, patience, watching
from tests.sandbox.process import wait_until
from tests.sandbox.prometheus import AlertmanagerServer, PrometheusServer

SECRET = "secret-of-the-sender"
FAILURES = {
    "name": "Failures",
    "query": 'rate(requests_total{code="500"}[2s])',
    "fail_if": "> 1",
    "for": f"{HOLD:g}s",
    "step": "500ms",
}
TRIGGERS = [TRIGGER, FAILURES]


@pytest.fixture
def rulebook(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rulebook]:
    """The rulebook that the test names, not yet started."""
    skip_where_something_lacks()
    book = Rulebook(tmp_path / "eda", request.param, decision_triggers=TRIGGERS)
    yield book
    book.stop()


def monitoring(directory: Path, wire: WireServer, book: Rulebook) -> tuple[PrometheusServer, AlertmanagerServer]:
    """Prometheus, which watches ``wire`` with rules made of the triggers, and Alertmanager, which tells ``book``."""
    authorization = {"authorization": {"credentials": TOKEN}}
    hook = {"url": book.url, "send_resolved": True, "http_config": authorization}
    times = {"group_wait": "100ms", "group_interval": "500ms", "repeat_interval": "1h", "group_by": ["release"]}
    alertmanager = AlertmanagerServer(
        directory / "alertmanager",
        {"route": {"receiver": "rollback", **times}, "receivers": [{"name": "rollback", "webhook_configs": [hook]}]},
    )
    labels = {"release": "1.4.2", "environment": "eu", "service": "shop"}
    rules = prometheus_alert_rules(TRIGGERS, interval="500ms", labels=labels)["groups"]
    prometheus = PrometheusServer(
        directory / "prometheus",
        {
            **watching(wire),
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]},
        },
        rules,
        flags=["--rules.alert.resend-delay=1s"],
    )
    return prometheus, alertmanager


@pytest.mark.parametrize("rulebook", ["alertmanager"], indirect=True)
def test_an_alert_becomes_one_decision(rulebook: Rulebook, tmp_path: Path, record_property: Any) -> None:
    service = Service()
    with WireServer({"/metrics": service.metrics}) as wire:
        prometheus, alertmanager = monitoring(tmp_path, wire, rulebook)
        hosts = rulebook.directory / "inventory/group_vars"
        hosts.mkdir()
        (hosts / "all.yml").write_text(f"prometheus_url: {prometheus.url}\n")
        rulebook.start(ROLLBACK_EDA_TOKEN=TOKEN)
        with alertmanager, prometheus:
            rulebook.wait()
            assert rulebook.post({"alerts": []}, Authorization="Bearer wrong") == 401
            assert rulebook.post({"alerts": []}) == 401
            service.turn(broken=True)
            wait_until(lambda: bool(rulebook.decided()), 60, "a decision")
            decision = rulebook.decided()[0]
            assert (decision["version"], decision["environment"]) == ("1.4.2", "eu")
            assert decision["kind"] == "automatic"
            assert [one["verdict"] for one in decision["evidence"]] == ["fail", "fail"]
            assert service.broke
            decided, ready = datetime.fromisoformat(decision["decided_at"]).timestamp(), due(prometheus)
            _tell(record_property, "first bad request to the decision", decided - service.broke)
            _tell(record_property, "end of the trigger's 3 s to the first task", rulebook.tasks()[0] - ready)
            _tell(record_property, "end of the trigger's 3 s to the decision", decided - ready)
            # A scrape, the rule's evaluation, the group's wait and the start of Ansible come on top.
            assert decided - service.broke > HOLD - 0.5
            assert rulebook.tasks()[0] - ready < 2 * STEP + 0.1 + patience(3)

            service.turn(broken=False)
            sent = 'alertmanager_notifications_total{integration="webhook"}'
            wait_until(lambda: not _firing(alertmanager), 30, "the alerts are resolved")
            wait_until(lambda: _metric(alertmanager, sent) >= 2, 30, "Alertmanager tells that they are")
            # A message of our own comes last through the same queue: what was before it has had its turn.
            began = len(rulebook.tasks())
            last = {"status": "firing", "labels": {"release": "0.0.1", "environment": "us"}, "fingerprint": "z"}
            sent_at = time.time()
            assert rulebook.post({"alerts": [last]}, Authorization=f"Bearer {TOKEN}") == 200
            wait_until(lambda: "no automatic trigger has fired" in rulebook.log, 30, "the last message's playbook")
            assert [one["version"] for one in rulebook.decided()] == ["1.4.2"]
            started = rulebook.tasks()[began] - sent_at
            _tell(record_property, "an event to the first task", started)
            assert started < patience(3)


def _tell(record_property: Any, what: str, seconds: float) -> None:
    record_property(f"alert: seconds from {what}", round(seconds, 2))


@pytest.mark.parametrize("rulebook", ["signed_webhook"], indirect=True)
def test_a_signed_message_starts_a_playbook(rulebook: Rulebook) -> None:
    rulebook.start(ROLLBACK_EDA_SECRET=SECRET)
    rulebook.wait()
    message = {"release": "1.4.3", "environment": "eu", "id": "1"}
    assert rulebook.post(message, X_Hub_Signature_256=signature(message, "another")) == 401
    assert rulebook.post(message) == 400
    assert rulebook.post(message, X_Hub_Signature_256=f"sha256={signature(message, SECRET)}") == 200
    # No Prometheus is there, so the playbook asks its triggers and refuses.
    wait_until(lambda: "no automatic trigger has fired" in rulebook.log, 30, "the playbook's refusal")
    assert rulebook.decided() == []


@pytest.mark.parametrize("rulebook", ["alertmanager_awx"], indirect=True)
def test_awx_is_asked_to_run_its_job_template(rulebook: Rulebook) -> None:
    asks = {f"ask_{what}_on_launch": what == "variables" for what in ("variables", "limit", "labels", "inventory")}
    template = {"id": 7, "name": "Roll back on an alert", "type": "job_template", **asks}
    related = {"launch": "/api/v2/job_templates/7/launch/"}
    found = {"count": 1, "next": None, "results": [{**template, "related": related, "summary_fields": {}}]}
    job = {"id": 9, "url": "/api/v2/jobs/9/", "status": "successful", "finished": "2026-11-23T10:00:00Z"}
    launched: list[str] = []

    def launch(asked: Asked) -> Reply:
        launched.append(asked.body)
        return Reply(201, _json({**job, "status": "pending"}))

    table = {
        "/api/v2/config/": Reply(200, _json({"version": "24.6.1"})),
        "/api/v2/unified_job_templates/": Reply(200, _json(found)),
        "/api/v2/job_templates/7/launch/": launch,
        "/api/v2/jobs/9/": Reply(200, _json(job)),
    }
    alert = {"status": "firing", "labels": {"release": "1.4.2", "environment": "us", "alertname": "E"}}
    with WireServer(table) as wire:
        controller = {"EDA_CONTROLLER_URL": wire.url, "EDA_CONTROLLER_TOKEN": "t"}
        rulebook.start(ROLLBACK_EDA_TOKEN=TOKEN, **controller)
        rulebook.wait()
        assert rulebook.post({"alerts": [alert]}, Authorization=f"Bearer {TOKEN}") == 200
        wait_until(lambda: bool(launched), 30, "the launch of the job template")
    assert '"version": "1.4.2"' in launched[0]
    assert '"environments": "us"' in launched[0]


def _json(value: Any) -> str:
    return json.dumps(value)


def _metric(server: AlertmanagerServer, name: str) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:  # noqa: S310 -- a loopback URL
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


def _firing(server: AlertmanagerServer) -> list[Any]:
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts?active=true", timeout=5) as answer:  # noqa: S310
        found: list[Any] = json.load(answer)
    return found
