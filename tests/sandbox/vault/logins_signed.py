# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to log in with something others signed: a JWT, a Kubernetes service account's token, a client certificate."""

from __future__ import annotations

import time
from typing import Any

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tests.sandbox.vault.logins import Role, names
from tests.sandbox.vault.tokens import TokenStore
from tests.sandbox.vault.wire import NO_CONTENT, Fault, Reply, Request

REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"


class Signed:
    """What the methods share: ``config``, roles under one name, and ``login``."""

    roles_at = "role"

    def __init__(self, store: TokenStore, mount: str) -> None:
        self.store, self.mount = store, mount
        self.config: dict[str, Any] = {}
        self.roles: dict[str, Role] = {}

    def is_login(self, path: str) -> bool:
        """Whether ``path`` needs no token."""
        return path == "login"

    def handle(self, request: Request, path: str) -> Reply:
        """Answer ``request`` for ``path`` (relative to the mount)."""
        word, _, name = path.partition("/")
        if path == "login":
            return self.login(request)
        if path == "config" and request.operation in ("create", "update"):
            self.config = request.body
            return NO_CONTENT
        if word != self.roles_at or not name:
            raise Fault(404)
        if request.operation in ("create", "update"):
            self.roles.setdefault(name, Role()).settings.update(request.body)
            return NO_CONTENT
        if name not in self.roles:
            raise Fault(404)
        return Reply(data=self.roles[name].settings)

    def login(self, request: Request) -> Reply:
        """A token for whoever proves who he is."""
        raise NotImplementedError

    def role(self, body: dict[str, Any]) -> Role:
        """The role the login names."""
        found = self.roles.get(str(body.get("role")))
        if found is None:
            raise Fault(400, f'role "{body.get("role")}" could not be found' if body.get("role") else "missing role")
        return found

    def give(self, role: Role, display: str, metadata: dict[str, str]) -> Reply:
        """The token of ``role``."""
        return Reply(auth=role.issue(self.store, self.mount, "login", f"{self.mount}-{display}", metadata).auth())


class Jwt(Signed):
    """``auth/jwt``, with public keys in its configuration."""

    def login(self, request: Request) -> Reply:
        """Check signature, times, audience and the claims the role binds."""
        role = self.role(request.body)
        claims = self._claims(str(request.body.get("jwt", "")))
        audiences = set(names(claims.get("aud")))
        if not audiences & set(names(role.settings.get("bound_audiences"))):
            raise Fault(400, "error validating token: invalid audience (aud) claim: audience claim does not match")
        for claim, value in (role.settings.get("bound_claims") or {}).items():
            if claims.get(claim) not in (value if isinstance(value, list) else [value]):
                raise Fault(400, f'error validating claims: claim "{claim}" does not match any associated bound claim')
        user = str(claims.get(role.settings.get("user_claim", "sub")))
        return self.give(role, user, {"role": str(request.body["role"])})

    def _claims(self, token: str) -> dict[str, Any]:
        for pem in names(self.config.get("jwt_validation_pubkeys")):
            for kind in (ECKey, RSAKey):
                try:
                    claims = jwt.decode(token, kind.import_key(pem)).claims
                except (JoseError, ValueError):
                    continue
                if claims.get("exp", 0) < time.time():
                    raise Fault(400, "error validating token: token is expired")
                return dict(claims)
        raise Fault(400, "error validating token: no known key successfully validated the token signature")


class Kubernetes(Signed):
    """``auth/kubernetes``: asks the cluster itself who holds the token."""

    def login(self, request: Request) -> Reply:
        """Have the token reviewed, then check the role's accounts and namespaces."""
        role, token = self.role(request.body), str(request.body.get("jwt", ""))
        review = requests.post(
            str(self.config["kubernetes_host"]) + REVIEW,
            json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
            headers={"Authorization": f"Bearer {self.config.get('token_reviewer_jwt') or token}"},
            verify=self.config.get("ca_file", True),
            timeout=5,
        )
        status = review.json().get("status", {}) if review.ok else {}
        parts = str(status.get("user", {}).get("username", "")).split(":")
        if not status.get("authenticated") or parts[:2] != ["system", "serviceaccount"]:
            raise Fault(403, "permission denied")
        namespace, account = parts[2:]
        for wanted, found, what in (("namespaces", namespace, "namespace"), ("names", account, "service account name")):
            bound = names(role.settings.get(f"bound_service_account_{wanted}"))
            if found not in bound and bound != ["*"]:
                raise Fault(403, f"{what} not authorized")
        metadata = {"role": str(request.body["role"]), "service_account_name": account}
        return self.give(role, f"{namespace}-{account}", {**metadata, "service_account_namespace": namespace})


class Cert(Signed):
    """``auth/cert``: the certificate the client showed in the TLS handshake."""

    roles_at = "certs"

    def login(self, request: Request) -> Reply:
        """Find the role whose certificate is the client's, or issued it."""
        if request.peer_certificate is None:
            raise Fault(400, "client certificate must be supplied")
        shown = x509.load_der_x509_certificate(request.peer_certificate)
        wanted = request.body.get("name")
        for name, role in self.roles.items():
            trusted = x509.load_pem_x509_certificate(role.settings["certificate"].encode())
            if wanted in (None, "", name) and (shown == trusted or _issued(shown, trusted)):
                return self.give(role, name, {"cert_name": name})
        raise Fault(400, "invalid certificate or no client certificate supplied")


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
