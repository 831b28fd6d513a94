# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides the way down, without any input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .model import Migration, Plan, Script, Status, Step


def same(one: str, other: str) -> bool:
    """Whether two versions are one: ``042`` is ``42``."""
    if one.isdigit() and other.isdigit():
        return int(one) == int(other)
    return one == other


def resolve(target: str, known: list[str]) -> str | None:
    """The known version that ``target`` means: itself, or the only one that begins with it; None if there is none."""
    for version in known:
        if same(version, target):
            return version
    if not target or (target.isdigit() and all(version.isdigit() for version in known)):
        return None  # 4 does not mean 42, and nothing means nothing
    begins = [version for version in known if version.startswith(target)]
    return begins[0] if len(begins) == 1 else None


def plan_down(status: Status, target: str, base: str) -> Plan:
    """The steps from ``status`` down to ``target``, newest first; ``base`` is the tool's name for an empty schema."""
    problems = [*status.problems]
    if status.dirty:
        problems.append(
            f"the schema is dirty at {status.current}: a migration broke off half-way; repair it by hand and clear the"
            " mark with the tool before anything else"
        )
    if same(status.current, target):
        return Plan(status.current, status.current, "none", problems=tuple(problems))
    if status.applied is None:
        return _plan_numbers(status, target, problems)
    versions = [migration.version for migration in status.applied]
    found = resolve(target, [base, *versions])
    if found is None:
        ahead = resolve(target, list(status.pending))
        if ahead is not None:
            problems.append(f"{target} is not below the current version {status.current}: that way is up, not down")
            return Plan(status.current, ahead, "up", problems=tuple(problems))
        problems.append(
            f"{target} is not among the applied versions ({', '.join(versions[-10:]) or 'none'}) nor {base};"
            " name one of them"
        )
        return Plan(status.current, target, "unknown", problems=tuple(problems))
    if versions and same(found, versions[-1]):
        return Plan(status.current, found, "none", problems=tuple(problems))
    position = 0 if found == base else versions.index(found) + 1
    below = [base, *versions]
    steps = [
        Step(migration.version, below[number], migration.name)
        for number, migration in enumerate(status.applied)
        if number >= position
    ]
    return Plan(status.current, found, "down", tuple(reversed(steps)), tuple(problems))


def _plan_numbers(status: Status, target: str, problems: list[str]) -> Plan:
    """Without a list of what is applied numbers are compared; scripts, if any are known, tell the single steps."""
    if not (status.current.isdigit() and target.isdigit()):
        problems.append(
            f"{target!r} and the current version {status.current!r} are not both numbers and the tool lists no applied"
            " versions, so nobody can tell which way it is"
        )
        return Plan(status.current, target, "unknown", problems=tuple(problems))
    if int(target) > int(status.current):
        problems.append(f"{target} is above the current version {status.current}: that way is up, not down")
        return Plan(status.current, target, "up", problems=tuple(problems))
    between = [one for one in status.scripts if int(target) < int(one.version) < int(status.current)]
    name = next((one.name for one in status.scripts if same(one.version, status.current)), "")
    down = [Migration(status.current, name), *sorted(between, key=lambda one: -int(one.version))]
    ends = [*(one.version for one in down[1:]), target]
    steps = tuple(Step(one.version, end, one.name) for one, end in zip(down, ends, strict=True))
    return Plan(status.current, target, "down", steps, tuple(problems))


def script_problems(steps: tuple[Step, ...], scripts: Mapping[str, Script]) -> list[str]:
    """The steps that cannot be run because their way down is missing or says that there is none."""
    return [
        f"step {step.version} cannot be undone: {scripts[step.version].problem}"
        for step in steps
        if step.version in scripts and scripts[step.version].problem
    ]


def told_with_others(steps: tuple[Step, ...], scripts: Mapping[str, Script]) -> tuple[Step, ...]:
    """The steps, with what each undoes of other applications in its name."""
    named = []
    for step in steps:
        others = scripts[step.version].others if step.version in scripts else ()
        words = " ".join([step.name] * bool(step.name) + [f"and {', '.join(others)}"] * bool(others))
        named.append(replace(step, name=words))
    return tuple(named)
