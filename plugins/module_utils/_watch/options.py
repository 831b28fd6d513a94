# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads options that other modules document, by those modules' own specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._module import RollbackError

Spec = Mapping[str, Mapping[str, Any]]


def read_all(entries: Sequence[Mapping[str, Any]], spec: Spec, where: str) -> list[dict[str, Any]]:
    """``entries`` with types and defaults as ``spec`` says; RollbackError names the faulty one."""
    return [read(entry, spec, f"{where}[{number}]")[0] for number, entry in enumerate(entries)]


def read(entry: Mapping[str, Any], spec: Spec, where: str) -> tuple[dict[str, Any], set[str]]:
    """``entry`` with types and defaults, and its values that must not be shown."""
    validated = ArgumentSpecValidator(dict(spec)).validate(dict(entry))
    if validated.error_messages:
        raise RollbackError(f"{where}: {'; '.join(validated.error_messages)}")
    return dict(validated.validated_parameters), set(validated._no_log_values)
