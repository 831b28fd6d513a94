# SPDX-License-Identifier: GPL-3.0-or-later
"""The release manifest as data: what a release consists of now, and what it is to become again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Container:
    """A container of a workload: its image in the release and in the previous one; ``None``: it is not there."""

    name: str
    current: str | None
    previous: str | None


@dataclass(frozen=True)
class Application:
    """A Kubernetes workload of the release."""

    name: str
    namespace: str
    containers: tuple[Container, ...]
    kind: str = "Deployment"
    template: Mapping[str, Any] | None = None
    """Pod template of the previous release, where it is recorded."""


@dataclass(frozen=True)
class Database:
    """A database of the release: the migration it is at, and the one to go down to."""

    name: str
    current: str
    previous: str | None
    breaking: bool = True
    """Whether code of one release fails on the schema of the other; decides between quiesce and a rolling return."""
    schema_fingerprint: str | None = None
    """Of the schema at ``current``, as postgres_validate_info tells it."""
    previous_fingerprint: str | None = None
    """Of the schema at ``previous``: what going down has to lead to."""


@dataclass(frozen=True)
class Configuration:
    """A secret of Vault's KV version 2 engine: absolute versions, never "the one before"."""

    path: str
    current: int
    previous: int | None
    engine_mount_point: str = "secret"
    secret: str | None = None
    """Kubernetes Secret that an operator fills from this path, if there is one."""
    consumers: tuple[str, ...] = ()
    """Applications whose environment holds this configuration."""


@dataclass(frozen=True)
class Content:
    """What a ConfigMap or a Secret held. That of a Secret is encrypted by Ansible Vault, and never here in plain."""

    digest: str = ""
    """``sha256:...`` of a ConfigMap's content, ``hmac:...`` of a Secret's."""
    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)
    encrypted: str | None = None
    type: str | None = None
    immutable: bool = False


@dataclass(frozen=True)
class ClusterConfiguration:
    """A ConfigMap or Secret that workloads of the release, or of the previous one, use."""

    kind: str
    name: str
    namespace: str
    current: Content | None
    previous: Content | None
    consumers: tuple[str, ...] = ()
    """Applications, in the same namespace, that use it."""

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name} in {self.namespace}"


@dataclass(frozen=True)
class Recorded:
    """A workload as the release left it: what the next release's manifest takes for its previous state."""

    kind: str
    name: str
    namespace: str
    replicas: int
    revision: int | None = None
    autoscaler: Mapping[str, Any] | None = None
    """``name``, ``min`` and ``max`` of its HorizontalPodAutoscaler."""
    disruption_budget: Mapping[str, Any] | None = None
    """``name``, ``min_available`` and ``max_unavailable`` of its PodDisruptionBudget."""
    image_ids: Mapping[str, str] = field(default_factory=dict)
    """By container, what its pods report to run."""
    template: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Manifest:
    """The release manifest: the machine-readable rollback plan of one release.

    ``previous`` is ``None`` in a baseline: the first release that was recorded, which has nothing to go back to. In its
    parts it is ``None`` for what the release brought, and ``current`` is ``None`` for what it removed.
    """

    release: str
    previous: str | None
    service: str
    document: str
    author: str
    applications: tuple[Application, ...] = ()
    databases: tuple[Database, ...] = ()
    configurations: tuple[Configuration, ...] = ()
    cluster_configurations: tuple[ClusterConfiguration, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    summary: str = ""
    components: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Name the kinds of things the release touches."""
        kinds = ("applications", "databases", "configurations", "cluster_configurations")
        object.__setattr__(self, "components", tuple(kind for kind in kinds if getattr(self, kind)))

    def misplaced(self) -> list[str]:
        """Configurations whose copy in the cluster nobody could find, in sentences.

        The copy is looked for in the namespace of the first application, and a manifest may have none, or none but
        what the release brought.
        """
        return [
            f"configurations: {item.path}: secret {item.secret}, the cluster's copy, is looked for where the first "
            "application runs, and there is no application that ran before; name one, or leave secret out and see "
            "yourself that the copy follows"
            for item in self.configurations
            if item.secret and not self.applications
        ]
