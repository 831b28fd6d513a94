# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``sys/`` endpoints an authenticated client uses: mounts, login methods, policies, capabilities, wrapping."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.sandbox.vault.kv1 import KeyValue1
from tests.sandbox.vault.kv2 import KeyValue2
from tests.sandbox.vault.logins import AppRole, UserPass
from tests.sandbox.vault.logins_signed import Cert, Jwt, Kubernetes
from tests.sandbox.vault.policy import DEFAULT, parse_policy
from tests.sandbox.vault.tokens import MAX_TTL, Token
from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request, identifier

if TYPE_CHECKING:
    from tests.sandbox.vault.core import Vault

LOGINS: dict[str, Any] = {
    "approle": AppRole,
    "userpass": UserPass,
    "jwt": Jwt,
    "kubernetes": Kubernetes,
    "cert": Cert,
}
BUILT_IN = {
    "cubbyhole/": ("cubbyhole", "per-token private secret storage", True),
    "identity/": ("identity", "identity store", False),
    "sys/": ("system", "system endpoints used for control, policy and debugging", False),
}


@dataclass
class Mount:
    """An engine or login method at a path; ``handler`` answers what is under it."""

    kind: str
    handler: Any
    description: str = ""
    options: dict[str, str] | None = None
    local: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    accessor: str = ""
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def view(self, login: bool = False) -> dict[str, Any]:
        """The mount as lists show it."""
        config = {"default_lease_ttl": 0, "force_no_cache": False, "max_lease_ttl": 0, **self.config}
        return {
            "accessor": self.accessor or f"{'auth_' if login else ''}{self.kind}_{self.uuid[:8]}",
            "config": {**config, "token_type": "default-service"} if login else config,
            "description": self.description,
            "external_entropy_access": False,
            "local": self.local,
            "options": self.options,
            "seal_wrap": False,
            "type": self.kind,
            "uuid": self.uuid,
        }


