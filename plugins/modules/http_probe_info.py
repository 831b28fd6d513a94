#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe_info
version_added: 0.1.0
short_description: Tell whether health checks fail several times in a row
description:
  - Asks one or more HTTP health checks, all at the same time.
  - A target passes with its first good answer, so a healthy one costs a single request. It fails when B(more than)
    O(max_consecutive_failures) probes in a row were bad, which is what a trigger "> 3 consecutive" says.
  - No answer, a broken connection, a wrong status and a wrong body are failures of the service. A name that does not
    resolve, a certificate that is not trusted, no route and a proxy that does not work are troubles of the machine that
    asks; where they keep a target from being judged its verdict is C(error), not C(fail).
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes.info
  - octalume.rollback.web
options:
  targets:
    description: URLs to ask.
    type: list
    elements: str
    required: true
  max_consecutive_failures:
    description: How many failures in a row are forgiven; one more is the verdict C(fail).
    type: int
    default: 3
  interval:
    description: Seconds between two probes of the same target.
    type: float
    default: 1.0
  method:
    description: Method of the requests.
    type: str
    choices: [GET, HEAD, OPTIONS]
    default: GET
  status:
    description: Status codes of a healthy answer.
    type: list
    elements: int
    default: [200]
  body:
    description: Regular expression that a healthy body contains. The first mebibyte is searched.
    type: str
  follow_redirects:
    description: Whether redirects are followed. Where not, a redirect is judged by its own status code.
    type: bool
    default: false
  quorum:
    description: Whether V(any) failing target makes the whole fail, or only V(all) of them together.
    type: str
    choices: [any, all]
    default: any
  concurrency:
    description: How many targets are asked at the same time.
    type: int
    default: 16
seealso:
  - module: octalume.rollback.prometheus_threshold_info
  - module: octalume.rollback.smoke_test
"""

EXAMPLES = r"""
- name: Ask whether the health check fails more than 3 times in a row
  octalume.rollback.http_probe_info:
    targets:
      - https://shop.example.com/health
    max_consecutive_failures: 3
    interval: 5
    timeout: 2
  register: health

- name: Roll back only if every region is down
  octalume.rollback.http_probe_info:
    targets:
      - https://eu.example.com/health
      - https://us.example.com/health
    quorum: all
    body: '"status": *"ok"'
  register: regions
"""

RETURN = r"""
verdict:
  description: The verdict over all targets, C(pass), C(fail) or C(error).
  returned: success
  type: str
  sample: fail
failed_targets:
  description: URLs of the targets that failed.
  returned: success
  type: list
  elements: str
targets:
  description: One entry per target, in the order given. URLs are shown without login and query.
  returned: success
  type: list
  elements: dict
  contains:
    url:
      description: The target.
      type: str
      sample: https://shop.example.com/health
    verdict:
      description: C(pass), C(fail) or C(error).
      type: str
    message:
      description: What was found.
      type: str
      sample: "https://shop.example.com/health: 4 failures in a row (more than 3), the last one: status 503, wanted 200"
    attempts:
      description: Number of probes.
      type: int
      sample: 4
    failures:
      description: Number of probes that failed.
      type: int
      sample: 4
    status:
      description: Status code of the last answer; none where there was none.
      type: int
      sample: 503
    seconds:
      description: Seconds the last answer took; none where there was none.
      type: float
      sample: 0.012
"""

import re
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http.client import (
    Connection,
    HttpClient,
    Request,
    check_url,
)
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import http_options, secret_headers
from ansible_collections.octalume.rollback.plugins.module_utils._http.probe import (
    BODY_LIMIT,
    Expected,
    TargetOutcome,
    probe_all,
)
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, combined
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "targets": {"type": "list", "elements": "str", "required": True},
        "max_consecutive_failures": {"type": "int", "default": 3},
        "interval": {"type": "float", "default": 1.0},
        "method": {"type": "str", "choices": ["GET", "HEAD", "OPTIONS"], "default": "GET"},
        "status": {"type": "list", "elements": "int", "default": [200]},
        "body": {"type": "str"},
        "follow_redirects": {"type": "bool", "default": False},
        "quorum": {"type": "str", "choices": ["any", "all"], "default": "any"},
        "concurrency": {"type": "int", "default": 16},
        **http_options(),
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Probe all targets and judge them together."""
    params = call.params
    call.secrets.update(secret_headers(params["headers"]))
    try:
        body = re.compile(params["body"]) if params["body"] else None
    except re.error as error:
        raise RollbackError(f"body: {params['body']!r} is no regular expression: {error}") from None
    requests = [
        Request(
            check_url(url, "targets"),
            params["method"],
            follow_redirects=params["follow_redirects"],
            limit=BODY_LIMIT,
        )
        for url in params["targets"]
    ]
    outcomes = probe_all(
        HttpClient(Connection.from_params(params), params["concurrency"]),
        requests,
        Expected(tuple(params["status"]), body),
        max(0, params["max_consecutive_failures"]),
        max(0.0, params["interval"]),
        params["concurrency"],
    )
    return {
        "changed": False,
        "verdict": combined((outcome.verdict for outcome in outcomes), params["quorum"]).value,
        "failed_targets": [outcome.url for outcome in outcomes if outcome.verdict is Verdict.FAIL],
        "targets": [result(outcome) for outcome in outcomes],
    }


def result(outcome: TargetOutcome) -> dict[str, Any]:
    """One entry of the result."""
    last = outcome.attempts[-1]
    return {
        "url": outcome.url,
        "verdict": outcome.verdict.value,
        "message": outcome.message,
        "attempts": len(outcome.attempts),
        "failures": sum(attempt.verdict is Verdict.FAIL for attempt in outcome.attempts),
        "status": last.status,
        "seconds": last.seconds,
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
