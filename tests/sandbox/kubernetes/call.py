# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to the API, taken apart: which resource, which verb, how the answer shall look."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

from . import errors, protobuf, schema, tables
from .access import Attributes, User
from .kinds import BY_PATH, EVENT_V1, SERVED, Kind
from .meta import copy

Object = dict[str, Any]
BODY_LIMIT = 3 * 1024 * 1024
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}
_METADATA_ONLY = ("kind", "apiVersion", "metadata")


@dataclass
class Call:
    """A parsed request; ``tail`` is what follows a proxy subresource."""

    request: web.Request
    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    tail: str = ""
    user: User = field(default_factory=lambda: User(""))
    warnings: list[str] = field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, the first of each."""
        return {key: self.request.query[key] for key in self.request.query}

    @property
    def watching(self) -> bool:
        """Whether the client wants a stream of changes."""
        return self.request.method == "GET" and self.query.get("watch") in ("1", "true", "")

    @property
    def verb(self) -> str:
        """The verb that RBAC speaks of."""
        method = self.request.method
        if method == "GET" and not self.name:
            return "watch" if self.watching else "list"
        if method == "DELETE" and not self.name:
            return "deletecollection"
        return _VERBS.get(method, method.lower())

    @property
    def attributes(self) -> Attributes:
        """What RBAC judges."""
        namespace = self.namespace if self.kind.namespaced else ""
        return Attributes(self.verb, self.kind.group, self.kind.plural, self.subresource, namespace, self.name)

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be kept."""
        return self.query.get("dryRun") == "All"

    @property
    def manager(self) -> str:
        """Whose fields a write makes: named by the query, else by the client's name."""
        return self.query.get("fieldManager") or self.request.headers.get("User-Agent", "").partition("/")[0]

    async def raw(self) -> bytes:
        """The body, up to the server's limit."""
        if (self.request.content_length or 0) > BODY_LIMIT:
            text = f"Request entity too large: limit is {BODY_LIMIT}"
            raise errors.ApiError(413, "RequestEntityTooLarge", text)
        return await self.request.read()

    async def body(self, kind: Kind | None = None) -> Object:
        """The body as data; protobuf is read for the few types that kubectl sends in it."""
        data = await self.raw()
        if not data:
            return {}
        if data.startswith(protobuf.MAGIC):
            return protobuf.decode(data)
        try:
            parsed = yaml.safe_load(data) if "yaml" in self.request.content_type else json.loads(data)
        except (ValueError, yaml.YAMLError) as error:
            raise errors.bad_request(f"error decoding body: {error}") from error
        if not isinstance(parsed, dict):
            named = (kind or self.kind).kind
            why = f"json: cannot unmarshal {type(parsed).__name__}"
            text = f'{named} in version "v1" cannot be handled as a {named}: {why}'
            raise errors.bad_request(text)
        return parsed

    def checked(self, reading: schema.Reading, source: Object | None = None) -> Object:
        """The object that was read; ``source``: the patched object, when it came from a patch."""
        problems = [reading.mismatch] if reading.mismatch else []
        strict = self.query.get("fieldValidation") == "Strict"
        unknown = [f'unknown field "{path}"' for path in reading.unknown]
        if strict and unknown and not problems:
            problems = [f"strict decoding error: {', '.join(unknown)}"]
        if problems and source is not None:
            metadata = {key: value for key, value in source["metadata"].items() if key != "managedFields"}
            shown = json.dumps(json.dumps({**source, "metadata": metadata}, separators=(",", ":")))
            cause = errors.Cause("patch", "FieldValueInvalid", f"Invalid value: {shown}: {problems[0]}")
            raise errors.invalid(None, "", [cause])
        if problems:
            about = f'{self.kind.kind} in version "{self.kind.version}" cannot be handled as a {self.kind.kind}: '
            raise errors.bad_request(problems[0] if problems[0].startswith("strict") else about + problems[0])
        if self.query.get("fieldValidation", "Warn") == "Warn":
            self.warnings += unknown
        return reading.value

    @property
    def shape(self) -> str:
        """``Table``, ``PartialObjectMetadata`` or empty, from the Accept header."""
        accept = self.request.headers.get("Accept", "")
        for wanted in accept.split(","):
            kind, *options = [part.strip() for part in wanted.split(";")]
            shape = next((option[3:] for option in options if option.startswith("as=")), "")
            if kind == "application/json" and shape:
                return shape.removesuffix("List")
            if kind in ("application/json", "*/*", "application/*"):
                return ""
        return ""

    def check_acceptable(self) -> None:
        """406 for a client that can read nothing of what the server writes."""
        accept = self.request.headers.get("Accept", "*/*")
        readable = ("json", "yaml", "*/*", "application/*", "protobuf")
        if accept and not any(word in accept for word in readable):
            offered = (
                "application/json, application/yaml, application/vnd.kubernetes.protobuf, "
                "application/json;stream=watch, "
                "application/vnd.kubernetes.protobuf;stream=watch"
            )
            text = f"406: Not Acceptable\n\nAvailable representations: {offered}"
            raise errors.ApiError(406, "NotAcceptable", text, {})

    def render(self, item: Object) -> Object:
        """One object in the shape that was asked for."""
        if self.kind is EVENT_V1:
            item = tables.modern_event(item)
        if self.shape == "Table":
            return tables.table(self.kind, [item], item["metadata"], self.query.get("includeObject", "Metadata"))
        if self.shape == "PartialObjectMetadata":
            return {"kind": self.shape, "apiVersion": "meta.k8s.io/v1", "metadata": item["metadata"]}
        return item

    def render_list(self, items: list[Object], metadata: Object) -> Object:
        """A list in the shape that was asked for."""
        if self.shape == "Table":
            return tables.table(self.kind, items, metadata, self.query.get("includeObject", "Metadata"))
        if self.shape == "PartialObjectMetadata":
            partial = [{"kind": self.shape, "apiVersion": "meta.k8s.io/v1", "metadata": i["metadata"]} for i in items]
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": partial,
            }
        if self.kind is EVENT_V1:
            items = [tables.modern_event(item) for item in items]
        bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        return {
            "kind": f"{self.kind.kind}List",
            "apiVersion": self.kind.api_version,
            "metadata": metadata,
            "items": bare,
        }

    def answer(self, body: Object, status: int = 200) -> web.Response:
        """The body as JSON, with the warnings that came up."""
        headers = [("Warning", "299 - " + json.dumps(text)) for text in self.warnings]
        response = web.json_response(body, status=status, dumps=lambda value: json.dumps(value, separators=(",", ":")))
        for name, value in headers:
            response.headers.add(name, value)
        response.headers["Cache-Control"] = "no-cache, private"
        return response


def parse(request: web.Request) -> Call | None:
    """The call behind a path; None where the path names no known API group."""
    parts = [part for part in request.path.split("/") if part]
    if parts[0] == "api" and len(parts) > 2 and parts[1] == "v1":
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3 and (parts[1], parts[2]) in SERVED:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (rest[2] != "status" or group):
        namespace, rest = rest[1], rest[2:]
    kind = BY_PATH.get((group, version, rest[0]))
    if kind is None:
        raise errors.unknown_resource()
    name, subresource = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    if kind.plural == "namespaces" and name:
        namespace = name
    if subresource and subresource not in kind.subresources:
        raise errors.unknown_resource()
    tail = request.raw_path.partition("?")[0].split("/proxy", 1)[1] if subresource == "proxy" else ""
    return Call(request, kind, namespace, name, subresource, tail)


def fresh(item: Object) -> Object:
    """A copy to change."""
    return copy(item)  # type: ignore[no-any-return]
