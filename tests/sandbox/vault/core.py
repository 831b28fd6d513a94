# SPDX-License-Identifier: GPL-3.0-or-later
"""One Vault node: who may do what, and which part answers."""

from __future__ import annotations

from typing import Any

from tests.sandbox.vault.policy import Acl
from tests.sandbox.vault.quotas import Quotas
from tests.sandbox.vault.seal import Seal
from tests.sandbox.vault.system import Mount, System, built_in, default_policies, token_mount
from tests.sandbox.vault.tokens import Token, TokenStore
from tests.sandbox.vault.wire import Fault, Reply, Request, denied, identifier, seconds

RECORDED_VERSION = "1.8.0-dev"


class Vault:
    """A node. ``modern``: answers as releases after 1.8 do (custom metadata, patch, 403 without a token)."""

    def __init__(self, *, clustered: bool = False, modern: bool = False, election: float = 0.3) -> None:
        self.modern = modern
        self.seal = Seal("1.15.6" if modern else RECORDED_VERSION, clustered, election)
        self.tokens = TokenStore()
        self.quotas = Quotas()
        self.policies = default_policies()
        self.mounts: dict[str, Mount] = built_in()
        self.logins: dict[str, Mount] = {"token/": token_mount()}
        self.system = System(self)
        if not clustered:
            self.system.add_mount("secret/", "kv", {"version": "2"}, "key/value secret storage")

    def answer_open(self, request: Request) -> Reply | None:
        """The endpoints that answer in every state, without a token; None for all others."""
        if request.path == "sys/health":
            return self.seal.health(dict(request.query))
        if request.path == "sys/seal-status":
            return self.seal.status()
        if request.path == "sys/leader":
            return self.seal.leadership()
        if request.path == "sys/init":
            reply = self.seal.init(request)
            if request.operation != "read":
                reply.bare["root_token"] = self.tokens.add_root("s." + identifier()).id
            return reply
        return None

    def answer(self, request: Request) -> Reply:
        """Answer ``request`` on the active node, or raise its :class:`Fault`."""
        self.quotas.check(request.path)
        reply = self._answer_login(request)
        if reply is None:
            reply = self._answer_authenticated(request)
        ttl = request.headers.get("X-Vault-Wrap-TTL")
        return self.tokens.wrap(reply, seconds(ttl), request.path) if ttl else reply

    def acl(self, token: Token) -> Acl:
        """What ``token`` may do."""
        rules = [rule for name in token.policies for rule in self.policies.get(name, ("", []))[1]]
        return Acl(tuple(rules), root="root" in token.policies)

    def _answer_login(self, request: Request) -> Reply | None:
        for path, mount in self.logins.items():
            rest = request.path.removeprefix(f"auth/{path}")
            if mount.handler and rest != request.path and mount.handler.is_login(rest):
                reply: Reply = mount.handler.handle(request, rest)
                return reply
        return None

    def _answer_authenticated(self, request: Request) -> Reply:
        if request.path == "sys/wrapping/unwrap":
            return self.system.handle(request, "wrapping/unwrap", Token("", [], 0))
        caller = self._caller(request)
        mount, handler, rest = self._route(request.path)
        if request.operation == "update" and hasattr(handler, "exists") and not handler.exists(rest):
            request.operation = "create"
        preflight = request.path.startswith("sys/internal/ui/mounts/")
        if not preflight and not self.acl(caller).allows(request.path, request.operation):
            raise denied()
        if mount == "sys/":
            return self.system.handle(request, rest, caller)
        if mount == "auth/token/":
            return self.tokens.handle(request, rest, caller)
        if handler is None:
            raise Fault(404, f"no handler for route '{request.path}'")
        reply: Reply = handler.handle(request, rest)
        return reply

    def _caller(self, request: Request) -> Token:
        if not request.token:
            raise Fault(403, "permission denied") if self.modern else Fault(400, "missing client token")
        caller = self.tokens.find(request.token)
        if caller is None or caller.wrapped is not None:
            later = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
            raise Fault(403, later if self.modern else "permission denied")
        if caller.uses:
            caller.uses -= 1
            if not caller.uses:
                self.tokens.revoke(caller)
        return caller

    def _route(self, path: str) -> tuple[str, Any, str]:
        places = {**self.mounts, **{f"auth/{login}": mount for login, mount in self.logins.items()}}
        for place, mount in places.items():
            if path.startswith(place):
                return place, mount.handler, path.removeprefix(place)
        return "", None, path
