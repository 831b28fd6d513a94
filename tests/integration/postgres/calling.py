# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls a module's code as both of its runners do: arguments validated by the module's own spec."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call

from tests.returned import seen


def call(
    module: ModuleType,
    *,
    check_mode: bool = False,
    diff: bool = False,
    warnings: list[str] | None = None,
    progress: list[str] | None = None,
    **args: Any,
) -> dict[str, Any]:
    """The result of ``module`` for ``args``; errors of the module are raised."""
    spec = dict(module.ARGUMENTS)
    spec.pop("supports_check_mode")
    validated = ArgumentSpecValidator(spec.pop("argument_spec"), **spec).validate(args)
    assert not validated.error_messages, validated.error_messages
    heard = warnings if warnings is not None else []
    request = Call(
        params=validated.validated_parameters,
        check_mode=check_mode,
        diff=diff,
        warn=heard.append,
        progress=(progress if progress is not None else []).append,
    )
    result: dict[str, Any] = module.run(request)
    seen(module, result)
    return result
