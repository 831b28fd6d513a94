# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching with a real Prometheus: how soon a trigger is seen, what a restart does, and how a watch ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import trigger_watch

from tests.integration.http.wire import Reply, WireServer, call
from tests.integration.prometheus.service import HOLD, STEP, TRIGGER, Service, due, patience, watching
from tests.sandbox.process import wait_until
from tests.sandbox.prometheus import PrometheusServer, openmetrics

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
INTERVAL = 0.5  # seconds


@pytest.fixture
def service() -> Service:
    """A service that is well."""
    return Service()


@pytest.fixture
def prometheus(tmp_path: Path, service: Service) -> Iterator[PrometheusServer]:
    """A Prometheus that watches it."""
    with WireServer({"/metrics": service.metrics}) as wire:
        server = PrometheusServer(tmp_path / "prometheus", watching(wire))
        with server:
            yield server


class Watch:
    """A watch in a thread of its own."""

    def __init__(self, **options: Any) -> None:
        self.lines: list[str] = []
        self.result: dict[str, Any] = {}
        self.ended = 0.0
        self.thread = threading.Thread(target=self._run, args=(options,), daemon=True)
        self.thread.start()

    def _run(self, options: dict[str, Any]) -> None:
        self.result = call(trigger_watch, progress=self.lines.append, **options).result
        self.ended = time.time()

    def said(self, text: str) -> Callable[[], bool]:
        """Whether a line holds ``text``."""
        return lambda: any(text in line for line in self.lines)


def test_a_trigger_is_seen_in_time_and_through_a_restart(
    prometheus: PrometheusServer, service: Service, record_property: Any
) -> None:
    watch = Watch(url=prometheus.url, triggers=[TRIGGER], interval=f"{INTERVAL}s", duration="0")
    wait_until(watch.said("Error Rate 0 % pass"), 30, "a good look")
    prometheus.stop()
    wait_until(watch.said("refused error"), 30, "a look while Prometheus is away")
    prometheus.start()
    restarted = len(watch.lines)
    # It takes a while until it scrapes again; the gap is told, and not taken for anything.
    wait_until(lambda: any("inconclusive" in line for line in watch.lines[restarted:]), 30, "a look into the gap")
    wait_until(lambda: "% pass" in watch.lines[-1], 30, "a good look after it")
    service.turn(broken=True)
    watch.thread.join(60)
    assert watch.result["outcome"] == "fired"
    assert service.broke
    late = watch.ended - due(prometheus)
    record_property("watch: seconds from the first bad request to the decision", round(watch.ended - service.broke, 2))
    record_property("watch: seconds from the end of the trigger's 3 s to the decision", round(late, 2))
    # One interval may pass once the state has lasted; a sample may be as old as a scrape, and a machine busy.
    assert late < INTERVAL + STEP + patience(0.3)
    assert watch.result["triggers"][0]["held"] == HOLD
    assert watch.result["looks"]["fail"] == 1
    assert watch.result["looks"]["error"] >= 1
    assert re.fullmatch(r"\d\d:\d\d:\d\d  \d+\. Error Rate 2\d(\.\d+)? % fail", watch.lines[-1])


def test_health_checks_are_asked_all_the_time() -> None:
    good, bad = Reply(200, "ok"), Reply(503, "no")
    with WireServer({"/health": [good, bad, good, bad, bad, bad, bad]}) as wire:
        began = time.monotonic()
        found = call(
            trigger_watch,
            probes=[f"{wire.url}/health"],
            max_consecutive_failures=3,
            probe_interval=0.1,
            interval="30s",
            duration="60s",
            bearer_token="token-of-prometheus",
        )
        took = time.monotonic() - began
        assert all("Authorization" not in asked.headers for asked in wire.asked)
    assert found["outcome"] == "fired"
    assert found["message"].endswith("/health: 4 failures in a row (more than 3), the last one: status 503, wanted 200")
    assert took < 5, "news do not wait for the next look"


def test_a_watch_is_over_in_time() -> None:
    with WireServer({"/health": Reply(200, "ok")}) as wire:
        found = call(trigger_watch, probes=[f"{wire.url}/health"], interval="0.4s", duration="1s")
    assert found["outcome"] == "over"
    assert found["looks"] == {"pass": 4, "fail": 0, "inconclusive": 0, "error": 0}
    assert "no trigger fired in 1 s (looks: 4 pass)" in found["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither triggers nor probes"),
        ({"triggers": [TRIGGER]}, "url: the address of Prometheus is missing"),
        ({"triggers": [TRIGGER], "url": "http://localhost:1", "interval": "0"}, "looks need some time between them"),
        (
            {"triggers": [{"name": "x"}], "url": "http://localhost:1"},
            r"triggers\[0\]: missing required arguments: query",
        ),
        ({"probes": ["http://localhost:1"], "workloads": [{}]}, r"workloads\[0\]: missing required arguments"),
        (
            {
                "probes": ["http://localhost:1"],
                "workloads": [{"name": "a", "namespace": "b", "containers": [{"name": "c", "current": "d"}]}],
                "kubernetes": {"hots": "x"},
            },
            "kubernetes: hots",
        ),
        ({"probes": ["health"]}, "probes: not an absolute http"),
    ],
)
def test_what_cannot_be_watched_is_told_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        call(trigger_watch, **options)


