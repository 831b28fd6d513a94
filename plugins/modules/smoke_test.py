#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: smoke_test
version_added: 0.1.0
short_description: Prove that a service works, from outside
description:
  - Runs declared checks against a running service. A check is an HTTP request with expectations on its answer, a TCP
    connection, a command or an SQL query.
  - Checks run side by side. A check that needs another one, or that uses a value another one extracts, waits for it.
    Where that one does not pass, the waiting check is not run and its verdict is C(inconclusive).
  - A value extracted by one check is available to the others as C(${name}). This notation is left alone by Jinja.
    Extracted values and O(secrets) are never shown.
  - A check that does not pass is repeated until O(deadline), unless repeating could do harm.
  - In check mode nothing is asked; the result says what would be, with the verdict C(inconclusive), and the task is
    not failed.
author: The octalume.rollback authors (@octalume)
extends_documentation_fragment:
  - octalume.rollback.attributes
  - octalume.rollback.web
  - octalume.rollback.lock
attributes:
  check_mode:
    support: full
    description: Asks nothing, because a check such as a login may leave traces.
  diff_mode:
    support: N/A
    description: Changes nothing, so there is nothing to show.
  idempotent:
    support: full
    description: Changes nothing by itself; what a check does to the service is up to the check.
options:
  base_url:
    description: Address that the paths of HTTP checks are put to.
    type: str
  checks:
    description: What to check.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the check, unique in the list.
        type: str
        required: true
      http:
        description: A request and what its answer has to be. All expectations have to be met.
        type: dict
        suboptions:
          path:
            description: Path under O(base_url), or a whole URL.
            type: str
            required: true
          method:
            description: Method of the request.
            type: str
            choices: [GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE]
            default: GET
          headers:
            description: Headers of this request, in addition to O(headers).
            type: dict
          body:
            description: Body as text.
            type: str
          body_json:
            description: Body as data, sent as JSON.
            type: raw
          form:
            description: Body as fields of a form.
            type: dict
          follow_redirects:
            description: Whether redirects are followed.
            type: bool
            default: false
          status:
            description: Status codes of a good answer.
            type: list
            elements: int
            default: [200]
          json:
            description:
              - Rules for the JSON of the answer. A rule with nothing but a path wants something there that is not null
                and not empty.
            type: list
            elements: dict
            suboptions:
              path:
                description: JSON path, such as C($.token) or C($.items[*].id).
                type: str
                required: true
              equals:
                description:
                  - The value that has to be there. A text also equals a number or boolean that is written like it.
                type: raw
              matches:
                description: Regular expression found in the value.
                type: str
              min_items:
                description: Fewest entries of the list or mapping at the path, or fewest places the path leads to.
                type: int
          regex:
            description: Regular expression found in the body.
            type: str
          answer_headers:
            description: Headers the answer must have, each with a regular expression found in its value.
            type: dict
          max_seconds:
            description: Most seconds until the answer is complete.
            type: float
          extract:
            description: Values for other checks, as a mapping of name to JSON path.
            type: dict
      tcp:
        description: A port that has to accept connections.
        type: dict
        suboptions:
          host:
            description: Host name or address.
            type: str
            required: true
          port:
            description: Number of the port.
            type: int
            required: true
      command:
        description: A program run on the machine the module runs on, without a shell.
        type: dict
        suboptions:
          argv:
            description: The program and its arguments. Secrets do not belong here, every user of the machine sees them.
            type: list
            elements: str
            required: true
          rc:
            description: Exit status of success.
            type: int
            default: 0
          regex:
            description: Regular expression found in the standard output.
            type: str
      sql:
        description: A query against PostgreSQL, in a read-only transaction.
        type: dict
        suboptions:
          query:
            description: The query.
            type: str
            required: true
          equals:
            description: What the first column of the first row has to be.
            type: raw
          min_rows:
            description: Fewest rows.
            type: int
            default: 1
          login_host:
            description: Host of the database.
            type: str
          login_port:
            description: Port of the database.
            type: int
            default: 5432
          login_user:
            description: User of the database.
            type: str
          login_password:
            description: Password of the user.
            type: str
          login_db:
            description: Name of the database.
            type: str
            required: true
      needs:
        description: Names of checks that have to pass first, where that does not follow from C(${name}) already.
        type: list
        elements: str
        default: []
      retry:
        description:
          - When the check is repeated after a failure. V(safe) repeats what reads, and what writes only if the answer
            shows that nothing was done (connection refused, status 429, 502, 503, 504); so a wrong password does not
            lock an account. TCP and SQL checks read; commands are taken to read too, unless one does not end in time.
        type: str
        choices: [safe, always, never]
        default: safe
      timeout:
        description: Seconds for one attempt of this check, instead of O(timeout).
        type: float
  secrets:
    description: Values for C(${name}) that are never shown, such as passwords. Short values are blanked as well.
    type: dict
  deadline:
    description: Seconds from the start until which failed checks are repeated; V(0) tries each once.
    type: float
    default: 30.0
  interval:
    description: Seconds between two attempts.
    type: float
    default: 1.0
  concurrency:
    description: How many checks run at the same time.
    type: int
    default: 8
  junit_path:
    description: File for the results as JUnit XML.
    type: path
  suite:
    description: Name of the test suite in the JUnit XML.
    type: str
    default: smoke tests
  fail_task:
    description: Whether the task fails when a check has any other verdict than C(pass).
    type: bool
    default: true
