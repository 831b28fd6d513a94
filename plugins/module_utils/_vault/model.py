# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Vault and what was seen there. Secret data is kept out of every ``repr``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Rights = Mapping[str, frozenset[str]]
"""Capabilities by endpoint: ``data``, ``delete`` and ``undelete``."""


@dataclass(frozen=True)
class Target:
    """One secret and the version to bring back; ``current`` is the version the release being undone runs with."""

    mount: str
    path: str
    version: int
    current: int | None = None

    def __str__(self) -> str:
        """The secret as ``vault kv`` names it."""
        return f"{self.mount}/{self.path}"

    def endpoint(self, kind: str) -> str:
        """The API path of ``kind`` (data, metadata, delete, undelete) for this secret."""
        return f"{self.mount}/{kind}/{self.path}"

    def command(self, verb: str) -> str:
        """A ``vault kv`` command on this secret."""
        return f"vault kv {verb} -mount={self.mount} {self.path}"


@dataclass(frozen=True)
class Reading:
    """One version as it was read.

    ``state``: ``exists``, ``deleted`` (soft, or expired), ``destroyed`` or ``absent`` (never there, or pruned; then
    ``version`` is 0). ``data`` is None unless the version exists; numbers with a fraction are ``Decimal``.
    """

    state: str
    version: int = 0
    data: Any = field(default=None, repr=False)

    @property
    def exists(self) -> bool:
        """Whether there is data to read."""
        return self.state == "exists"


@dataclass(frozen=True)
class Observation:
    """A target, the live version, the wanted version, the release's version, and what the token may do (if known)."""

    target: Target
    live: Reading
    wanted: Reading
    current: Reading | None = None
    rights: Rights | None = None


@dataclass(frozen=True)
class Difference:
    """Names of top-level keys that bringing the target back adds, removes or changes."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """What to do with one secret: nothing, or write the wanted data over the live version; undelete it first or not."""

    observation: Observation
    undelete: bool
    writes: bool

    @property
    def target(self) -> Target:
        """The secret."""
        return self.observation.target
