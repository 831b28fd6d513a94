# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to log in that need nothing but Vault: approle and userpass."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.vault.kv2 import children
from tests.sandbox.vault.tokens import Token, TokenStore
from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, now, seconds

NEVER = 2**63


def names(value: Any) -> list[str]:
    """Policies given as a list or as text with commas."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value or [])


@dataclass
class Role:
    """What a role or user gives whoever logs in with it; ``settings`` as they were written."""

    settings: dict[str, Any] = field(default_factory=dict)
    entity: str = field(default_factory=lambda: str(uuid.uuid4()))

    def issue(self, store: TokenStore, mount: str, path: str, display: str, metadata: dict[str, str]) -> Token:
        """A token of this role."""
        return store.issue(
            names(self.settings.get("token_policies") or self.settings.get("policies")),
            seconds(self.settings.get("token_ttl", 0)),
            path=f"auth/{mount}/{path}",
            display_name=display,
            metadata=metadata,
            entity=self.entity,
            orphan=True,
        )


@dataclass
class SecretId:
    """A secret id; ``expires`` in nanoseconds since 1970, ``uses`` left, None for no limit."""

    role: str
    expires: int
    uses: int | None


class AppRole:
    """``auth/approle``."""

    def __init__(self, store: TokenStore, mount: str) -> None:
        self.store, self.mount = store, mount
        self.roles: dict[str, Role] = {}
        self.role_ids: dict[str, str] = {}
        self.secret_ids: dict[str, SecretId] = {}

    def is_login(self, path: str) -> bool:
        """Whether ``path`` needs no token."""
        return path == "login"

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``request`` for ``path`` (relative to the mount)."""
        if path == "login":
            return self._login(request.body)
        word, _, rest = path.partition("/")
        name, _, part = rest.partition("/")
        if word != "role":
            raise Fault(404)
        if request.operation == "list":
            return Reply(data={"keys": children(list(self.roles), "")})
        if not part and request.operation in ("create", "update"):
            self.roles.setdefault(name, Role()).settings.update(request.body)
            if name not in self.role_ids.values():
                self.role_ids[str(uuid.uuid4())] = name
            return NO_CONTENT
        if name not in self.roles:
            raise Fault(404)
        return self._part(request, name, part)

    def _part(self, request: Request, name: str, part: str) -> Reply:
        role_id = next(key for key, value in self.role_ids.items() if value == name)
        settings = self.roles[name].settings
        if part == "role-id":
            if request.operation == "read":
                return Reply(data={"role_id": role_id})
            del self.role_ids[role_id]
            self.role_ids[str(request.body["role_id"])] = name
            return NO_CONTENT
        if part == "secret-id":
            secret, ttl = str(uuid.uuid4()), seconds(settings.get("secret_id_ttl", 0))
            uses = int(settings.get("secret_id_num_uses", 0)) or None
            self.secret_ids[secret] = SecretId(name, now() + ttl * 10**9 if ttl else NEVER, uses)
            view = {"secret_id": secret, "secret_id_accessor": str(uuid.uuid4()), "secret_id_ttl": ttl}
            return Reply(data=view)
        if request.operation == "delete":
            del self.roles[name], self.role_ids[role_id]
            return NO_CONTENT
        return Reply(data=settings)

    def _login(self, body: dict[str, Any]) -> Reply:
        role_id = body.get("role_id")
        if not role_id:
            raise Fault(400, "missing role_id")
        name = self.role_ids.get(role_id)
        if name is None:
            raise Fault(400, "invalid role ID")
        if self.roles[name].settings.get("bind_secret_id", True):
            self._spend(name, body.get("secret_id"))
        token = self.roles[name].issue(self.store, self.mount, "login", "approle", {"role_name": name})
        return Reply(auth=token.auth())

    def _spend(self, name: str, secret: str | None) -> None:
        if not secret:
            raise Fault(400, "missing secret_id")
        found = self.secret_ids.get(secret)
        if found is None or found.role != name or found.expires <= now():
            raise Fault(400, "invalid secret id")
        if found.uses is not None:
            found.uses -= 1
            if not found.uses:
                del self.secret_ids[secret]


class UserPass:
    """``auth/userpass``."""

    def __init__(self, store: TokenStore, mount: str) -> None:
        self.store, self.mount = store, mount
        self.users: dict[str, Role] = {}

    def is_login(self, path: str) -> bool:
        """Whether ``path`` needs no token."""
        return path.startswith("login/")

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``request`` for ``path`` (relative to the mount)."""
        word, _, name = path.partition("/")
        if word == "login":
            return self._login(name, request.body)
        if word != "users":
            raise Fault(404)
        if request.operation == "list":
            return Reply(data={"keys": children(list(self.users), "")})
        if request.operation in ("create", "update"):
            self.users.setdefault(name, Role()).settings.update(request.body)
            return NO_CONTENT
        if name not in self.users:
            raise Fault(404)
        if request.operation == "delete":
            del self.users[name]
            return NO_CONTENT
        return Reply(data={key: value for key, value in self.users[name].settings.items() if key != "password"})

    def _login(self, name: str, body: dict[str, Any]) -> Reply:
        if "password" not in body:
            raise Fault(500, "missing password")
        user = self.users.get(name)
        if user is None or user.settings.get("password") != body["password"]:
            raise Fault(400, "invalid username or password")
        display = f"{self.mount}-{name}"
        return Reply(auth=user.issue(self.store, self.mount, f"login/{name}", display, {"username": name}).auth())