requirements:
  - jsonpath-ng >= 1.6, for JSON rules and extracted values
  - psycopg2, for SQL checks
seealso:
  - module: octalume.rollback.http_probe_info
  - module: octalume.rollback.prometheus_threshold_info
"""

EXAMPLES = r"""
- name: Prove that the release that came back works
  octalume.rollback.smoke_test:
    base_url: https://shop.example.com
    deadline: 60
    secrets:
      password: "{{ smoke_test_password }}"
    checks:
      - name: Health Check
        http:
          path: /health
      - name: Version Check
        http:
          path: /version
          json:
            - path: $.version
              equals: 1.4.1
      - name: Login
        http:
          path: /auth/login
          method: POST
          body_json:
            username: smoke
            password: ${password}
          extract:
            token: $.token
      - name: Core Function
        http:
          path: /api/products
          headers:
            Authorization: Bearer ${token}
          json:
            - path: $.products
              min_items: 1
          max_seconds: 1
    junit_path: "{{ playbook_dir }}/smoke.xml"

- name: Check what is behind the service as well
  octalume.rollback.smoke_test:
    checks:
      - name: cache
        tcp:
          host: cache.example.com
          port: 6379
      - name: orders are there
        sql:
          login_host: db.example.com
          login_user: readonly
          login_password: "{{ readonly_password }}"
          login_db: shop
          query: SELECT 1 FROM orders LIMIT 1
      - name: certificate
        command:
          argv: [openssl, x509, -in, /etc/ssl/shop.pem, -noout, -checkend, "86400"]
    fail_task: false
  register: smoke
"""

RETURN = r"""
verdict:
  description: The worst verdict of all checks, in the order C(fail), C(error), C(inconclusive), C(pass).
  returned: always
  type: str
  sample: pass
passed:
  description: How many checks passed.
  returned: always
  type: int
  sample: 4
failed_tests:
  description: Names of the checks that did not pass, whatever else their verdict is.
  returned: always
  type: list
  elements: str
  sample: []
tests:
  description: One entry per check, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      type: str
      sample: Version Check
    verdict:
      description: C(pass), C(fail), C(inconclusive) (not run) or C(error) (could not be asked).
      type: str
      sample: fail
    message:
      description: What was found.
      type: str
      sample: $.version is 1.4.2, wanted 1.4.1 (30 attempts)
    status:
      description: Status code of the last answer or exit status of the command; none where there was neither.
      type: int
      sample: 200
    seconds:
      description: Seconds the last attempt took.
      type: float
      sample: 0.012
    attempts:
      description: How often it was tried.
      type: int
      sample: 1
