# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that makes tests for the alert rules made of the triggers of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_alert_tests
version_added: 0.1.0
short_description: Make tests for the alert rules made of checks
description:
  - Takes the same checks as P(octalume.rollback.prometheus_alert_rules#filter) and returns what C(promtool test rules)
    needs to test its rules.
  - What a query measures cannot be made up, so two things are tested. The real rules fire nothing where there are no
    data, unless their query is made to, as with C(absent). And rules of the same checks, with a made-up metric in place
    of each query, fire when the bad state has lasted for the check's C(for) and not an evaluation earlier, and do as
    the check says about good values, NaN, too little traffic and missing data.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The checks.
    type: list
    elements: dict
    required: true
  rules:
    description: Name of the file with the real rules, in the folder of the tests.
    type: str
    required: true
  stand_ins:
    description: Name of the file for the rules with made-up metrics, in the same folder.
    type: str
    required: true
  interval:
    description: Time between two evaluations, as seconds or a duration.
    type: str
    default: 15s
  labels:
    description: The labels that the real rules were made with.
    type: dict
    default: {}
seealso:
  - plugin: octalume.rollback.prometheus_alert_rules
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Make the tests
  ansible.builtin.set_fact:
    made: "{{ triggers | octalume.rollback.prometheus_alert_tests(rules='a.rules.yml', stand_ins='a.made-up.yml') }}"

- name: Write them beside a.rules.yml
  ansible.builtin.copy:
    dest: "{{ item.name }}"
    content: "{{ item.content | ansible.builtin.to_nice_yaml }}"
    mode: "0644"
  loop:
    - {name: a.made-up.yml, content: "{{ made.stand_ins }}"}
    - {name: a.tests.yml, content: "{{ made.tests }}"}

- name: Run them
  ansible.builtin.command:
    argv: [promtool, test, rules, a.tests.yml]
  changed_when: false
"""

RETURN = r"""
_value:
  description:
    - A mapping of C(stand_ins), the content of the rule file with made-up metrics, and C(tests), that of the test file.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.octalume.rollback.plugins.filter.prometheus_alert_rules import checks_of
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.quantity import parse_duration
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.rule_tests import (
    alert_tests,
    stand_in_rules,
)


def prometheus_alert_tests(
    checks: Sequence[Mapping[str, Any]],
    rules: str,
    stand_ins: str,
    interval: str = "15s",
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The contents of the test file and of the rule file with made-up metrics."""
    read = checks_of("prometheus_alert_tests", checks)
    try:
        seconds = parse_duration(interval, "interval")
    except RollbackError as error:
        raise AnsibleFilterError(f"prometheus_alert_tests: {error.message}") from None
    return {
        "stand_ins": stand_in_rules(read, labels or {}),
        "tests": alert_tests(read, rules, stand_ins, seconds, labels or {}),
    }


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"prometheus_alert_tests": prometheus_alert_tests}
