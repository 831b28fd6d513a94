# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of this collection inside the control process when its target is the control node itself.

A module process costs 0.3 to 0.9 s of CPU on the control node, most of it for unpacking and importing; the same code
called in the worker costs 0.02 s. Delegated to another host, run with ``become``, ``async`` or ``environment``, the
module runs as an ordinary module: same file, same arguments, same result.
"""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible.utils.display import Display
from ansible_collections.octalume.rollback.plugins.module_utils._module import (
    Call,
    RollbackError,
    execute,
    failure,
    who,
)
from ansible_collections.octalume.rollback.plugins.plugin_utils.undisturbed import undisturbed

display = Display()

# This file is first imported by the control process. What it loads, every worker inherits; a filter or a test that only
# workers ask for is found and compiled again for each task, with everything it imports. Asking for one loads all.
with contextlib.suppress(KeyError):  # where this is imported by something else than Ansible, which knows no collections
    filter_loader.get("octalume.rollback.pick")
    test_loader.get("ansible.builtin.truthy")
# And what is there now stays: a worker that is forked when a full collection is due would go through all of it, which
# takes longer than most tasks, and would copy every page of it.
gc.freeze()

# AnsibleModule's names for the relations between arguments are the validator's names too.
RELATIONS = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
# How an inventory names the Python of the control process, and what Ansible takes for "look for one yourself".
OWN = "{{ ansible_playbook_python }}"
ANY = ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent")


def _environment(interpreter: Any) -> str:
    """The folder a Python lies in, whatever links lead there: a virtual environment, with its libraries."""
    return str(Path(str(interpreter)).parent.resolve())


def _show(line: str) -> None:
    with undisturbed():
        display.display(line)


class InProcess(ActionBase):  # type: ignore[misc]
    """Base of the action plugins: a subclass only names its module."""

    module: ClassVar[ModuleType]
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module here if here is where it belongs, else hand it to Ansible's module runner."""
        self._supports_check_mode = True
        self._supports_async = True
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if not self._belongs_here(task_vars):
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}
        return {**result, **self._run_here(task_vars)}

    def _belongs_here(self, task_vars: dict[str, Any]) -> bool:
        interpreter = task_vars.get("ansible_python_interpreter")
        if interpreter != OWN:  # what most inventories say needs no template engine to be understood
            interpreter = self._templar.template(interpreter)
        own = task_vars.get("ansible_playbook_python")
        return (
            self._connection.transport in ("local", "ansible.builtin.local")
            and not self._task.async_val
            and not self._play_context.become
            and not any(self._task.environment or [])
            and (interpreter in (None, OWN, *ANY) or _environment(interpreter) == _environment(own))
        )

    def _run_here(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = self.module.ARGUMENTS
        if self._task.check_mode and not arguments.get("supports_check_mode"):
            return {"skipped": True, "msg": "the module does not support check mode"}
        spec = arguments["argument_spec"]
        validator = ArgumentSpecValidator(spec, **{name: arguments[name] for name in RELATIONS if name in arguments})
        validated = validator.validate(dict(self._task.args))
        if validated.error_messages:
            # As AnsibleModule says it: the first error, with a heading for names it does not know.
            first = validated.errors[0]
            heading = f"Unsupported parameters for ({self._task.action}) module: "
            raise AnsibleActionFail((heading if isinstance(first, UnsupportedError) else "") + first.msg)
        secrets: set[str] = set()
        call = Call(
            params=validated.validated_parameters,
            check_mode=self._task.check_mode,
            diff=self._task.diff,
            warn=display.warning,
            progress=lambda message: _show(f"  {task_vars.get('inventory_hostname', '')}: {message}"),
            # Ansible forks a worker for every task: its parent is the control process.
            caller=f"{who()}/{os.getppid()}",
            environment=str(task_vars.get("inventory_hostname") or ""),
            secrets=secrets,
        )
        try:
            outcome = execute(self.module.run, call)
        except RollbackError as error:
            outcome = failure(error)
        secrets.update(validated._no_log_values)
        cleaned: dict[str, Any] = remove_values(outcome, secrets)
        return cleaned