seconds:
  description: Seconds all checks took together.
  returned: always
  type: float
  sample: 0.09
"""

import time
from typing import Any

from ansible_collections.octalume.rollback.plugins.module_utils._http import junit
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import Connection, HttpClient
from ansible_collections.octalume.rollback.plugins.module_utils._http.options import (
    http_options,
    secret_fields,
    secret_headers,
)
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_model import SmokeOutcome, SmokeTest, order
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_options import CHECK_OPTIONS, read_tests
from ansible_collections.octalume.rollback.plugins.module_utils._http.smoke_run import SmokeRunner
from ansible_collections.octalume.rollback.plugins.module_utils._http.verdict import Verdict, worst
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, RollbackError, run_module
from ansible_collections.octalume.rollback.plugins.module_utils._release.fence import LOCK

ARGUMENTS: dict[str, Any] = {
    "argument_spec": {
        "lock": LOCK,
        "base_url": {"type": "str"},
        "checks": {"type": "list", "elements": "dict", "required": True, "options": CHECK_OPTIONS},
        "secrets": {"type": "dict", "no_log": True},
        "deadline": {"type": "float", "default": 30.0},
        "interval": {"type": "float", "default": 1.0},
        "concurrency": {"type": "int", "default": 8},
        "junit_path": {"type": "path"},
        "suite": {"type": "str", "default": "smoke tests"},
        "fail_task": {"type": "bool", "default": True},
        **http_options(),
    },
    "supports_check_mode": True,
}


def run(call: Call) -> dict[str, Any]:
    """Run the checks; fail where asked to."""
    params = call.params
    secrets = {name: str(value) for name, value in (params["secrets"] or {}).items()}
    call.secrets.update(secret_headers(params["headers"]))
    for entry in params["checks"]:
        call.secrets.update(secret_fields(entry["http"]))
    tests = read_tests(params["checks"], params["base_url"], params["timeout"], secrets)
    started = time.monotonic()
    outcomes = _planned(tests, secrets) if call.check_mode else _run(call, tests, secrets)
    result: dict[str, Any] = {
        "changed": False,
        "verdict": worst(outcome.verdict for outcome in outcomes).value,
        "passed": sum(outcome.verdict is Verdict.PASS for outcome in outcomes),
        "failed_tests": [outcome.test.name for outcome in outcomes if outcome.verdict is not Verdict.PASS],
        "tests": [_result(outcome) for outcome in outcomes],
        "seconds": round(time.monotonic() - started, 3),
    }
    if params["junit_path"] and not call.check_mode:
        junit.write(params["junit_path"], junit.document(params["suite"], outcomes))
    if result["verdict"] != Verdict.PASS.value and params["fail_task"] and not call.check_mode:
        found = [f"{one['name']}: {one['message']}" for one in result["tests"] if one["verdict"] != Verdict.PASS.value]
        raise RollbackError(f"{len(found)} of {len(outcomes)} smoke tests did not pass. {'; '.join(found)}", **result)
    return result


def _run(call: Call, tests: list[SmokeTest], secrets: dict[str, str]) -> list[SmokeOutcome]:
    params = call.params
    http = HttpClient(Connection.from_params(params), params["concurrency"])
    runner = SmokeRunner(http, params["deadline"], params["interval"], params["concurrency"])
    return runner.run(tests, secrets, call.secrets)


def _planned(tests: list[SmokeTest], secrets: dict[str, str]) -> list[SmokeOutcome]:
    """What would be asked; a list that could not be run is an error here too."""
    order(tests, secrets)
    return [SmokeOutcome(test, Verdict.INCONCLUSIVE, "not asked in check mode") for test in tests]


def _result(outcome: SmokeOutcome) -> dict[str, Any]:
    return {
        "name": outcome.test.name,
        "verdict": outcome.verdict.value,
        "message": outcome.message,
        "status": outcome.status,
        "seconds": round(outcome.seconds, 4),
        "attempts": outcome.attempts,
    }


def main() -> None:
    """Run as a module process."""
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
