# SPDX-License-Identifier: GPL-3.0-or-later
"""Pytest fixtures of the embedded production stack; a conftest imports what it needs.

With SANDBOX_DIR naming a running sandbox that one is used (and left running); else one is started for the session.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.__main__ import variables
from tests.sandbox.cluster import Cluster
from tests.sandbox.external import External
from tests.sandbox.load import Load
from tests.sandbox.releases import Pipeline, Places, owner_environment, transaction
from tests.sandbox.supervisor import down, running, up


@dataclass
class Sandbox:
    """A running sandbox and the usual questions to it."""

    endpoints: Mapping[str, Any]
    scratch: Path
    steps: list[str] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """Where its state is (SANDBOX_DIR)."""
        return Path(self.endpoints["directory"])

    @property
    def url(self) -> str:
        """The shop, as its customers reach it."""
        return str(self.endpoints["shop"]["url"])

    @property
    def cluster(self) -> Cluster:
        """The Kubernetes API."""
        return Cluster(Path(self.endpoints["kubernetes"]["kubeconfig"]), self.endpoints["namespace"])

    def environment(self) -> dict[str, str]:
        """This process' environment with the sandbox's variables: for subprocesses such as ansible-playbook."""
        return {**os.environ, **variables(self.endpoints)}

    def ship(self, version: str) -> None:
        """Ship a release; ``steps`` tells what was done."""
        Pipeline(Places.of(self.endpoints), self.steps.append).ship(version)

    def load(self, rate: float = 20) -> Load:
        """Customers: ``with sandbox.load() as load: ...``, then ``load.report``."""
        return Load(self.url, self.scratch, rate)

    def query(self, statement: str) -> list[Any]:
        """Rows of the shop's database."""
        with transaction(owner_environment(self.endpoints)) as cursor:
            cursor.execute(statement)
            rows: list[Any] = cursor.fetchall()
        return rows


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that runs for the whole session; tests share it and ship what they need."""
    given = os.environ.get("SANDBOX_DIR")
    scratch = tmp_path_factory.mktemp("sandbox")
    directory = Path(given).absolute() if given else scratch / "stack"
    was_running = running(directory)
    endpoints = up(directory, bound=True)
    try:
        yield Sandbox(endpoints, scratch)
    finally:
        if not was_running:
            down(directory)


@pytest.fixture
def fresh_sandbox(tmp_path: Path) -> Iterator[Callable[[], Sandbox]]:
    """Start sandboxes of a test's own, each with its own directory (and namespace, on a real cluster)."""
    external = External.from_environment(os.environ)
    directories: list[Path] = []

    def begin() -> Sandbox:
        directories.append(tmp_path / f"stack{len(directories)}")
        own = f"{external.namespace}-{len(directories)}" if external.real else external.namespace
        return Sandbox(up(directories[-1], bound=True, environment={"SANDBOX_NAMESPACE": own}), tmp_path)

    yield begin
    for directory in directories:
        down(directory)
