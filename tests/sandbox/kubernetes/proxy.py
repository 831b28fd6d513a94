# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``proxy`` subresource: an HTTP request carried to a pod or to a Service's pod."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from .call import Call
from .cluster import Cluster
from .errors import ApiError, method_not_allowed, not_found
from .kinds import POD, SERVICE

_OWN_HEADERS = {"host", "authorization", "content-length", "transfer-encoding", "connection", "accept-encoding"}


def _target(cluster: Cluster, call: Call) -> tuple[str, int]:
    parts = call.name.split(":")
    if parts[0] in ("http", "https") and len(parts) == 3:
        parts = parts[1:]
    name, port = parts[0], parts[1] if len(parts) > 1 else ""
    if call.kind is POD:
        pod = cluster.store.get(POD, call.namespace, name)
        ports = [p["containerPort"] for c in pod["spec"]["containers"] for p in c.get("ports", [])]
        address = pod["status"].get("podIP")
        if not address:
            raise ApiError(503, "ServiceUnavailable", "pod does not have an address")
        return address, int(port) if port else (ports[0] if ports else 80)
    if call.kind is not SERVICE:
        raise method_not_allowed()
    service = cluster.store.get(SERVICE, call.namespace, name)
    named = next((p for p in service["spec"]["ports"] if port in ("", p.get("name"), str(p["port"]))), None)
    if named is None:
        raise not_found(SERVICE, call.name)
    target = cluster.services.target(call.namespace, name, named.get("name", ""))
    if target is None:
        text = f'no endpoints available for service "{name}"'
        raise ApiError(503, "ServiceUnavailable", text)
    return target


async def answer(cluster: Cluster, call: Call) -> web.StreamResponse:
    """The pod's own answer; 503 when it does not take the connection."""
    address, port = _target(cluster, call)
    request = call.request
    query = f"?{request.query_string}" if request.query_string else ""
    headers = {key: value for key, value in request.headers.items() if key.lower() not in _OWN_HEADERS}
    url = f"http://{address}:{port}{call.tail or '/'}{query}"
    try:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            data = await request.read()
            async with session.request(
                request.method, url, headers=headers, data=data, allow_redirects=False
            ) as upstream:
                kept = {key: value for key, value in upstream.headers.items() if key.lower() not in _OWN_HEADERS}
                return web.Response(status=upstream.status, headers=kept, body=await upstream.read())
    except (aiohttp.ClientError, TimeoutError) as error:
        text = f"error trying to reach service: dial tcp {address}:{port}: connect: connection refused"
        raise ApiError(503, "ServiceUnavailable", text) from error
