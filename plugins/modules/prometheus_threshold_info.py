#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: prometheus_threshold_info
version_added: 0.1.0
short_description: Judge metrics by thresholds that have to hold for a duration
description:
  - Evaluates a list of checks in one call, several queries at a time, each distinct query once. Where there are more
    than four for each of O(concurrency), they share requests; what cannot be answered together is asked alone.
  - A check is a query, a condition and a duration. Which way round the condition is meant is part of the check.
    O(checks[].fail_if) names the B(bad) state and has to hold at every evaluation of the window for the check to
    fail, which is what a rollback trigger is ("error rate > 10 % for 5 minutes").
    O(checks[].expect) names the B(good) state and has to hold at every evaluation of the window for the check to pass,
    which is what a check after a rollback is ("error rate < 1 %, for 2 minutes").
  - The verdict is C(pass), C(fail), C(inconclusive) or C(error). C(pass) is always proved by data. C(inconclusive)
    means that the data do not tell, C(error) that Prometheus could not be asked. Neither ever counts as C(pass).
  - Every evaluation of the window is computed in Prometheus by one range query, as its own alert rules do, and
    against the clock of Prometheus, so that a wrong clock on this machine does not matter.
  - An evaluation where the query returns nothing, NaN, a value measured with too little traffic, or a value beyond the
    last bucket of its histogram is not taken for a good one. Such evaluations are counted, and told with their cause.
  - Works with everything that speaks Prometheus's query API, such as Thanos, Grafana Mimir and VictoriaMetrics.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.web
  - octalume.rollback.lock
options:
  url:
    description: Address of Prometheus, with the path before C(/api/v1) where there is one.
    type: str
    required: true
  checks:
    description: What to judge.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the check is called, unique in the list.
        type: str
        required: true
      query:
        description:
          - PromQL expression of the measured value, B(without) a comparison. A comparison inside the query would drop
            the values that do not match, and NaN, and so make a check without data out of a good one.
          - Prometheus repeats the last sample of a series that it can no longer scrape, for up to 5 minutes, unless
            it noticed that the target is gone. Where that is too long, write C(last_over_time(metric[30s])).
        type: str
        required: true
      fail_if:
        description:
          - The bad state. The check fails when it holds at every evaluation of the window, and passes when it does
            not hold at one of them.
          - An operator (C(>), C(>=), C(<), C(<=), C(==), C(!=)) and a number, with C(%) for a ratio (C(> 10%) is 0.1)
            and C(ms), C(s), C(m) or C(h) for seconds. Put it in quotes, because YAML gives a leading C(>) a meaning.
          - Give either this or O(checks[].expect).
        type: str
      expect:
        description:
          - The good state, written as O(checks[].fail_if). The check passes when it holds at every evaluation of
            the window, and fails when it does not hold at one of them.
        type: str
      for:
        description:
          - For how long, as seconds or a duration such as V(5m). V(0) judges the present value alone.
          - With a window there are C(for / step + 1) evaluations, the first one C(for) ago, the last one now.
        type: str
        default: "0"
      step:
        description: Time between evaluations. A twentieth of the window where not given, at least one second.
        type: str
      unit:
        description:
          - What the query measures, for messages. The suffix of the condition says so already for ratios and seconds.
        type: str
        choices: [ratio, seconds, bytes, number]
      no_data:
        description:
          - The verdict where fewer than O(checks[].minimum_coverage) of the evaluations can be used, or where the query
            returns nothing. Not applied where Prometheus could not be asked, which is always V(error).
        type: str
        choices: [inconclusive, pass, fail]
        default: inconclusive
      nan:
        description:
          - What an evaluation with the value NaN is, for example a ratio with nothing to divide by.
            V(no_data) leaves it out and counts it as missing, V(pass) takes it for good, V(fail) for bad.
        type: str
        choices: [no_data, pass, fail]
        default: no_data
      minimum_coverage:
        description:
          - Share of the evaluations that must be usable, more than 0 and at most 1. The default forgives one gap
            of a scrape or two in a window; V(1) forgives none. All usable ones must agree in any case.
        type: float
        default: 0.9
      minimum_traffic:
        description: Load below which the check means nothing. Evaluations with less count as missing.
        type: dict
        suboptions:
          query:
            description: PromQL expression of the load; several series are added up, and no series is zero.
            type: str
            required: true
          at_least:
            description: Smallest load, in the unit of its query.
            type: float
            required: true
      quorum:
        description:
          - How many series must fail where the query returns several. V(any) fails with the first one; V(all)
            only when all of them fail, and passes when one of them passes.
          - To judge the sum or the mean instead, aggregate in the query.
        type: str
        choices: [any, all]
        default: any
      ignore_ended:
        description:
          - Whether a series that is missing at the two newest evaluations is left out, which suits queries by pod,
            where pods come and go. Where not, its missing evaluations count as such, which suits queries by service.
        type: bool
        default: false
      ceiling:
        description:
          - Largest finite bucket of the histogram behind the query, in the unit of the query. Prometheus reports a
            quantile beyond it as this very value, however long requests took, so a value that high means that or more.
          - Found without this option where the query is one C(histogram_quantile(...)) and nothing else. A value equal
            to a threshold at or below it then counts as above it.
        type: float
  time:
    description: End of the windows in seconds since the epoch; the present by the clock of Prometheus where not given.
    type: float
  delay:
    description: How long before the present the windows end, for stores that receive samples late.
    type: str
    default: "0"
  replay:
    description:
      - Judges every check at every step of this long before the end of the windows as well, as a duration such as
        V(7d), and tells in RV(checks[].replay) when it would have failed. Thresholds are tried out on the past so.
      - Checks without a window are judged every O(checks[].step), or every 15 seconds.
    type: str
  incidents:
    description: What really happened within O(replay), to find incidents that were missed and alarms that were false.
    type: list
    elements: dict
    default: []
    suboptions:
      start:
        description: Beginning in seconds since the epoch.
        type: float
        required: true
      end:
        description: End in seconds since the epoch.
        type: float
        required: true
  retries:
    description:
      - How often a query is repeated, with growing pauses, when the server is down, starting or overloaded. One that
        ran into O(timeout) is not repeated.
    type: int
    default: 2
  concurrency:
    description: How many requests are under way at the same time.
    type: int
    default: 8
  max_samples:
    description: Most samples returned per check, thinned out evenly.
    type: int
    default: 250
