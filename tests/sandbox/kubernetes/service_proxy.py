# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that really listen: on their cluster address and their node port, for ready pods only."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import struct
from typing import Any

from .cluster import Cluster
from .errors import Cause, invalid
from .kinds import ENDPOINTS, SERVICE, Kind
from .store import Change

Object = dict[str, Any]
_NODE_PORTS = range(30000, 32768)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close with a reset


def _bound(host: str, port: int) -> socket.socket | None:
    """A socket that holds ``host:port``; None when it is taken."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((host, port))
        held.listen(128)
    except OSError:
        held.close()
        return None
    held.setblocking(False)
    return held


class ServiceProxy:
    """Gives Services their addresses and ports, and carries their connections."""

    def __init__(self, cluster: Cluster) -> None:
        """Complete new Services from now on."""
        self.cluster, self.store = cluster, cluster.store
        self._sockets: dict[int, socket.socket] = {}  # node port -> the socket that holds it
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._turn = itertools.count()
        cluster.registry.admissions.append(self.admit)
        self.store.listen(self._heard)

    def admit(self, kind: Kind, service: Object, dry_run: bool) -> None:
        """Give a new Service its address and node ports."""
        if kind is not SERVICE:
            return
        spec = service["spec"]
        if "clusterIP" not in spec:
            spec["clusterIP"] = "127.0.0.1" if dry_run else self.cluster.take_address(service=True)
            spec["clusterIPs"] = [spec["clusterIP"]]
        elif spec["clusterIP"] != "None":
            self.cluster.hold_address(spec["clusterIP"])
            spec.setdefault("clusterIPs", [spec["clusterIP"]])
        if spec["type"] in ("NodePort", "LoadBalancer"):
            for index, port in enumerate(spec.get("ports", [])):
                port["nodePort"] = self._node_port(service, index, port.get("nodePort", 0), dry_run)

    def _node_port(self, service: Object, index: int, asked: int, dry_run: bool) -> int:
        for number in [asked] if asked else random.sample(_NODE_PORTS, 200):
            held = _bound("127.0.0.1", number)
            if held is None:
                continue
            if dry_run:
                held.close()
            else:
                self._sockets[number] = held
            return number
        cause = Cause.invalid(f"spec.ports[{index}].nodePort", asked, "provided port is already allocated")
        raise invalid(SERVICE, service["metadata"]["name"], [cause])

    def _heard(self, change: Change) -> None:
        if change.key != SERVICE.key:
            return
        if change.type == "ADDED":
            self.cluster.spawn(self._listen(change.new))
        elif change.type == "DELETED":
            self._close(change.new)
        elif change.old and change.old["spec"].get("ports") != change.new["spec"].get("ports"):
            self._close(change.old)
            for port in change.new["spec"].get("ports", []):
                if number := port.get("nodePort"):
                    self._sockets.setdefault(number, _bound("127.0.0.1", number) or socket.socket())
            self.cluster.spawn(self._listen(change.new))

    async def _listen(self, service: Object) -> None:
        servers = self._servers.setdefault(service["metadata"]["uid"], [])
        place = (service["metadata"]["namespace"], service["metadata"]["name"])
        for port in service["spec"].get("ports", []):
            key = port.get("name", "")
            sockets = [self._sockets.get(port.get("nodePort", 0))]
            address = service["spec"]["clusterIP"]
            sockets.append(_bound(address, port["port"]) if address != "None" else None)
            for held in sockets:
                if held is not None:
                    servers.append(await asyncio.start_server(self._carrier(place, key), sock=held))

    def _close(self, service: Object) -> None:
        for server in self._servers.pop(service["metadata"]["uid"], []):
            server.close()
        for port in service["spec"].get("ports", []):
            self._sockets.pop(port.get("nodePort", 0), None)
        self.cluster.free_address(service["spec"].get("clusterIP", ""))

    def target(self, namespace: str, name: str, port: str) -> tuple[str, int] | None:
        """The next ready pod behind a Service's port (by name or number), in turn."""
        endpoints = self.store.find(ENDPOINTS, namespace, name)
        found = [
            (address["ip"], candidate["port"])
            for subset in (endpoints or {}).get("subsets", [])
            for candidate in subset.get("ports", [])
            if candidate.get("name", "") == port
            for address in subset.get("addresses", [])
        ]
        return found[next(self._turn) % len(found)] if found else None

    def _carrier(self, place: tuple[str, str], port: str) -> Any:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            target = self.target(*place, port)
            try:
                upstream = await asyncio.open_connection(*target) if target else None
            except OSError:
                upstream = None
            if upstream is None:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
                return
            await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))

        return carry


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way; an end is passed on as an end, an abort as an abort."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()
    finally:
        with contextlib.suppress(OSError):
            if reader.exception():
                writer.transport.abort()
