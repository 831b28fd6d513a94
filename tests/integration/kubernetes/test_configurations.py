# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMaps on the wire: a failure, or somebody else's write, at any moment leaves all of them or none restored."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._configuration.client import Configurations
from ansible_collections.octalume.rollback.plugins.module_utils._kubernetes.client import ApiServer
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._release.model import ClusterConfiguration, Content
from ansible_collections.octalume.rollback.plugins.module_utils._release.plan import parse_manifest

from tests.integration.kubernetes.table import Answer, TableServer, status

NAMES = ("a", "b", "c", "d")
Json = dict[str, Any]


class Store:
    """ConfigMaps with optimistic concurrency; ``before`` is called before each write that is no dry run."""

    def __init__(self, *names: str) -> None:
        self.items = {name: self._item(name, {"K": "new"}) for name in names}
        self.writes = 0
        self.before: Callable[[int, str], Answer | None] = lambda _number, _name: None

    def _item(self, name: str, data: Json) -> Json:
        return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "n", "resourceVersion": "1"}, "data": data}

    def set(self, name: str, data: Json) -> None:
        """Somebody else's write."""
        item = self.items.setdefault(name, self._item(name, {}))
        item["data"] = data
        item["metadata"]["resourceVersion"] = str(int(item["metadata"]["resourceVersion"]) + 1)

    def data(self) -> Json:
        """What all of them hold."""
        return {name: item["data"] for name, item in self.items.items()}

    def __call__(self, method: str, path: str, query: dict[str, str], body: Any) -> Answer:
        name = body["metadata"]["name"] if method == "POST" else path.rpartition("/")[2]
        dry = query.get("dryRun") == "All"
        if method in ("PATCH", "POST") and not dry:
            self.writes += 1
            refusal = self.before(self.writes, name)
            if refusal:
                return refusal
        if method == "POST":
            self.set(name, body["data"])
            return 201, self.items[name]
        if name not in self.items:
            return status(404, "NotFound")
        if method == "DELETE":
            return 200, self.items.pop(name)
        item = self.items[name]
        if method == "GET":
            return 200, item
        wanted = copy.deepcopy(item)
        for operation in body:
            if operation["path"] == "/metadata/resourceVersion":
                if operation["value"] != item["metadata"]["resourceVersion"]:
                    return status(409, "Conflict", "the object has been modified")
            elif operation["path"] == "/data":
                wanted["data"] = operation["value"]
        if not dry:
            self.set(name, wanted["data"])
        return 200, item


def entries(*names: str) -> list[ClusterConfiguration]:
    """What a manifest says about them: K was old, and is new."""
    document = {
        **dict.fromkeys(("service", "document", "author"), "x"),
        "release": "2",
        "previous": "1",
        "cluster_configurations": [
            {
                "kind": "ConfigMap",
                "name": name,
                "namespace": "n",
                "current": {"data": {"K": "new"}},
                "previous": {"data": {"K": "old"}},
            }
            for name in names
        ],
    }
    return list(parse_manifest(document, "here", "2").cluster_configurations)


def restore(store: Store, items: list[ClusterConfiguration]) -> None:
    """One run of the module's logic on a real connection."""
    with TableServer(store) as server:
        configurations = Configurations(ApiServer(server.client(), patience=0.0), None)
        seen = configurations.observe(items)
        configurations.rehearse(seen)
        configurations.restore(seen)


def test_all_are_restored_and_a_second_run_writes_nothing() -> None:
    store = Store(*NAMES)
    restore(store, entries(*NAMES))
    assert store.data() == {name: {"K": "old"} for name in NAMES}
    restore(store, entries(*NAMES))
    assert store.writes == len(NAMES)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_failure_after_any_of_them_leaves_all_as_before(number: int) -> None:
    store = Store(*NAMES)
    store.before = lambda at, _name: status(403, "Forbidden", "quota of patience") if at == number else None
    with pytest.raises(RollbackError, match="nothing was changed" if number == 1 else "is taken back"):
        restore(store, entries(*NAMES))
    assert store.data() == {name: {"K": "new"} for name in NAMES}


def test_one_that_was_made_again_is_taken_away_again() -> None:
    store = Store("b")
    gone = ClusterConfiguration("ConfigMap", "a", "n", None, Content("sha256:x", {"K": "old"}))
    store.before = lambda at, _name: status(403, "Forbidden") if at == 2 else None
    with pytest.raises(RollbackError, match="is taken back"):
        restore(store, [gone, *entries("b")])
    assert store.data() == {"b": {"K": "new"}}
    store.before = lambda _at, _name: None
    restore(store, [gone, *entries("b")])
    assert store.data() == {"a": {"K": "old"}, "b": {"K": "old"}}


def test_somebody_elses_third_content_is_refused_and_kept() -> None:
    store = Store(*NAMES)

    def meddle(at: int, name: str) -> Answer | None:
        if at == 2:
            store.set(name, {"K": "theirs"})
        return None

    store.before = meddle
    with pytest.raises(RollbackError, match="somebody changed it since"):
        restore(store, entries(*NAMES))
    assert store.data() == {**{name: {"K": "new"} for name in NAMES}, "b": {"K": "theirs"}}


def test_a_write_beside_the_content_is_no_reason_to_refuse() -> None:
    store = Store(*NAMES)

    def touch(at: int, name: str) -> Answer | None:
        if at == 2:
            store.set(name, {"K": "new"})
        return None

    store.before = touch
    restore(store, entries(*NAMES))
    assert store.data() == {name: {"K": "old"} for name in NAMES}


def test_what_was_written_by_others_after_us_is_told_where_it_cannot_be_taken_back() -> None:
    store = Store("a", "b")

    def fail(at: int, _name: str) -> Answer | None:
        if at == 2:
            store.set("a", {"K": "theirs"})
            return status(403, "Forbidden")
        return None

    store.before = fail
    with pytest.raises(RollbackError, match="is taken back, but for configmap/a in n"):
        restore(store, entries("a", "b"))
    assert store.data() == {"a": {"K": "theirs"}, "b": {"K": "new"}}