seealso:
  - module: octalume.rollback.http_probe_info
  - module: octalume.rollback.smoke_test
"""

EXAMPLES = r"""
- name: Ask whether the release has to be rolled back
  octalume.rollback.prometheus_threshold_info:
    url: https://prometheus.example.com
    checks:
      - name: error_rate
        query: >-
          sum(rate(http_requests_total{app="shop", code=~"5.."}[1m])) / sum(rate(http_requests_total{app="shop"}[1m]))
        fail_if: "> 10%"
        for: 5m
        minimum_traffic:
          query: sum(rate(http_requests_total{app="shop"}[1m]))
          at_least: 1
      - name: p99_latency
        query: histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{app="shop"}[1m])))
        fail_if: "> 5s"
        for: 5m
  register: triggers

- name: Name the triggers that fired
  ansible.builtin.debug:
    msg: "{{ triggers.checks | selectattr('verdict', 'eq', 'fail') | map(attribute='message') }}"

- name: Wait until the release that came back is healthy, for two minutes on end
  octalume.rollback.prometheus_threshold_info:
    url: https://mimir.example.com/prometheus
    headers:
      X-Scope-OrgID: production
    bearer_token: "{{ lookup('ansible.builtin.env', 'MIMIR_TOKEN') }}"
    checks:
      - name: cpu
        query: max(rate(process_cpu_seconds_total{app="shop"}[1m]))
        expect: "< 70%"
        for: 2m
  register: health
  until: health.verdict == 'pass'
  retries: 30
  delay: 10

- name: Try the triggers out on the past week, of which one incident is known
  octalume.rollback.prometheus_threshold_info:
    url: https://prometheus.example.com
    checks: "{{ triggers }}"
    replay: 7d
    incidents:
      - start: 1795400000
        end: 1795401800
  register: backtest
"""

RETURN = r"""
verdict:
  description: The worst verdict of all checks, in the order C(fail), C(error), C(inconclusive), C(pass).
  returned: success
  type: str
  sample: fail
failed_checks:
  description: Names of the checks that failed, that is of the triggers that fired or the expectations not met.
  returned: success
  type: list
  elements: str
  sample: [error_rate]
