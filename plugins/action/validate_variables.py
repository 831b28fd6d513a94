# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the variables of roles before the first of them is needed: reads the play's variables, so it is no module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.octalume.rollback.plugins.module_utils._release import variables

ROLES = Path(__file__).resolve().parents[2] / "roles"

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """Hold what is set against what the roles say."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with everything that is wrong at once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(
            {
                "entry_points": {
                    "type": "list",
                    "elements": "dict",
                    "required": True,
                    "options": {"role": {"type": "str", "required": True}, "tasks": {"type": "str", "default": "main"}},
                }
            }
        )
        task_vars = task_vars or {}
        wanted = [(entry["role"], entry["tasks"]) for entry in arguments["entry_points"]]
        documents = {role: self._specifications(role) for role in dict.fromkeys(role for role, _entry in wanted)}
        entries = [variables.entry_point(role, entry, documents[role]) for role, entry in dict.fromkeys(wanted)]
        given = self._values({name for entry in entries for name in entry.options}, task_vars)
        for name, near in variables.slips(task_vars, documents):
            display.warning(f"no role knows the variable {name}; was {near} meant?")
        wrong = variables.problems(entries, given, task_vars)
        if wrong:
            raise AnsibleActionFail(f"Nothing was touched, as variables are wrong: {'; '.join(wrong)}")
        return {**result, "changed": False, "checked": sorted(given)}

    def _specifications(self, role: str) -> dict[str, Any]:
        path = ROLES / role / "meta" / "argument_specs.yml"
        if not path.is_file():
            raise AnsibleActionFail(f"octalume.rollback has no role {role}")
        document: dict[str, Any] = self._loader.load_from_file(str(path), unsafe=True)  # no copy of it
        return document

    def _values(self, names: set[str], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Those that can be said by now."""
        values = {}
        for name in sorted(names & task_vars.keys()):
            try:
                values[name] = self._templar.template(task_vars[name])
            except AnsibleError:
                display.vvv(f"{name} is made of something that is not known yet")
        return values
