# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node does by asking another: joining, unsealing with the cluster's keys, handing requests on."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession, web

from tests.sandbox.vault.seal import Seal
from tests.sandbox.vault.wire import Fault, Reply, Request

LEADERLESS = "local node not active but active cluster node not found"
HANDED_ON = ("X-Vault-", "Authorization", "Content-Type")


async def answer(seal: Seal, request: Request) -> Reply | None:
    """The endpoints of unsealing and joining; None for all others."""
    if request.path == "sys/unseal":
        given = seal.collect(str(request.body.get("key", "")))
        if given and seal.leader:
            await _ask(seal.leader, "PUT", "sys/storage/raft/bootstrap/answer", {"keys": given})
        elif given:
            seal.check(given)
        if given:
            seal.open()
        return seal.status()
    if request.path == "sys/storage/raft/join":
        leader = request.body["leader_api_addr"]
        status = await _ask(leader, "GET", "sys/seal-status", None)
        seal.join(leader, status["n"], status["t"])
        return Reply(bare={"joined": True})
    if request.path == "sys/storage/raft/bootstrap/answer":
        seal.check(request.body["keys"])
        return Reply(bare={})
    return None


async def forward(seal: Seal, incoming: web.Request) -> Reply:
    """What a standby does: hand the request to the active node, or send the client there."""
    if not seal.leader:
        raise Fault(500, LEADERLESS)
    target = f"{seal.leader}{incoming.rel_url}"
    if incoming.headers.get("X-Vault-No-Request-Forwarding") == "true":
        return Reply(307, bare=b"", headers={"Location": target})
    headers = {name: value for name, value in incoming.headers.items() if name.startswith(HANDED_ON)}
    async with (
        ClientSession() as session,
        session.request(incoming.method, target, data=await incoming.read(), headers=headers, ssl=False) as response,
    ):
        return Reply(response.status, bare=None if response.status == 204 else await response.json())


async def _ask(leader: str, method: str, path: str, body: Any) -> Any:
    async with (
        ClientSession() as session,
        session.request(method, f"{leader}/v1/{path}", json=body, ssl=False) as response,
    ):
        document = await response.json()
        if response.status >= 400:
            raise Fault(response.status, *document["errors"])
        return document
