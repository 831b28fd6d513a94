# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP in front of a Vault node: reads a request, finds who answers it, writes the answer."""

from __future__ import annotations

import json
from urllib.parse import unquote

from aiohttp import web

from tests.sandbox.vault import cluster
from tests.sandbox.vault.core import Vault
from tests.sandbox.vault.wire import MAX_BODY, Fault, Reply, Request, parse

OPERATIONS = {"GET": "read", "LIST": "list", "POST": "update", "PUT": "update", "DELETE": "delete", "PATCH": "patch"}
OPEN = ("sys/health", "sys/seal-status", "sys/leader", "sys/init")


def application(vault: Vault) -> web.Application:
    """The web application of ``vault``."""

    async def respond(incoming: web.Request) -> web.StreamResponse:
        try:
            return _send(incoming, await _answer(vault, incoming))
        except Fault as fault:
            return _send(incoming, Reply(fault.status, bare={"errors": fault.errors}, headers=fault.headers))

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", respond)
    return app


async def _answer(vault: Vault, incoming: web.Request) -> Reply:
    path = unquote(incoming.rel_url.raw_path)
    if not path.startswith("/v1/"):
        raise Fault(404)
    request = await _read(vault, incoming, path.removeprefix("/v1/"))
    reply = vault.answer_open(request) or await cluster.answer(vault.seal, request)
    if reply is not None:
        return reply
    if vault.seal.sealed:
        raise Fault(503, "Vault is sealed")
    if not vault.seal.active:
        return await cluster.forward(vault.seal, incoming)
    return vault.answer(request)


async def _read(vault: Vault, incoming: web.Request, path: str) -> Request:
    operation = OPERATIONS.get("GET" if incoming.method == "HEAD" and path in OPEN else incoming.method, "")
    if not operation or (operation == "patch" and not vault.modern):
        raise Fault(405)
    try:
        text = await incoming.read()
    except web.HTTPRequestEntityTooLarge:
        raise Fault(413, "error parsing JSON") from None
    if operation == "read" and incoming.query.get("list") == "true":
        operation = "list"
    bearer = incoming.headers.get("Authorization", "").removeprefix("Bearer ")
    tls = incoming.transport.get_extra_info("ssl_object") if incoming.transport else None
    return Request(
        method=incoming.method,
        path=path,
        operation=operation,
        query=incoming.query,
        headers=incoming.headers,
        body=parse(text) if text and operation not in ("read", "list", "delete") else {},
        token=incoming.headers.get("X-Vault-Token", "") or bearer,
        peer_certificate=tls.getpeercert(binary_form=True) if tls else None,
    )


def _send(incoming: web.Request, reply: Reply) -> web.Response:
    body = reply.body()
    text = b"" if body in (None, b"") or incoming.method == "HEAD" else json.dumps(body).encode() + b"\n"
    headers = {"Cache-Control": "no-store", "Content-Type": "application/json", **reply.headers}
    return web.Response(status=reply.status, body=text, headers=headers)
