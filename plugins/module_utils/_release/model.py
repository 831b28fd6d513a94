# SPDX-License-Identifier: GPL-3.0-or-later
"""The release manifest as data: what a release consists of now, and what it is to become again."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Container:
    """A container of a workload: its image in the release and in the previous one."""

    name: str
    current: str
    previous: str


@dataclass(frozen=True)
class Application:
    """A Kubernetes workload of the release."""

    name: str
    namespace: str
    containers: tuple[Container, ...]
    kind: str = "Deployment"


@dataclass(frozen=True)
class Database:
    """A database of the release: the migration it is at, and the one to go down to."""

    name: str
    current: str
    previous: str
    breaking: bool = True
    """Whether code of one release fails on the schema of the other; decides between quiesce and a rolling return."""


@dataclass(frozen=True)
class Configuration:
    """A secret of Vault's KV version 2 engine: absolute versions, never "the one before"."""

    path: str
    current: int
    previous: int
    engine_mount_point: str = "secret"
    secret: str | None = None
    """Kubernetes Secret that an operator fills from this path, if there is one."""
    consumers: tuple[str, ...] = ()
    """Applications whose environment holds this configuration."""


@dataclass(frozen=True)
class Manifest:
    """The release manifest: the machine-readable rollback plan of one release."""

    release: str
    previous: str
    service: str
    document: str
    author: str
    applications: tuple[Application, ...] = ()
    databases: tuple[Database, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    summary: str = ""
    components: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Name the kinds of things the release touches."""
        kinds = ("applications", "databases", "configurations")
        object.__setattr__(self, "components", tuple(kind for kind in kinds if getattr(self, kind)))