checks:
  description: One entry per check, in the order given. Numbers that are not finite are the strings NaN, +Inf and -Inf.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
    verdict:
      description: C(pass), C(fail), C(inconclusive) or C(error).
      type: str
    message:
      description: The numbers and what they mean; where data are missing, why, and what to do.
      type: str
      sample: 24.3 % now and > 10 % throughout the last 5m (18.1 % to 26 %).
    value:
      description: Newest value of the series that decides, in the unit of the check; none where there are no data.
      type: raw
      sample: 0.243
    condition:
      description: The option and the condition.
      type: str
      sample: fail_if > 10 %
    operator:
      description: The operator of the condition.
      type: str
    threshold:
      description: The threshold in base units, ratio 0-1 or seconds.
      type: float
      sample: 0.1
    unit:
      description: Unit of value, threshold and samples.
      type: str
      sample: ratio
    for:
      description: Length of the window in seconds.
      type: float
      sample: 300.0
    held:
      description: For how many seconds up to now the state has been bad, within the window.
      type: float
      sample: 300.0
    samples:
      description: Pairs of time (seconds since the epoch) and value of the series that decides.
      type: list
      elements: list
      sample: [[1795421055.9, 0.181], [1795421070.9, 0.243]]
    series:
      description: The series with most bad evaluations, at most 20, the deciding one first.
      type: list
      elements: dict
      contains:
        labels:
          description: Labels of the series.
          type: dict
        verdict:
          description: Verdict of this series alone.
          type: str
        value:
          description: Its newest value.
          type: raw
        held:
          description: As in the check.
          type: float
        evaluations:
          description: Number of evaluations that were C(good), C(bad), C(absent), C(nan), C(quiet) or C(clipped).
          type: dict
    series_count:
      description: How many series the query returned.
      type: int
    warnings:
      description: Warnings of the server, for example that an answer is partial.
      type: list
      elements: str
    error:
      description:
        - Why Prometheus could not be asked. One of C(refused), C(timeout), C(broken), C(name), C(tls), C(unreachable),
          C(proxy), C(unavailable), C(server_error), C(query_timeout), C(bad_query), C(execution), C(denied),
          C(redirect), C(not_found), C(not_prometheus), C(unusable).
      returned: when the verdict is C(error)
      type: str
    replay:
      description: What the check would have said in the past.
      returned: when O(replay) is given and Prometheus could be asked
      type: dict
      contains:
        evaluations:
          description: How often it was judged.
          type: int
        verdicts:
          description: How often with which verdict.
          type: dict
          sample: {"pass": 39900, "fail": 120, "inconclusive": 300, "error": 0}
        firings:
          description: Spans in which every verdict was C(fail), as C(start) and C(end) in seconds since the epoch.
          type: list
          elements: dict
        incidents:
          description: The incidents, each with C(detected) and C(delay), the seconds until the check failed.
          type: list
          elements: dict
        false_alarms:
          description: Firings that belong to no incident; empty where no incidents were given.
          type: list
          elements: dict
time:
  description: End of the windows in seconds since the epoch; none where Prometheus could not be asked.
  returned: success
  type: float
  sample: 1795421070.9
queries:
  description: Number of distinct queries that were asked.
  returned: success
  type: int
  sample: 4
requests:
  description: In how many requests they were asked; many queries share a request.
  returned: success
  type: int
  sample: 4
"""

from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient, check_url
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import http_options, secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, worst
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.ask import evaluate, replay_all
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import (
    CHECK_OPTIONS,
    read_checks,
    result,
)
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.quantity import parse_duration
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.replay import Replay, Span, score
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

INCIDENT_OPTIONS = {"start": {"type": "float", "required": True}, "end": {"type": "float", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "url": {"type": "str", "required": True},
        "checks": {"type": "list", "elements": "dict", "required": True, "options": CHECK_OPTIONS},
        "time": {"type": "float"},
        "delay": {"type": "str", "default": "0"},
        "replay": {"type": "str"},
        "incidents": {"type": "list", "elements": "dict", "default": [], "options": INCIDENT_OPTIONS},
        "retries": {"type": "int", "default": 2},
        "concurrency": {"type": "int", "default": 8},
        "max_samples": {"type": "int", "default": 250},
        **http_options(),
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Judge the checks; what could not be asked is a verdict, not a failed task."""
    params = call.params
    call.secrets.update(secret_headers(params["headers"]))
    checks = read_checks(params["checks"])
    delay = parse_duration(params["delay"], "delay")
    url = check_url(params["url"], "url")
    workers = max(1, params["concurrency"])
    http = HttpClient(Connection.from_params(params), workers)
    client = PrometheusClient(http, url, params["timeout"], max(0, params["retries"]))
    answers = evaluate(client, checks, params["time"], delay, workers)
    entries = [result(outcome, params["max_samples"]) for outcome in answers.outcomes]
    if params["replay"] and answers.time is not None:
        length = parse_duration(params["replay"], "replay")
        incidents = [Span(one["start"], one["end"]) for one in params["incidents"]]
        found = replay_all(client, checks, answers.time, length, workers)
        for check, entry in zip(checks, entries, strict=True):
            past = found[check.name]
            if isinstance(past, Replay):
                entry["replay"] = score(check, past, incidents)
            else:
                entry["warnings"].append(f"replay: {past.message}")
    return {
        "changed": False,
        "verdict": worst(outcome.verdict for outcome in answers.outcomes).value,
        "failed_checks": [outcome.check.name for outcome in answers.outcomes if outcome.verdict is Verdict.FAIL],
        "checks": entries,
        "time": answers.time,
        "queries": answers.queries,
        "requests": answers.requests,
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
