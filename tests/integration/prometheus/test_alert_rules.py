# SPDX-License-Identifier: GPL-3.0-or-later
"""Alert rules made from triggers, checked and run by promtool, and compared with what the triggers themselves say."""

from __future__ import annotations

import itertools
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.filter.prometheus_alert_rules import prometheus_alert_rules
from ansible_collections.octalume.rollback.plugins.filter.prometheus_alert_tests import prometheus_alert_tests
from ansible_collections.octalume.rollback.plugins.modules import prometheus_threshold_info

from tests.integration.http.wire import call
from tests.sandbox.prometheus import PrometheusServer, openmetrics

QUANTILE = "histogram_quantile(0.99, sum by (le) (rate(t_bucket[1m])))"
TRIGGERS: list[dict[str, Any]] = [
    {"name": "error_rate", "query": "sum(errors) / sum(requests)", "fail_if": "> 10%", "for": "5m"},
    {"name": "P99 latency", "query": QUANTILE, "fail_if": "> 5s", "for": "5m", "ceiling": 5},
    {"name": "memory", "query": "memory", "expect": "< 80%", "for": "2m", "quorum": "all"},
    {"name": "heartbeat", "query": "heartbeat", "fail_if": "== 0", "for": "1m", "no_data": "fail"},
    {
        "name": "quiet",
        "query": "ratio",
        "fail_if": "> 10%",
        "for": "5m",
        "nan": "fail",
        "minimum_traffic": {"query": "requests", "at_least": 1},
    },
]


