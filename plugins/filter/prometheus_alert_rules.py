# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter that makes Prometheus alert rules out of the triggers of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_alert_rules
version_added: 0.1.0
short_description: Make Prometheus alert rules out of checks
description:
  - Takes checks as M(octalume.rollback.prometheus_threshold_info) does and returns the content of a rule file, so that
    the alerts that page people and the triggers that roll back come from one place.
  - A check with C(fail_if) becomes an alert that fires when the bad state has lasted for the check's C(for). A check
    with C(expect) becomes an alert that fires when the good state is missed once.
  - Missing data fire no alert, as they let no check fail; with C(no_data=fail) there is a second alert for them.
  - Not carried over are C(minimum_coverage), since an alert starts anew after every gap, and the search for the last
    bucket of a histogram; give C(ceiling) where the threshold is at the last bucket.
author: The octalume.rollback authors (@octalume)
positional: _input
options:
  _input:
    description: The checks.
    type: list
    elements: dict
    required: true
  group:
    description: Name of the group of rules.
    type: str
    default: rollback
  interval:
    description: How often Prometheus evaluates the group; its own default where not given.
    type: str
  labels:
    description: Labels for every alert, in addition to C(check), the name of the check.
    type: dict
    default: {}
  annotations:
    description: Annotations for every alert; C(summary) is there already and may be replaced.
    type: dict
    default: {}
seealso:
  - plugin: octalume.rollback.prometheus_threshold_info
    plugin_type: module
  - plugin: octalume.rollback.prometheus_alert_tests
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the alert rules that match the triggers
  ansible.builtin.copy:
    dest: rollback.rules.yml
    content: >-
      {{ triggers
         | octalume.rollback.prometheus_alert_rules(labels={'release': '1.4.2', 'severity': 'page'})
         | ansible.builtin.to_nice_yaml }}
    mode: "0644"
    validate: promtool check rules %s
"""

RETURN = r"""
_value:
  description: A mapping with the key C(groups), as Prometheus reads it from a rule file.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.model import Check
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.options import CHECK_OPTIONS, read_checks
from ansible_collections.octalume.rollback.plugins.module_utils._prometheus.rules import alert_rules

SPEC = {"checks": {"type": "list", "elements": "dict", "required": True, "options": CHECK_OPTIONS}}


def prometheus_alert_rules(
    checks: Sequence[Mapping[str, Any]],
    group: str = "rollback",
    interval: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of a rule file for ``checks``."""
    return alert_rules(checks_of("prometheus_alert_rules", checks), group, interval, labels or {}, annotations or {})


def checks_of(name: str, entries: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks that a playbook gave to the filter ``name``."""
    validated = ArgumentSpecValidator(SPEC).validate({"checks": list(entries)})
    if validated.error_messages:
        raise AnsibleFilterError(f"{name}: {'; '.join(validated.error_messages)}")
    try:
        return read_checks(validated.validated_parameters["checks"])
    except RollbackError as error:
        raise AnsibleFilterError(f"{name}: {error.message}") from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"prometheus_alert_rules": prometheus_alert_rules}
