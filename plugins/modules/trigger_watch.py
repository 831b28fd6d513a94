#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: trigger_watch
version_added: 0.1.0
short_description: Watch a release until a trigger fires
description:
  - Asks the automatic triggers of a rollback every O(interval), and returns when one of them fires, when O(duration) is
    over, or when the release is not live any more.
  - A trigger fires no later than one O(interval) after its state has been bad for its whole window.
  - Shows one line for each look, where it runs on the control node.
  - A Prometheus that is away or restarts ends no watch; it is asked again at the next look. Only a first look which
    shows that nothing will ever be seen, such as a refused login, fails.
  - Changes nothing; rolling back is the playbook's part.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.web
options:
  url:
    description: Address of Prometheus; wanted with O(triggers).
    type: str
  triggers:
    description:
      - Checks of metrics, as O(octalume.rollback.prometheus_threshold_info#module:checks), each with C(fail_if).
    type: list
    elements: dict
    default: []
  probes:
    description:
      - URLs of health checks, which are asked all the time. They get none of the login of O(url).
    type: list
    elements: str
    default: []
  max_consecutive_failures:
    description: How many failures of a probe in a row are forgiven.
    type: int
    default: 3
  probe_interval:
    description: Seconds between two probes of the same URL.
    type: float
    default: 5
  interval:
    description: Time between two looks, as seconds or a duration such as V(15s).
    type: str
    default: 15s
  duration:
    description: For how long to watch, such as V(2h); V(0) has no end.
    type: str
    default: 1h
  workloads:
    description:
      - What tells that the release is still live, as O(octalume.rollback.k8s_rollout_info#module:workloads). Without
        any the release counts as live.
    type: list
    elements: dict
    default: []
  kubernetes:
    description: How to log in to the cluster of O(workloads), by the options of M(kubernetes.core.k8s_info).
    type: dict
    default: {}
  live_interval:
    description: Seconds between two questions to the cluster; it is asked as well when a trigger fires.
    type: float
    default: 60
seealso:
  - module: octalume.rollback.prometheus_threshold_info
  - module: octalume.rollback.http_probe_info
  - module: octalume.rollback.rollback_decision_info
"""

EXAMPLES = r"""
- name: Watch the new release for two hours
  octalume.rollback.trigger_watch:
    url: https://prometheus.example.com
    triggers:
      - name: Error Rate
        query: >-
          sum(rate(http_requests_total{app="shop", code=~"5.."}[1m])) / sum(rate(http_requests_total{app="shop"}[1m]))
        fail_if: "> 10%"
        for: 5m
    probes: [https://shop.example.com/health]
    interval: 15s
    duration: 2h
  register: watched

- name: Say what fired
  ansible.builtin.debug:
    msg: "{{ watched.triggers | selectattr('verdict', 'eq', 'fail') | map(attribute='message') }}"
  when: watched.outcome == 'fired'
"""

RETURN = r"""
outcome:
  description: V(fired), V(over) when the time was over, V(gone) when the release is not live any more.
  returned: success
  type: str
  sample: fired
message:
  description: The same in a sentence.
  returned: success
  type: str
  sample: "Error Rate: 24.3 % now and > 10 % throughout the last 5m (18.1 % to 26 %)"
triggers:
  description: Every trigger at the last look, as M(octalume.rollback.rollback_decision_info) takes them.
  returned: success
  type: list
  elements: dict
  sample: [{name: Error Rate, verdict: fail, message: 24.3 % now, threshold: fail_if > 10 %, held: 300.0}]
looks:
  description: How many looks had which worst verdict.
  returned: success
  type: dict
  sample: {"pass": 38, "fail": 1, "inconclusive": 0, "error": 2}
seconds:
  description: How long it watched.
  returned: success
  type: float
  sample: 585.2
"""

import threading
import time
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient, check_url
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import http_options, secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.adapter import AUTH_ARGUMENTS, connect
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.arguments import WORKLOADS
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.model import Workload
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import CHECK_OPTIONS, read_checks
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.quantity import parse_duration
from ansible_collections.octalume.rollback.plugins.module_utils._watch import sources
from ansible_collections.octalume.rollback.plugins.module_utils._watch.loop import Watched, watch
from ansible_collections.octalume.rollback.plugins.module_utils._watch.model import Schedule
from ansible_collections.octalume.rollback.plugins.module_utils._watch.options import read, read_all

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "url": {"type": "str"},
        "triggers": {"type": "list", "elements": "dict", "default": []},
        "probes": {"type": "list", "elements": "str", "default": []},
        "max_consecutive_failures": {"type": "int", "default": 3},
        "probe_interval": {"type": "float", "default": 5},
        "interval": {"type": "str", "default": "15s"},
        "duration": {"type": "str", "default": "1h"},
        "workloads": {"type": "list", "elements": "dict", "default": []},
        "kubernetes": {"type": "dict", "default": {}},
        "live_interval": {"type": "float", "default": 60},
        **http_options(),
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Watch, and say how it ended."""
    params, news = call.params, threading.Event()
    call.secrets.update(secret_headers(params["headers"]))
    schedule = Schedule(
        parse_duration(params["interval"], "interval"),
        parse_duration(params["duration"], "duration"),
        params["live_interval"],
    )
    if schedule.interval <= 0:
        raise RollbackError("interval: looks need some time between them, such as 15s")
    if not params["triggers"] and not params["probes"]:
        raise RollbackError("there are neither triggers nor probes, so nothing can be watched; set decision_triggers")
    urls = [check_url(url, "probes") for url in params["probes"]]
    probes = sources.Probes(params, urls, params["max_consecutive_failures"], params["probe_interval"], news)
    with probes:
        triggers = sources.All(_metrics(call, schedule), probes)
        return _result(watch(triggers, _alive(call), schedule, sources.Ticking(news), lambda text: _tell(call, text)))


def _metrics(call: Call, schedule: Schedule) -> sources.Metrics | None:
    params = call.params
    if not params["triggers"]:
        return None
    if not params["url"]:
        raise RollbackError("url: the address of Prometheus is missing; set prometheus_connection")
    checks = read_checks(read_all(params["triggers"], CHECK_OPTIONS, "triggers"))
    # A query that takes longer than a look would make every decision late.
    timeout = min(params["timeout"], schedule.interval)
    return sources.Metrics(
        HttpClient(Connection.from_params(params), 8), check_url(params["url"], "url"), timeout, checks
    )


def _alive(call: Call) -> Any:
    entries = read_all(call.params["workloads"], WORKLOADS["options"], "workloads")
    workloads = [Workload.from_params(entry) for entry in entries]
    if not workloads:
        return str  # of nothing: always live
    login, secrets = read(call.params["kubernetes"], AUTH_ARGUMENTS, "kubernetes")
    call.secrets.update(secrets)
    return sources.live(ApiServer(connect(login, call.warn)), workloads, lambda text: _tell(call, text))


def _tell(call: Call, text: str) -> None:
    call.progress(f"{time.strftime('%H:%M:%S')}  {text}")


def _result(watched: Watched) -> dict[str, Any]:
    fired = [f"{one.name}: {one.message.rstrip('.')}" for one in watched.triggers if one.verdict is Verdict.FAIL]
    looks = {verdict.value: watched.verdicts.get(verdict, 0) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in looks.items() if count)
    messages = {
        "fired": "; ".join(fired),
        "over": f"no trigger fired in {watched.seconds:.0f} s (looks: {told})",
        "gone": f"the release is not live: {watched.gone}",
    }
    return {
        "changed": False,
        "outcome": watched.ended.value,
        "message": messages[watched.ended.value],
        "triggers": [one.as_result() for one in watched.triggers],
        "looks": looks,
        "seconds": round(watched.seconds, 1),
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
