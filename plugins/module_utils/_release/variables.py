# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles say about their variables, held against what an inventory says. No I/O."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

CLOSE = 0.85  # of 1: how much a name has to look like another to be taken for a slip of the hand


@dataclass(frozen=True)
class EntryPoint:
    """One way into a role, and the options that its argument specification gives it."""

    role: str
    name: str
    options: Mapping[str, Mapping[str, Any]]


def entry_point(role: str, name: str, document: Mapping[str, Any]) -> EntryPoint:
    """Read from the parsed ``meta/argument_specs.yml`` of ``role``; without options where it has none of that name."""
    specification = (document.get("argument_specs") or {}).get(name) or {}
    return EntryPoint(role, name, specification.get("options") or {})


def problems(entries: Iterable[EntryPoint], given: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """What is wrong with the values in ``given``, each thing once.

    ``known`` names every variable that is set, also those whose value is not known yet: they are not missing.
    """
    found: dict[str, None] = {}
    names = set(known)
    for entry in entries:
        options = {
            name: {**option, "required": option.get("required", False) and name not in names}
            for name, option in entry.options.items()
        }
        values = {name: value for name, value in given.items() if name in options}
        result = ArgumentSpecValidator(options).validate(values, validate_role_argument_spec=True)
        for message in result.error_messages:
            found.setdefault(f"role {entry.role}: {message}")
    return list(found)


def slips(names: Iterable[str], documents: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Names no role knows, with the one each was probably meant to be.

    Args:
        names: of the variables that are set.
        documents: by role, its parsed argument specifications. Only names that begin with a role's name and an
            underscore are looked at.
    """
    known = {role: _options(document) for role, document in documents.items()}
    found = []
    for name in sorted(names):
        role = next((role for role in known if name.startswith(f"{role}_")), None)
        if role is None or name in known[role]:
            continue
        near = difflib.get_close_matches(name, known[role], n=1, cutoff=CLOSE)
        if near:
            found.append((name, near[0]))
    return found


def _options(document: Mapping[str, Any]) -> Sequence[str]:
    entries = (document.get("argument_specs") or {}).values()
    return list({name: None for entry in entries for name in entry.get("options") or {}})
