# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP face: paths to handlers, callers to users, refusals to Status objects."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from aiohttp import web

from . import discovery, errors, execution, logs, openapi, pod_actions, proxy, reviews, scale
from .access import ANONYMOUS, Access, Attributes, User
from .call import Call, parse
from .cluster import Cluster
from .kinds import GROUP_VERSIONS
from .rest import Rest

Object = dict[str, Any]
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version")
_log = logging.getLogger(__name__)


class Api:
    """The API server over a cluster."""

    def __init__(self, cluster: Cluster, access: Access) -> None:
        """Serve ``cluster`` to those whom ``access`` lets in."""
        self.cluster, self.access = cluster, access
        self.rest = Rest(cluster.registry)

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; a refusal becomes a Status."""
        try:
            user = self.access.authenticate(request.headers)
            return await self._dispatch(request, user)
        except errors.PlainNotFound:
            return web.Response(status=404, text="404 page not found\n")
        except errors.ApiError as error:
            headers = {"Retry-After": "1"} if error.code in (429, 504) else None
            return web.json_response(error.status(), status=error.code, headers=headers)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception as error:  # noqa: BLE001 - becomes a 500, as everything unforeseen does
            _log.exception("%s %s", request.method, request.path_qs)
            text = f"Internal error occurred: {error}"
            failure = errors.ApiError(500, "InternalError", text, {"causes": [{"message": str(error)}]})
            return web.json_response(failure.status(), status=500)

    async def _dispatch(self, request: web.Request, user: User) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path.startswith(_PUBLIC) or path.count("/") < 3 or path.startswith("/openapi"):
            return self._about(request, user, path)
        if path.startswith("/apis/") and path.count("/") == 3:
            return self._about(request, user, path)
        call = parse(request)
        if call is None:
            raise errors.PlainNotFound
        call.user = user
        self._admit(call, call.attributes)
        if call.subresource in ("exec", "attach"):  # a WebSocket is a GET, and needs the right to create since 1.35
            self._admit(call, replace(call.attributes, verb="create"))
        if call.kind.verbs == ("create",):
            return call.answer(reviews.answer(call.kind, await call.body(), user, self.access), 201)
        if not call.subresource:
            call.check_acceptable()
        return await self._subresource(call)

    def _admit(self, call: Call, wanted: Attributes) -> None:
        if not self.access.admit(call.user, wanted):
            raise errors.forbidden(call.kind, call.name, wanted.refusal(call.user))

    async def _subresource(self, call: Call) -> web.StreamResponse:
        cluster = self.cluster
        if call.subresource == "scale":
            return await scale.answer(cluster.registry, call)
        if call.subresource == "log":
            return await logs.answer(cluster, call)
        if call.subresource in ("exec", "attach"):
            return await execution.answer(cluster, call)
        if call.subresource == "proxy":
            return await proxy.answer(cluster, call)
        if call.subresource == "eviction":
            return await pod_actions.evict(cluster, call)
        if call.subresource == "token":
            return await pod_actions.token(self.access, cluster, call)
        if call.subresource == "portforward":
            raise errors.method_not_allowed()
        return await self.rest.answer(call)

    def _about(self, request: web.Request, user: User, path: str) -> web.Response:
        """What is no resource: health, version, discovery, OpenAPI."""
        if path in ("/healthz", "/livez", "/readyz") or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            if "verbose" in request.query:
                return web.Response(text=f"[+]ping ok\n[+]log ok\n{path[1:]} check passed\n")
            return web.Response(text="ok")
        if path == "/version":
            return web.json_response(discovery.VERSION)
        if user is ANONYMOUS or not self.access.allowed(user, Attributes("get", path=path))[0]:
            refusal = Attributes("get", path=path).refusal(user)
            raise errors.ApiError(403, "Forbidden", f"forbidden: {refusal}", {})
        if path == "/openapi/v2" and "protobuf" in request.headers.get("Accept", ""):
            return web.Response(body=openapi.v2_protobuf(), content_type=openapi.PROTOBUF)
        return web.json_response(self._document(request, path), content_type=self._content_type(request, path))

    @staticmethod
    def _content_type(request: web.Request, path: str) -> str:
        if path in ("/api", "/apis") and "apidiscovery" in request.headers.get("Accept", ""):
            return "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        return "application/json"

    def _document(self, request: web.Request, path: str) -> Object:
        aggregated = "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" in request.headers.get("Accept", "")
        parts = path.strip("/").split("/")
        if path in ("/api", "/apis") and aggregated:
            return discovery.aggregated(core=path == "/api")
        if path == "/api":
            return discovery.core_versions(self.cluster.address)
        if path == "/apis":
            return discovery.groups()
        if path == "/api/v1":
            return discovery.resources("", "v1")
        if path == "/openapi/v2":
            return openapi.v2()
        if path == "/openapi/v3":
            return openapi.v3()
        if path.startswith("/openapi/v3/"):
            return openapi.v3_document(*(("", "v1") if parts[2] == "api" else (parts[3], parts[4])))
        if len(parts) == 3 and parts[0] == "apis" and (parts[1], parts[2]) in GROUP_VERSIONS:
            return discovery.resources(parts[1], parts[2])
        if len(parts) == 2 and parts[0] == "apis" and parts[1] in dict(GROUP_VERSIONS):
            return {**discovery.group(parts[1]), "kind": "APIGroup", "apiVersion": "v1"}
        raise errors.PlainNotFound