def promtool(*words: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule file for TRIGGERS."""
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(prometheus_alert_rules(TRIGGERS, interval="15s", labels={"severity": "page"})))
    return path


def test_promtool_accepts_the_rules(rules: Path) -> None:
    assert "SUCCESS: 6 rules found" in promtool("check", "rules", rules)


def test_an_alert_fires_when_its_trigger_would_and_not_before(rules: Path) -> None:
    def alert(name: str, check: str, summary: str | None = None) -> dict[str, Any]:
        labels = {"check": check, "severity": "page"}
        return {"alertname": name, "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": summary}}]}

    error = alert("RollbackErrorRate", "error_rate", "error_rate is 20%, > 10 % for 5m")
    slow = alert("RollbackP99Latency", "P99 latency", "P99 latency is 5s, > 5 s for 5m")
    silent = alert("RollbackHeartbeatNoData", "heartbeat", "heartbeat: no data, which means failure here")
    cases = [
        {"eval_time": "5m45s", **error, "exp_alerts": []},
        {"eval_time": "6m30s", **error},
        {"eval_time": "6m30s", **slow},
        {"eval_time": "50s", **silent, "exp_alerts": []},
        {"eval_time": "1m15s", **silent},
        {"eval_time": "6m30s", "alertname": "RollbackMemory", "exp_alerts": []},
        {"eval_time": "6m30s", "alertname": "RollbackQuiet", "exp_alerts": []},
    ]
    series = {
        "errors": "1 1 1 1" + " 20" * 30,
        "requests": "100x40",
        't_bucket{le="0.5"}': "0x40",
        't_bucket{le="5"}': "0x40",
        't_bucket{le="+Inf"}': "0+10x40",
        'memory{pod="a"}': "0.9x40",
        'memory{pod="b"}': "0.5x40",
        "ratio": "0.05x40",
    }
    group = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": cases,
    }
    tests = rules.parent / "tests.yml"
    tests.write_text(yaml.safe_dump({"rule_files": [rules.name], "evaluation_interval": "15s", "tests": [group]}))
    assert "SUCCESS" in promtool("test", "rules", tests)


def test_the_tests_made_of_the_triggers_pass_and_would_not_if_the_rules_were_others(rules: Path) -> None:
    names = {"rules": rules.name, "stand_ins": "made-up.yml"}
    made = prometheus_alert_tests(TRIGGERS, **names, interval="15s", labels={"severity": "page"})
    titles = {test["name"] for test in made["tests"]["tests"]}
    assert titles == {"above", "at the threshold", "below", "NaN", "too little traffic", "without data"}
    tests = rules.with_name("tests.yml")
    tests.write_text(yaml.safe_dump(made["tests"]))
    made_up = rules.with_name("made-up.yml")
    text = yaml.safe_dump(made["stand_ins"])
    made_up.write_text(text)
    assert "SUCCESS" in promtool("check", "rules", made_up)
    assert "SUCCESS" in promtool("test", "rules", tests)
    for right, wrong in (
        (") > 0.1", ") > 0.9"),
        (") > 0.1", ") > -0.1"),
        ("for: 5m", "for: 4m"),
        ("for: 5m", "for: 6m"),
    ):
        assert right in text
        made_up.write_text(text.replace(right, wrong))
        with pytest.raises(AssertionError, match="FAILED"):
            promtool("test", "rules", tests)


KINDS: list[dict[str, Any]] = [
    {"for": "100s"},
    {"for": "0"},
    {"quorum": "all", "for": "1m"},
    {"nan": "fail", "no_data": "fail", "for": "1m"},
    {"ceiling": 0.5, "for": "1m"},
    {"ceiling": 0.05, "for": "1m"},
]


def test_tests_of_every_kind_of_trigger_pass(tmp_path: Path) -> None:
    conditions = [f"{operator} 10%" for operator in (">", ">=", "<", "<=", "==", "!=")]
    kinds = list(itertools.product(("fail_if", "expect"), conditions, KINDS))
    triggers = [
        {"name": f"trigger {number}", "query": "some_metric", way: condition, **options}
        for number, (way, condition, options) in enumerate(kinds)
    ]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(prometheus_alert_rules(triggers)))
    made = prometheus_alert_tests(triggers, rules="rules.yml", stand_ins="made-up.yml", interval="30s")
    (tmp_path / "made-up.yml").write_text(yaml.safe_dump(made["stand_ins"]))
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(made["tests"]))
    assert sum(len(test["alert_rule_test"]) for test in made["tests"]["tests"]) > 5 * len(triggers)
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "tests.yml")


SHAPES: dict[str, list[float | str]] = {
    "low": [0.05] * 3,
    "high": [0.5] * 3,
    "nans": ["NaN"] * 3,
    "mixed": [0.05, 0.5, 0.05],
    "edge": [0.1] * 3,
}
VARIANTS: list[dict[str, Any]] = [
    {"fail_if": "> 10%"},
    {"fail_if": ">= 10%"},
    {"fail_if": "< 10%"},
    {"fail_if": "!= 10%"},
    {"expect": "== 10%", "nan": "pass"},
    {"expect": "== 10%", "nan": "fail"},
    {"expect": "< 10%"},
    {"expect": "> 10%"},
    {"fail_if": "> 10%", "quorum": "all"},
    {"expect": "<= 10%", "quorum": "all"},
    {"fail_if": "> 10%", "nan": "fail"},
    {"fail_if": "> 10%", "ceiling": 0.5},
    {"fail_if": "> 10%", "ceiling": 0.05},
    {"fail_if": "> 10%", "minimum_traffic": {"query": "load", "at_least": 1}},
    {"fail_if": "> 10%", "minimum_traffic": {"query": "load", "at_least": 3}},
]


def test_an_alert_says_bad_where_the_check_says_fail(tmp_path: Path) -> None:
    """The expression of every kind of alert over every shape of data, against the check's own verdict."""
    end = float(int(time.time()))
    samples: dict[str, Any] = {"load": [(0, 2)]}
    for shape, values in SHAPES.items():
        samples |= {f'{shape}{{pod="{pod}"}}': [(0, value)] for pod, value in enumerate(values)}
    checks = [
        {"name": f"{shape} {number}", "query": shape, **variant}
        for shape in (*SHAPES, "absent")
        for number, variant in enumerate(VARIANTS)
    ]
    server = PrometheusServer(tmp_path, {})
    server.backfill(openmetrics(samples, end=end))
    rules = prometheus_alert_rules(checks)["groups"][0]["rules"]
    asked = [{"name": rule["labels"]["check"], "query": f"count({rule['expr']})", "fail_if": ">= 1"} for rule in rules]
    with server:
        judged = call(prometheus_threshold_info, url=server.url, time=end, checks=checks)
        alerts = call(prometheus_threshold_info, url=server.url, time=end, checks=asked)
    assert len(alerts["checks"]) == len(SHAPES) * len(VARIANTS) + len(VARIANTS)
    assert [entry["message"] for entry in alerts["checks"] if entry["verdict"] == "error"] == []
    assert alerts["failed_checks"] == judged["failed_checks"]
    assert 10 < len(judged["failed_checks"]) < 50


@pytest.mark.parametrize(
    ("checks", "says"),
    [([{"name": "a"}], "missing required arguments"), ([{"name": "a", "query": "x"}], "give either fail_if")],
)
def test_checks_that_make_no_sense_are_refused(checks: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(AnsibleFilterError, match=says):
        prometheus_alert_rules(checks)