def test_a_watch_that_would_never_see_anything_does_not_begin() -> None:
    with (
        WireServer({"/api/v1/query": Reply(403, "no")}) as wire,
        pytest.raises(RollbackError, match=r"nothing would be seen: Error Rate: .* does not allow this login"),
    ):
        call(trigger_watch, url=wire.url, triggers=[TRIGGER])


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An environment whose release has no application, so that no cluster is asked."""
    (tmp_path / "releases").mkdir()
    database = {"name": "shop", "current": 42, "previous": 41}
    manifest = {"release": "1.4.2", "previous": "1.4.1", "service": "shop", "document": "P7", "author": "Dana Okafor"}
    (tmp_path / "releases/1.4.2.yml").write_text(yaml.safe_dump({**manifest, "databases": [database]}))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"eu": host}}}))
    return tmp_path / "hosts.yml"


def playbook(name: str, inventory: Path, **variables: Any) -> subprocess.Popen[str]:
    """Begin ``playbooks/<name>.yml`` in a process group of its own, as a shell does."""
    words = [BIN / "ansible-playbook", "-i", inventory, f"playbooks/{name}.yml", "-e", json.dumps(variables)]
    return subprocess.Popen(
        list(map(str, words)),
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def played(name: str, inventory: Path, **variables: Any) -> str:
    """Run a playbook to its good end; what it printed."""
    process = playbook(name, inventory, **variables)
    output, _unused = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_watch_without_a_fuss(inventory: Path, end: signal.Signals) -> None:
    with WireServer({"/health": Reply(200, "ok")}) as wire:
        probes = {"decision_probes": [f"{wire.url}/health"], "watch_interval": "200ms", "watch_duration": "0"}
        process = playbook("watch", inventory, version="1.4.2", **probes)
        assert process.stdout
        read = next(line for line in process.stdout if "3. " in line)
        asked = time.monotonic()
        os.killpg(process.pid, end)
        output, _unused = process.communicate(timeout=20)
    assert read.endswith("/health pass\n")
    assert time.monotonic() - asked < 5
    assert process.returncode != 0
    assert "Traceback" not in output, output
    assert "Roll back" not in output


def test_the_alert_rules_of_a_release(inventory: Path) -> None:
    variables = {"version": "1.4.2", "decision_triggers": [TRIGGER], "watch_rules_interval": "15s"}
    output = played("rules", inventory, **variables)
    path = inventory.parent / "rules/rollback-eu.rules.yml"
    assert f"{path} holds 1 alerts for release 1.4.2" in output
    group = yaml.safe_load(path.read_text())["groups"][0]
    rule = group["rules"][0]
    assert (group["name"], group["interval"], rule["for"]) == ("rollback-shop-eu", "15s", "3s")
    labels = {"service": "shop", "release": "1.4.2", "environment": "eu", "severity": "page", "check": "Error Rate"}
    assert rule["labels"] == labels
    assert rule["annotations"]["rollback"].endswith("-e version=1.4.2 -e environments=eu")
    checked = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, timeout=30, check=False
    )
    assert checked.returncode == 0, checked.stderr
    tests = {
        "rule_files": [path.name],
        "evaluation_interval": "1s",
        "tests": [_promtool_test(labels, rule["annotations"])],
    }
    (path.parent / "own.yml").write_text(yaml.safe_dump(tests))
    for name in ("own.yml", "rollback-eu.tests.yml"):
        words = ["promtool", "test", "rules", path.parent / name]
        tested = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "changed=0" in played("rules", inventory, **variables)


def _promtool_test(labels: dict[str, str], annotations: dict[str, str]) -> dict[str, Any]:
    """The alert fires once the rate has been over the threshold for the duration, and not a second before."""
    summary = {"summary": "Error Rate is 25%, > 10 % for 3s"}
    fires = [{"exp_labels": labels, "exp_annotations": {**annotations, **summary}}]
    cases = [{"eval_time": at, "alertname": "RollbackErrorRate"} for at in ("21s", "30s")]
    rate = {"200": "0+10x20 207.5+7.5x20", "500": "0x20 2.5+2.5x20"}
    series = [{"series": f'requests_total{{code="{code}"}}', "values": values} for code, values in rate.items()]
    expected = [{**cases[0], "exp_alerts": []}, {**cases[1], "exp_alerts": fires}]
    return {"interval": "1s", "input_series": series, "alert_rule_test": expected}


def test_triggers_are_tried_out_on_the_past(inventory: Path, tmp_path: Path) -> None:
    end = float(int(time.time()))
    # Bad from 50 to 40 minutes ago (an incident), and from 20 to 15 minutes ago (nobody noticed anything).
    values = [(ago * 15, 0.3 if 2400 < ago * 15 <= 3000 or 900 < ago * 15 <= 1200 else 0.01) for ago in range(481)]
    server = PrometheusServer(tmp_path / "past", {})
    server.backfill(openmetrics({"ratio": values}, end=end))
    records = tmp_path / "records"
    records.mkdir()
    with server:
        output = played(
            "backtest",
            inventory,
            prometheus_connection={"url": server.url},
            rollback_record_store={"directory": str(records)},
            decision_triggers=[
                {"name": "Error Rate", "query": "ratio", "fail_if": "> 10%", "for": "2m", "step": "15s"}
            ],
            watch_backtest_incidents=[{"start": end - 3000, "end": end - 2400}],
            watch_backtest_end=f"{end:.0f}",
            past="90m",
        )
    assert re.search(
        r"Error Rate: would have fired 2 times; found 1 of 1 incidents, 1[1-5]\d s after their start at the latest, "
        r"and raised 1 false alarms",
        output,
    ), output
    report = (tmp_path / "backtests/eu.md").read_text()
    assert "| Error Rate | fail_if > 10 % | 120 s | 2 | 1 of 1 |" in report
    assert report.count("| false alarm |") == 1
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(end - 3000))
    assert f"| {clock} |" in report
