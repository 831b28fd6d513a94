# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at every secret at once: its live version, the wanted one, the release's, and the token's rights."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .._module import RollbackError
from .client import Store
from .model import Observation, Reading, Target

WORKERS = 8


def observe_all(store: Store, targets: Sequence[Target]) -> tuple[Observation, ...]:
    """Observe ``targets`` in their order; raise one error for everything that could not be read."""
    if not targets:
        return ()
    with ThreadPoolExecutor(min(WORKERS, len(targets))) as pool:
        outcomes = list(pool.map(lambda target: _try(store, target), targets))
    messages = [outcome.message for outcome in outcomes if isinstance(outcome, RollbackError)]
    if messages:
        raise RollbackError("; ".join(dict.fromkeys(messages)))
    return tuple(outcome for outcome in outcomes if isinstance(outcome, Observation))


def observe(store: Store, target: Target) -> Observation:
    """Read what there is to know about ``target``; nothing is written."""
    store.require_version_2(target)
    live = store.read(target)
    return Observation(
        target=target,
        live=live,
        wanted=_version(store, target, target.version, live),
        current=_version(store, target, target.current, live) if target.current is not None else None,
        rights=store.rights(target),
    )


def _version(store: Store, target: Target, version: int, live: Reading) -> Reading:
    return live if version in (0, live.version) else store.read(target, version)


def _try(store: Store, target: Target) -> Observation | RollbackError:
    try:
        return observe(store, target)
    except RollbackError as error:
        return error
