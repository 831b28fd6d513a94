# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens: making, finding, renewing, wrapping and revoking them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, identifier, now, seconds, stamp

MAX_TTL = 2764800  # seconds, 32 days


@dataclass
class Token:
    """One token; times in nanoseconds since 1970, durations in seconds, ``expires`` 0 for never."""

    id: str
    policies: list[str]
    ttl: int
    path: str = "auth/token/create"
    display_name: str = "token"
    kind: str = "service"
    renewable: bool = True
    orphan: bool = False
    uses: int = 0
    metadata: dict[str, str] | None = None
    entity: str = ""
    parent: str = ""
    accessor: str = field(default_factory=identifier)
    issued: int = field(default_factory=now)
    expires: int = 0
    wrapped: Reply | None = None

    def auth(self, duration: int | None = None) -> dict[str, Any]:
        """The ``auth`` block of a login or renewal."""
        return {
            "client_token": self.id,
            "accessor": self.accessor,
            "policies": self.policies,
            "token_policies": self.policies,
            "metadata": self.metadata,
            "lease_duration": self.ttl if duration is None else duration,
            "renewable": self.renewable,
            "entity_id": self.entity,
            "token_type": self.kind,
            "orphan": self.orphan,
        }

    def view(self) -> dict[str, Any]:
        """The token as lookup shows it."""
        return {
            "accessor": self.accessor,
            "creation_time": self.issued // 10**9,
            "creation_ttl": self.ttl,
            "display_name": self.display_name,
            "entity_id": self.entity,
            "expire_time": stamp(self.expires) if self.expires else None,
            "explicit_max_ttl": 0,
            "id": self.id,
            "issue_time": stamp(self.issued),
            "meta": self.metadata,
            "num_uses": self.uses,
            "orphan": self.orphan,
            "path": self.path,
            "policies": self.policies,
            "renewable": self.renewable,
            "ttl": max(0, (self.expires - now()) // 10**9) if self.expires else 0,
            "type": self.kind,
        }


class TokenStore:
    """All tokens, and the ``auth/token`` mount."""

    def __init__(self) -> None:
        self.tokens: dict[str, Token] = {}

    def add_root(self, name: str) -> Token:
        """A root token called ``name``."""
        token = Token(name, ["root"], 0, renewable=False, orphan=True)
        self.tokens[name] = token
        return token

    def issue(self, policies: list[str], ttl: int, *, default_policy: bool = True, **fields: Any) -> Token:
        """A new token with ``policies`` for ``ttl`` seconds."""
        names = ["root"] if "root" in policies else sorted({*policies, *(["default"] if default_policy else [])})
        batch = fields.get("kind") == "batch"
        token = Token(("b." if batch else "s.") + identifier(), names, min(ttl or MAX_TTL, MAX_TTL), **fields)
        if batch:
            token.accessor, token.renewable = "", False
        token.expires = token.issued + token.ttl * 10**9
        self.tokens[token.id] = token
        return token

    def find(self, name: str) -> Token | None:
        """The valid token ``name``."""
        token = self.tokens.get(name)
        if token and token.expires and token.expires <= now():
            self.revoke(token)
            return None
        return token

    def revoke(self, token: Token) -> None:
        """Drop ``token`` and its children."""
        self.tokens.pop(token.id, None)
        for child in [child for child in self.tokens.values() if child.parent == token.id and not child.orphan]:
            self.revoke(child)

    def wrap(self, reply: Reply, ttl: int, path: str) -> Reply:
        """``reply`` behind a single-use token."""
        token = self.issue(["response-wrapping"], ttl, default_policy=False, path=path, wrapped=reply)
        info: dict[str, Any] = {
            "token": token.id,
            "accessor": token.accessor,
            "ttl": ttl,
            "creation_time": stamp(token.issued),
            "creation_path": path,
        }
        if reply.auth:
            info["wrapped_accessor"] = reply.auth["accessor"]
        return Reply(wrap_info=info)

    def unwrap(self, name: str) -> Reply:
        """What the wrapping token ``name`` holds, once."""
        token = self.find(name)
        if token is None or token.wrapped is None:
            raise Fault(400, "wrapping token is not valid or does not exist")
        self.revoke(token)
        return token.wrapped

    def handle(self, request: Request, path: str, caller: Token) -> Reply:
        """Answer ``auth/token/<path>`` for ``caller``."""
        word = path.split("/", maxsplit=1)[0]
        if word in ("create", "create-orphan"):
            return self._create(request.body, caller, orphan=word == "create-orphan")
        if word in ("lookup-self", "renew-self", "revoke-self"):
            target: Token | None = caller
        elif path in ("lookup", "renew", "revoke"):
            target = self.find(request.body.get("token", ""))
        elif path in ("lookup-accessor", "revoke-accessor"):
            accessor = request.body.get("accessor")
            target = next((token for token in self.tokens.values() if token.accessor == accessor), None)
        else:
            raise Fault(404)
        if target is None:
            raise Fault(403, "bad token")
        if word.startswith("lookup"):
            return Reply(data=target.view())
        if word.startswith("revoke"):
            self.revoke(target)
            return NO_CONTENT
        return self._renew(target, seconds(request.body.get("increment", 0)))

    def _create(self, body: dict[str, Any], caller: Token, orphan: bool) -> Reply:
        token = self.issue(
            body.get("policies") or list(caller.policies),
            seconds(body.get("ttl", 0)),
            default_policy=not body.get("no_default_policy", False),
            kind=body.get("type") or "service",
            renewable=body.get("renewable", True),
            uses=int(body.get("num_uses", 0)),
            orphan=orphan or bool(body.get("no_parent", False)),
            metadata=body.get("meta"),
            display_name="-".join(["token", *filter(None, [body.get("display_name")])]),
            parent=caller.id,
        )
        return Reply(auth=token.auth())

    def _renew(self, token: Token, increment: int) -> Reply:
        if token.kind == "batch":
            raise Fault(400, "batch tokens cannot be renewed")
        if not token.renewable:
            raise Fault(400, "lease is not renewable")
        duration = min(increment or token.ttl, MAX_TTL)
        token.expires = now() + duration * 10**9
        return Reply(auth=token.auth(duration))
