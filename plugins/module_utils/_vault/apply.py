# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a plan out as one: every secret is written, or those already written are put back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .._module import RollbackError
from .client import Store
from .errors import Conflict
from .model import Observation, Step, Target
from .observe import observe_all
from .plan import plan, same


@dataclass
class Journal:
    """What has been attempted so far, in order, so that it can be taken back.

    A write's version is known beforehand: check-and-set makes it the live version plus one, or nothing. What Vault has
    acknowledged is there, whatever a standby that lags behind shows.
    """

    undeleted: list[Step] = field(default_factory=list)
    written: list[Step] = field(default_factory=list)
    acknowledged: set[Target] = field(default_factory=set)


@dataclass
class Undone:
    """How taking back went: secrets as they were before, and commands for those that are not."""

    back: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


def apply(store: Store, steps: Sequence[Step]) -> tuple[tuple[Step, int], ...]:
    """Carry ``steps`` out; each step (as it was in the end) with the secret's live version afterwards.

    A failure takes back what was done and is raised as :class:`RollbackError` with ``put_back`` and
    ``not_put_back``, the names of the secrets.
    """
    journal = Journal()
    try:
        final = _undelete(store, steps, journal)
        return tuple((step, _write(store, step, journal)) for step in final)
    except RollbackError as error:
        raise _failed(error, _take_back(store, journal)) from None
    except BaseException:
        _take_back(store, journal)
        raise


def _undelete(store: Store, steps: Sequence[Step], journal: Journal) -> tuple[Step, ...]:
    """Undelete what the plan says, and plan again with what can be read now."""
    hidden = [step for step in steps if step.undelete]
    if not hidden:
        return tuple(steps)
    for step in hidden:
        journal.undeleted.append(step)
        store.undelete(step.target, step.target.version)
    seen = {observation.target: observation for observation in observe_all(store, [step.target for step in hidden])}
    again = plan([_unchanged(step, seen.get(step.target)) for step in steps], undelete=False)
    return tuple(replace(new, undelete=old.undelete) for new, old in zip(again, steps, strict=True))


def _unchanged(step: Step, seen: Observation | None) -> Observation:
    if seen is None:
        return step.observation
    if seen.live.version != step.observation.live.version:
        raise _conflict(step, seen.live.version)
    return seen


def _write(store: Store, step: Step, journal: Journal) -> int:
    live = step.observation.live.version
    if not step.writes:
        return live
    journal.written.append(step)
    try:
        version = store.write(step.target, step.observation.wanted.data, live)
        journal.acknowledged.add(step.target)
        return version
    except Conflict:
        journal.written.remove(step)
        raise _conflict(step, store.read(step.target).version) from None


def _conflict(step: Step, found: int) -> RollbackError:
    return RollbackError(
        f"{step.target} was written by somebody else meanwhile (version {step.observation.live.version} was live, now"
        f" {found}); see `{step.target.command('metadata get')}`, then run again"
    )


def _take_back(store: Store, journal: Journal) -> Undone:
    """Undo the journal, newest first, as far as it goes."""
    undone = Undone()
    for step in reversed(journal.written):
        try:
            if _restore(store, step, known=step.target in journal.acknowledged):
                undone.back.append(str(step.target))
        except RollbackError:
            undone.lost[str(step.target)] = _by_hand(step)
    for step in reversed(journal.undeleted):
        try:
            store.delete(step.target, step.target.version)
        except RollbackError:
            undone.lost[f"version {step.target.version} of {step.target}"] = (
                f"{step.target.command('delete')} -versions={step.target.version}"
            )
    return undone


def _restore(store: Store, step: Step, *, known: bool) -> bool:
    """Bring back what was live before ``step``; False if its write never arrived, which is not so if that is ``known``.

    A read older than what was acknowledged says nothing; check-and-set keeps somebody else's write all the same.
    """
    before, ours = step.observation.live, step.observation.live.version + 1
    found = store.read(step.target)
    stale = known and found.version < ours
    if found.version == before.version and not stale:
        return False
    if not stale and (found.version != ours or not same(found, step.observation.wanted)):
        raise _conflict(step, found.version)
    if before.exists:
        store.write(step.target, before.data, ours)
    else:
        store.delete(step.target, ours)
    return True


def _by_hand(step: Step) -> str:
    if step.observation.live.exists:
        return f"{step.target.command('rollback')} -version={step.observation.live.version}"
    return step.target.command("delete")


def _failed(error: RollbackError, undone: Undone) -> RollbackError:
    message = error.message
    if undone.back:
        message += f". Put back as before: {', '.join(reversed(undone.back))}"
    if undone.lost:
        hints = "; ".join(f"{name}: `{command}`" for name, command in undone.lost.items())
        message += f". NOT put back, check and run by hand: {hints}"
    outcome = {"put_back": undone.back[::-1], "not_put_back": list(undone.lost), "changed": bool(undone.lost)}
    return RollbackError(message, **{**error.details, **outcome})