class System:
    """Answers ``sys/...`` for ``vault``."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault

    def handle(self, request: Request, path: str, caller: Token) -> Reply:
        """Answer ``request`` for ``path`` (without ``sys/``)."""
        word, _, rest = path.partition("/")
        if path.startswith("internal/ui/mounts/"):
            return self._preflight(path.removeprefix("internal/ui/mounts/"), caller)
        if word == "policies" and rest.startswith("acl"):
            return self._policies(request, rest.removeprefix("acl").strip("/"))
        if word in ("capabilities-self", "capabilities"):
            return self._capabilities(request, caller)
        if path == "wrapping/unwrap":
            return self.vault.tokens.unwrap(request.body.get("token") or request.token)
        if word == "quotas":
            return self.vault.quotas.handle(request, rest)
        known = {"mounts": self._mounts, "auth": self._logins, "policy": self._policies}
        if word in known:
            return known[word](request, rest)
        if path == "seal":
            return self.vault.seal.close()
        if path == "step-down":
            if self.vault.seal.clustered:
                self.vault.seal.elect()
            return NO_CONTENT
        raise Fault(404)

    def add_mount(self, path: str, kind: str, options: dict[str, str] | None, description: str = "") -> None:
        """Mount a key/value engine at ``path`` (with its slash)."""
        if kind not in ("kv", "kv-v2"):
            raise Fault(400, f"plugin not found in the catalog: {kind}")
        version = "2" if kind == "kv-v2" else (options or {}).get("version", "1")
        engine = KeyValue2(self.vault.modern) if version == "2" else KeyValue1()
        self.vault.mounts[path] = Mount("kv", engine, description, {**(options or {}), "version": version})

    def _mounts(self, request: Request, rest: str) -> Reply:
        mounts = self.vault.mounts
        if not rest:
            return Reply(data={path: mount.view() for path, mount in mounts.items()}, merged=True)
        if rest.endswith("/tune"):
            return self._tune(request, rest.removesuffix("tune"))
        path = rest.rstrip("/") + "/"
        if request.operation == "delete":
            mounts.pop(path, None)
            return NO_CONTENT
        if any(path.startswith(taken) or taken.startswith(path) for taken in mounts):
            raise Fault(400, f"path is already in use at {path}")
        body = request.body
        self.add_mount(path, body["type"], body.get("options"), body.get("description", ""))
        return NO_CONTENT

    def _tune(self, request: Request, path: str) -> Reply:
        mount = self.vault.mounts.get(path)
        if mount is None:
            raise Fault(400, f"path '{path}' is not mounted")
        if request.operation != "read":
            mount.description = request.body.get("description", mount.description)
            return NO_CONTENT
        view = {
            "default_lease_ttl": MAX_TTL,
            "description": mount.description,
            "force_no_cache": False,
            "max_lease_ttl": MAX_TTL,
            "options": mount.options,
        }
        return Reply(data=view, merged=True)

    def _logins(self, request: Request, rest: str) -> Reply:
        logins = self.vault.logins
        if not rest:
            return Reply(data={path: mount.view(login=True) for path, mount in logins.items()}, merged=True)
        path = rest.rstrip("/") + "/"
        if request.operation == "delete":
            logins.pop(path, None)
            return NO_CONTENT
        kind = request.body["type"]
        if path in logins:
            raise Fault(400, f"path is already in use at {path}")
        if kind not in LOGINS:
            raise Fault(400, f"plugin not found in the catalog: {kind}")
        handler = LOGINS[kind](self.vault.tokens, rest.rstrip("/"))
        logins[path] = Mount(kind, handler, request.body.get("description", ""), {})
        return NO_CONTENT

    def _policies(self, request: Request, name: str) -> Reply:
        policies = self.vault.policies
        if not name:
            return Reply(data={"keys": sorted(policies), "policies": sorted(policies)}, merged=True)
        if request.operation == "read":
            if name not in policies:
                raise Fault(404)
            text = policies[name][0]
            return Reply(data={"name": name, "policy": text, "rules": text}, merged=True)
        if request.operation == "delete":
            policies.pop(name, None)
            return NO_CONTENT
        text = request.body.get("policy", "")
        policies[name] = (text, parse_policy(text))
        return NO_CONTENT

    def _capabilities(self, request: Request, caller: Token) -> Reply:
        target = self.vault.tokens.find(request.body["token"]) if "token" in request.body else caller
        if target is None:
            raise Fault(400, "invalid token")
        paths = request.body.get("paths") or [request.body["path"]]
        acl = self.vault.acl(target)
        view = {path: sorted(acl.capabilities(path)) or ["deny"] for path in paths}
        if len(paths) == 1:
            view["capabilities"] = view[paths[0]]
        return Reply(data=view, merged=True)

    def _preflight(self, path: str, caller: Token) -> Reply:
        wanted = path.rstrip("/") + "/"
        mount = next((mount for mount in self.vault.mounts if wanted.startswith(mount)), None)
        if mount is None or not self.vault.acl(caller).reaches(mount):
            reason = f'please ensure client\'s policies grant access to path "{wanted}"'
            raise Fault(403, f"preflight capability check returned 403, {reason}")
        return Reply(data={**self.vault.mounts[mount].view(), "path": mount})


def built_in() -> dict[str, Mount]:
    """The mounts every Vault has."""
    mounts = {path: Mount(kind, None, text, local=local) for path, (kind, text, local) in BUILT_IN.items()}
    mounts["sys/"].config = {"passthrough_request_headers": ["Accept"]}
    return mounts


def default_policies() -> dict[str, tuple[str, list[Any]]]:
    """The policies every Vault has."""
    return {"default": (DEFAULT, parse_policy(DEFAULT)), "root": ("", [])}


def token_mount() -> Mount:
    """The login method every Vault has."""
    return Mount("token", None, "token based credentials", accessor=f"auth_token_{identifier(8).lower()}")
