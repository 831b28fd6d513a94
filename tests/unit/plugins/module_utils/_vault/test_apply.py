# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing: whatever fails whenever, every secret reads as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._vault.apply import apply
from ansible_collections.octalume.rollback.plugins.module_utils._vault.errors import Conflict, NoAnswer, VaultProblem
from ansible_collections.octalume.rollback.plugins.module_utils._vault.model import Reading, Rights, Target
from ansible_collections.octalume.rollback.plugins.module_utils._vault.observe import observe_all
from ansible_collections.octalume.rollback.plugins.module_utils._vault.plan import plan, targets
from hypothesis import given, settings
from hypothesis import strategies as st

Fault = Callable[[], None]


class Memory:
    """A store of KV version 2 secrets; ``faults`` go off at the write or undelete of that number, counted from 0."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[Reading]] = {}
        self.faults: dict[int, Fault] = {}
        self.arrives = False
        self.lag: dict[str, int] = {}
        self.changes = 0

    def put(self, path: str, *versions: Any) -> None:
        """Write versions; None makes a deleted one."""
        known = self.secrets.setdefault(path, [])
        for data in versions:
            known.append(Reading("deleted" if data is None else "exists", len(known) + 1, data))

    def require_version_2(self, target: Target) -> None:
        """All of them are."""

    def read(self, target: Target, version: int | None = None) -> Reading:
        known = self.secrets.get(target.path, [])
        number = len(known) - self.lag.get(target.path, 0) if version is None else version
        return known[number - 1] if 0 < number <= len(known) else Reading("absent")

    def write(self, target: Target, data: Any, cas: int) -> int:
        fault = self._next()
        if fault and not self.arrives:
            fault()
        if len(self.secrets[target.path]) != cas:
            raise Conflict("changed", 400)
        self.put(target.path, data)
        if fault:
            fault()
        return cas + 1

    def delete(self, target: Target, version: int) -> None:
        hidden[target.path, version] = self.read(target, version).data
        self.secrets[target.path][version - 1] = Reading("deleted", version)

    def undelete(self, target: Target, version: int) -> None:
        fault = self._next()
        if fault:
            fault()
        self.secrets[target.path][version - 1] = Reading("exists", version, hidden[target.path, version])

    def rights(self, _target: Target) -> Rights | None:
        return None

    def live(self) -> dict[str, Any]:
        """The data everybody reads."""
        return {path: known[-1].data for path, known in self.secrets.items()}

    def _next(self) -> Fault | None:
        self.changes += 1
        return self.faults.get(self.changes - 1)


hidden: dict[tuple[str, int], Any] = {}


def _refuse() -> None:
    raise VaultProblem("no", 403)


def _lose() -> None:
    raise NoAnswer("nothing came back")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _run(store: Memory, undelete: bool = False) -> Any:
    wanted = [{"path": path, "engine_mount_point": "secret", "version": 1} for path in store.secrets]
    return apply(store, plan(observe_all(store, targets(wanted)), undelete))


DATA = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", 3, None, True]), max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    secrets=st.lists(
        st.tuples(DATA, st.lists(st.one_of(DATA, st.none()), min_size=1, max_size=3)), min_size=1, max_size=4
    ),
    number=st.integers(0, 5),
    fault=st.sampled_from([_refuse, _lose, _interrupt]),
    arrives=st.booleans(),
)
def test_after_any_single_failure_everything_reads_as_before(
    secrets: list[tuple[Any, list[Any]]], number: int, fault: Fault, arrives: bool
) -> None:
    store = Memory()
    for place, (first, later) in enumerate(secrets):
        store.put(f"app{place}", first, *later)
    before = store.live()
    store.faults, store.arrives = {number: fault}, arrives
    try:
        _run(store)
    except (RollbackError, KeyboardInterrupt):
        assert store.live() == before
    else:
        assert store.live() == {f"app{place}": first for place, (first, _later) in enumerate(secrets)}


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_undeleted_versions_are_deleted_again(number: int) -> None:
    store = Memory()
    for path in ("one", "two"):
        store.put(path, {"a": "1"}, {"a": "2"})
        store.delete(Target("secret", path, 1), 1)
    before = {path: list(known) for path, known in store.secrets.items()}
    store.faults = {number: _refuse}
    with pytest.raises(RollbackError):
        _run(store, undelete=True)
    assert [known[0] for known in store.secrets.values()] == [known[0] for known in before.values()]
    assert store.live() == {"one": {"a": "2"}, "two": {"a": "2"}}


@pytest.mark.parametrize("deleted", [False, True])
def test_a_standby_that_lags_behind_does_not_disprove_what_was_acknowledged(deleted: bool) -> None:
    store = Memory()
    for path in ("one", "two"):
        store.put(path, {"a": "1"}, None if deleted else {"a": "2"})

    def refuse() -> None:
        store.lag = {"one": 1}
        raise VaultProblem("no", 403)

    before = store.live()
    store.faults = {1: refuse}
    with pytest.raises(RollbackError, match="Put back as before: secret/one"):
        _run(store)
    assert store.live() == before


def test_a_failure_says_what_was_put_back() -> None:
    store = Memory()
    for path in ("one", "two", "three"):
        store.put(path, {"a": "1"}, {"a": "2"})
    store.faults = {2: _refuse}
    with pytest.raises(RollbackError, match=r"no\. Put back as before: secret/one, secret/two") as caught:
        _run(store)
    assert caught.value.details == {
        "put_back": ["secret/one", "secret/two"],
        "not_put_back": [],
        "changed": False,
    }
