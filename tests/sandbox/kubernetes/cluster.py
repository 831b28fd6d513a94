# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster: the store with everything that works on it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .events import Recorder
from .registry import Registry
from .store import Store

if TYPE_CHECKING:
    from .kubelet import Kubelet
    from .service_proxy import ServiceProxy

Object = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How the cluster runs; ``haste`` divides the kubelet's back-offs and the controllers' long waits."""

    directory: Path
    images: Path
    network: ipaddress.IPv4Network
    haste: float = 5.0
    nodes: tuple[str, ...] = ("node-1", "node-2")


@dataclass
class Cluster:
    """What the parts share."""

    settings: Settings
    address: str = ""
    certificate_authority: str = ""
    store: Store = field(default_factory=Store)

    def __post_init__(self) -> None:
        """Make what works on the store."""
        self.registry = Registry(self.store)
        self.events = Recorder(self.registry)
        self.kubelet: Kubelet
        self.services: ServiceProxy
        self._addresses = [str(address) for address in self.settings.network.hosts()][1:]
        self._used: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def image(self, name: str) -> Object | None:
        """The process that an image stands for; the file is read anew for each pull."""
        found = json.loads(self.settings.images.read_text())
        image: Object | None = found.get(name) or found.get(name.partition("@")[0])
        return image

    def take_address(self, *, service: bool = False) -> str:
        """A free address of the pod network; services take theirs from its end."""
        order = reversed(self._addresses) if service else iter(self._addresses)
        address = next((address for address in order if address not in self._used), None)
        if address is None:
            raise RuntimeError(f"the pod network {self.settings.network} has no free address")
        self._used.add(address)
        self._addresses.remove(address)  # the least recently used is given out first
        self._addresses.insert(0 if service else len(self._addresses), address)
        return address

    def free_address(self, address: str) -> None:
        """Give an address back."""
        self._used.discard(address)

    def hold_address(self, address: str) -> None:
        """Mark an address that was asked for."""
        self._used.add(address)

    def spawn(self, work: Any) -> None:
        """Run a coroutine for as long as the cluster lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
