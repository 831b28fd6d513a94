# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asking (bearer tokens) and what they may do (RBAC)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import ApiError
from .kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT
from .store import Store

Object = dict[str, Any]
ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Attributes:
    """What a caller wants to do: a resource, or a path outside the resources."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def refusal(self, user: User) -> str:
        """Why not, in the server's words."""
        if not self.resource:
            return f'User "{user.name}" cannot {self.verb} path "{self.path}"'
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        about = f'cannot {self.verb} resource "{self.full_resource}" in API group "{self.group}" {where}'
        return f'User "{user.name}" {about}'


class Access:
    """Tokens and RBAC over the store."""

    def __init__(self, store: Store, users: Mapping[str, User], audit: Path) -> None:
        """``users`` maps static bearer tokens to users; ``audit`` is told what those without all rights do."""
        self.store, self.users, self.audit = store, users, audit
        self._key = secrets.token_bytes(32)
        self._told: set[str] = set()

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """The caller; 401 for a token that is not known."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if not token:
            return ANONYMOUS
        user = self._user(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        if (other := headers.get("Impersonate-User")) and "system:masters" in user.groups:
            return service_account_user(other) if other.startswith("system:serviceaccount:") else User(
                other, ("system:authenticated",)
            )  # fmt: skip
        return user

    def _user(self, token: str) -> User | None:
        if token in self.users:
            return self.users[token]
        claims = self._claims(token)
        if claims is None or claims["exp"] < time.time():
            return None
        about = claims["kubernetes.io"]
        account = self.store.find(SERVICE_ACCOUNT, about["namespace"], about["serviceaccount"]["name"])
        if account is None or account["metadata"]["uid"] != about["serviceaccount"]["uid"]:
            return None
        if (secret := about.get("secret")) and not self.store.find(SECRET, about["namespace"], secret["name"]):
            return None
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]}
        return service_account_user(claims["sub"], account["metadata"]["uid"], extra)

    def issue(self, account: Object, seconds: int, secret: Object | None = None) -> str:
        """A token for a ServiceAccount that holds ``seconds`` (bound to ``secret`` when given)."""
        metadata = account["metadata"]
        about = {"namespace": metadata["namespace"], "serviceaccount": {k: metadata[k] for k in ("name", "uid")}}
        if secret:
            about["secret"] = {"name": secret["metadata"]["name"]}
        subject = f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"
        issued = int(time.time())
        claims = {"iss": ISSUER, "aud": [ISSUER], "sub": subject, "iat": issued, "exp": issued + seconds}
        claims |= {"jti": str(uuid.uuid4()), "kubernetes.io": about}
        parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        body = ".".join(parts)
        return f"{body}.{_base64(hmac.digest(self._key, body.encode(), hashlib.sha256))}"

    def _claims(self, token: str) -> Object | None:
        body, _, signature = token.rpartition(".")
        expected = _base64(hmac.digest(self._key, body.encode(), hashlib.sha256))
        if not body or not hmac.compare_digest(signature, expected):
            return None
        payload = body.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))  # type: ignore[no-any-return]

    def allowed(self, user: User, wanted: Attributes) -> tuple[bool, str]:
        """Whether RBAC lets ``user`` do it, and by which binding."""
        if "system:masters" in user.groups:
            return True, ""
        for binding, subject, rules in self.bindings(user, wanted.namespace):
            if any(_matches(rule, wanted) for rule in rules):
                return True, f"RBAC: allowed by {_describe(binding, subject)}"
        return False, ""

    def admit(self, user: User, wanted: Attributes) -> bool:
        """Whether ``user`` may do what was asked for; each such thing is written down once."""
        allowed, _ = self.allowed(user, wanted)
        line = json.dumps({"user": user.name, "allowed": allowed, **asdict(wanted)}) + "\n"
        if "system:masters" not in user.groups and line not in self._told:
            self._told.add(line)
            with self.audit.open("a") as file:
                file.write(line)
        return allowed

    def bindings(self, user: User, namespace: str) -> Iterator[tuple[Object, Object, list[Object]]]:
        """Each binding that names the user, with the subject it named and its role's rules."""
        found = self.store.list(CLUSTER_ROLE_BINDING)
        if namespace:
            found = found + self.store.list(ROLE_BINDING, namespace)
        for binding in found:
            space = binding["metadata"].get("namespace", "")
            for subject in binding.get("subjects", []):
                if _is_subject(user, subject, space):
                    yield binding, subject, self._rules(binding["roleRef"], space)
                    break

    def _rules(self, ref: Object, namespace: str) -> list[Object]:
        kind = ROLE if ref["kind"] == "Role" else CLUSTER_ROLE
        role = self.store.find(kind, namespace, ref["name"])
        return (role.get("rules") or []) if role else []


def service_account_user(subject: str, uid: str = "", extra: Mapping[str, list[str]] | None = None) -> User:
    """The user behind ``system:serviceaccount:NAMESPACE:NAME``."""
    namespace = subject.split(":")[2]
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(subject, groups, uid, extra or {})


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_subject(user: User, subject: Object, namespace: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{subject['name']}"
    return subject["name"] == user.name if subject["kind"] == "User" else subject["name"] in user.groups


def _describe(binding: Object, subject: Object) -> str:
    ref = binding["roleRef"]
    name, space = binding["metadata"]["name"], binding["metadata"].get("namespace")
    who = f"{subject['name']}/{subject['namespace']}" if subject["kind"] == "ServiceAccount" else subject["name"]
    where = f"{name}/{space}" if space else name
    return f'{binding["kind"]} "{where}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'


def _matches(rule: Object, wanted: Attributes) -> bool:
    def covers(field_name: str, value: str) -> bool:
        held = rule.get(field_name) or []
        return "*" in held or value in held

    if not covers("verbs", wanted.verb):
        return False
    if not wanted.resource:
        paths = rule.get("nonResourceURLs") or []
        return any(wanted.path == path or (path.endswith("*") and wanted.path.startswith(path[:-1])) for path in paths)
    resources = rule.get("resources") or []
    named = covers("resources", wanted.full_resource) or (wanted.subresource and f"*/{wanted.subresource}" in resources)
    names = rule.get("resourceNames")
    return bool(named) and covers("apiGroups", wanted.group) and (not names or wanted.name in names)
