# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides, without asking anybody, whether secrets can be brought back and what that changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .._module import RollbackError
from .model import Difference, Observation, Reading, Step, Target

EXACT = 2**53  # integers beyond it are not all representable in Vault's 64 bit floating point numbers
POLICY = "docs/policies/vault-rollback.hcl shows the policy that is just enough"


def targets(secrets: Sequence[Mapping[str, Any]], *, live: bool = False) -> tuple[Target, ...]:
    """The module's ``secrets`` option, checked: absolute versions, plain paths, no secret twice.

    With ``live`` a version may be 0, as Vault has it: the live one, whatever its number.
    """
    found: list[Target] = []
    for secret in secrets:
        mount, path = secret["engine_mount_point"].strip("/"), secret["path"].strip("/")
        target = Target(mount, path, secret["version"], secret.get("current"))
        for name, place in (("engine_mount_point", mount), ("path", path)):
            if any(part in ("", ".", "..") for part in place.split("/")):
                raise RollbackError(f"secrets: {name} {place!r} is not a plain path; write it as `vault kv` does")
        for name, number in (("version", target.version), ("current", target.current)):
            if number is not None and number < 1 and not (live and number == 0):
                raise RollbackError(
                    f"secrets: {name} {number} of {target} is not an absolute version, Vault would take it for the"
                    f" latest; see `{target.command('metadata get')}`"
                )
        if str(target) in map(str, found):
            raise RollbackError(f"secrets: {target} is listed twice; keep one version for it")
        found.append(target)
    return tuple(found)


def canonical(value: Any) -> str:
    """One text per JSON value: equal values, and only those, have equal texts (true is not 1, 1.0 is 1.0)."""
    return json.dumps(value, sort_keys=True, default=float, ensure_ascii=False, separators=(",", ":"))


def text(value: Any) -> str:
    """A value as an environment variable carries it: strings as they are, anything else as JSON."""
    return value if isinstance(value, str) else canonical(value)


def same(one: Reading | None, other: Reading | None) -> bool:
    """Whether both exist with equal data."""
    return bool(one and other and one.exists and other.exists and canonical(one.data) == canonical(other.data))


def target_state(observation: Observation) -> str:
    """``exists``, ``deleted``, ``destroyed``, ``pruned`` (it was there once) or ``missing`` (never written)."""
    if observation.wanted.state != "absent":
        return observation.wanted.state
    return "pruned" if observation.target.version <= observation.live.version else "missing"


def equal(observation: Observation) -> bool:
    """Whether the live data is the target's already."""
    return same(observation.live, observation.wanted)


def position(observation: Observation) -> str:
    """Where the live secret stands: ``previous`` (rolled back), ``release`` (as the release left it) or ``other``."""
    target, live = observation.target, observation.live
    if equal(observation) or live.version == target.version:
        return "previous"
    if target.current is not None and (live.version == target.current or same(live, observation.current)):
        return "release"
    return "other"


def difference(before: Any, after: Any) -> Difference:
    """Keys that differ between two versions' data; anything that is not a mapping has no keys."""
    old = before if isinstance(before, dict) else {}
    new = after if isinstance(after, dict) else {}
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(sorted(key for key in new.keys() & old.keys() if canonical(new[key]) != canonical(old[key]))),
    )


def unfaithful(data: Any) -> tuple[str, ...]:
    """Top-level keys whose values Vault would not keep exactly when they are written back."""
    if not isinstance(data, dict):
        return ()
    return tuple(sorted(key for key, value in data.items() if any(not _kept(leaf) for leaf in _leaves(value))))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _kept(value: Any) -> bool:
    if isinstance(value, Decimal):
        return Decimal(repr(float(value))) == value and (value != value.to_integral_value() or abs(value) <= EXACT)
    if isinstance(value, int):
        return abs(value) <= EXACT
    return not isinstance(value, str) or not any("\ud800" <= letter <= "\udfff" for letter in value)


def problems(observation: Observation, undelete: bool) -> list[str]:
    """Why the rollback of this secret has to be refused, each with the next command; empty if it can be done."""
    target, live = observation.target, observation.live
    if live.version == 0:
        return [f"{target} does not exist; check path and mount: `vault kv list -mount={target.mount}`"]
    found = _target_problems(observation, undelete)
    if target.current is not None and position(observation) == "other" and not found:
        found.append(
            f"{target} was changed since the release: version {live.version} is live, with neither the data of"
            f" version {target.current} (the release) nor of version {target.version} (the target); see"
            f" `{target.command('metadata get')}`, then name the live version as current if its change may be lost"
        )
    return found + _missing_rights(observation)


def _target_problems(observation: Observation, undelete: bool) -> list[str]:
    target, state = observation.target, target_state(observation)
    name = f"version {target.version} of {target}"
    if state == "deleted" and not undelete:
        command = f"{target.command('undelete')} -versions={target.version}"
        return [f"{name} is deleted; set undelete: true, or run `{command}`"]
    if state == "destroyed":
        return [f"{name} is destroyed for ever; choose another one from `{target.command('metadata get')}`"]
    if state == "pruned":
        return [
            f"{name} is pruned: Vault keeps only the newest max_versions; choose another one from"
            f" `{target.command('metadata get')}`"
        ]
    if state == "missing":
        return [
            f"{name} was never written: version {observation.live.version} is the newest; choose one from"
            f" `{target.command('metadata get')}`"
        ]
    lossy = () if equal(observation) else unfaithful(observation.wanted.data)
    if lossy:
        return [
            f"{name} holds values that Vault would alter when they are written again (integers beyond 2^53 and"
            f" the like) under {', '.join(lossy)}; store them as strings: `{target.command('put')} ...`"
        ]
    return []


def needed(observation: Observation) -> dict[str, tuple[str, ...]]:
    """Capabilities the rollback of this secret needs, by endpoint; ``delete`` is for taking things back."""
    undelete = target_state(observation) == "deleted"
    if equal(observation):
        return {"data": ("read",)}
    wanted: dict[str, tuple[str, ...]] = {"data": ("read", "update")}
    if undelete:
        wanted["undelete"] = ("update",)
    if undelete or not observation.live.exists:
        wanted["delete"] = ("update",)
    return wanted


def _missing_rights(observation: Observation) -> list[str]:
    if observation.rights is None:
        return []
    found = []
    for kind, capabilities in needed(observation).items():
        granted = observation.rights.get(kind, frozenset())
        missing = [name for name in capabilities if name not in granted and "root" not in granted]
        if missing:
            endpoint = observation.target.endpoint(kind)
            found.append(
                f"the token lacks {' and '.join(missing)} on {endpoint};"
                f" see `vault token capabilities {endpoint}`; {POLICY}"
            )
    return found


def plan(observations: Sequence[Observation], undelete: bool) -> tuple[Step, ...]:
    """What to do for every secret, or one :class:`RollbackError` that names everything in the way."""
    found = [problem for observation in observations for problem in problems(observation, undelete)]
    if found:
        raise RollbackError("nothing was changed: " + "; ".join(found), problems=found)
    return tuple(
        Step(
            observation,
            undelete=target_state(observation) == "deleted",
            writes=not equal(observation),
        )
        for observation in observations
    )
