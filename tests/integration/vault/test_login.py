# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to log in and to say where Vault is, and what becomes of the token."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hvac
import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.integration.vault.helpers import Engine, Meddler, Outcome
from tests.sandbox.vault.server import VaultServer

OLD, NEW = {"a": "1"}, {"a": "2"}
POLICY = Path(__file__).resolve().parents[3] / "docs" / "policies" / "vault-rollback.hcl"


@pytest.fixture
def ready(engine: Engine) -> Engine:
    """An engine with a secret, and the policy ``rollback`` for it."""
    engine.put("production/app", OLD, NEW)
    engine.client.sys.create_or_update_policy(f"policy-{engine.mount}", _policy(engine))
    return engine


def _policy(engine: Engine) -> str:
    return POLICY.read_text().replace('"secret/', f'"{engine.mount}/')


def _go(engine: Engine, **options: Any) -> Outcome:
    return engine.rollback(engine.secret("production/app", 1), **options)


def _only_token(outcome: Outcome) -> str:
    (token,) = outcome.hidden
    return token


def _valid(engine: Engine, token: str) -> bool:
    client = hvac.Client(url=engine.address, token=token)
    return bool(client.is_authenticated())


@pytest.fixture
def approle(ready: Engine) -> dict[str, Any]:
    """Credentials of an AppRole with the policy ``rollback``."""
    mount = f"approle-{ready.mount}"
    ready.client.sys.enable_auth_method("approle", path=mount)
    role = ready.client.auth.approle
    role.create_or_update_approle("r", token_policies=[f"policy-{ready.mount}"], mount_point=mount)
    return {
        "auth_method": "approle",
        "mount_point": mount,
        "role_id": role.read_role_id("r", mount_point=mount)["data"]["role_id"],
        "secret_id": role.generate_secret_id("r", mount_point=mount)["data"]["secret_id"],
    }


def test_approle_and_its_token_is_revoked(ready: Engine, approle: dict[str, Any]) -> None:
    outcome = _go(ready, token=None, **approle)
    assert outcome["changed"]
    assert not _valid(ready, _only_token(outcome))


def test_the_token_is_revoked_after_a_failure_too(ready: Engine, approle: dict[str, Any]) -> None:
    with Meddler(ready.address, ready.ca_cert) as meddler:
        with pytest.raises(RollbackError):
            ready.rollback(ready.secret("production/app", 9), url=meddler.address, token=None, **approle)
        assert meddler.seen[-1].endswith("auth/token/revoke-self")


def test_userpass(ready: Engine) -> None:
    mount = f"userpass-{ready.mount}"
    ready.client.sys.enable_auth_method("userpass", path=mount)
    policy = f"policy-{ready.mount}"
    ready.client.auth.userpass.create_or_update_user("dana", "pw", policies=policy, mount_point=mount)
    options = {"auth_method": "userpass", "mount_point": mount, "username": "dana"}
    outcome = _go(ready, token=None, password="pw", **options)
    assert outcome["changed"]
    assert not _valid(ready, _only_token(outcome))
    with pytest.raises(RollbackError, match=r"refused the userpass login .*invalid username or password"):
        _go(ready, token=None, password="wrong", **options)


def test_a_given_token_is_left_alone(ready: Engine) -> None:
    token = ready.token_for(_policy(ready))
    outcome = _go(ready, token=token)
    assert _only_token(outcome) == token
    assert _valid(ready, token)


def test_vaults_own_environment_is_enough(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", ready.address)
    monkeypatch.setenv("VAULT_TOKEN", ready.token)
    assert _go(ready, url=None, token=None)["changed"]


def test_ansibles_environment_wins_over_vaults(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("ANSIBLE_HASHI_VAULT_ADDR", ready.address)
    monkeypatch.setenv("VAULT_TOKEN", "s.wrong")
    monkeypatch.setenv("ANSIBLE_HASHI_VAULT_TOKEN", ready.token)
    assert _go(ready, url=None, token=None)["changed"]


def test_the_token_file_of_vault_login(ready: Engine, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(f"{ready.token}\n")
    assert _go(ready, token=None)["changed"]


def test_no_address(ready: Engine) -> None:
    with pytest.raises(RollbackError, match="set url or VAULT_ADDR"):
        _go(ready, url=None)


def test_the_namespace_is_sent(ready: Engine) -> None:
    with Meddler(ready.address, ready.ca_cert) as meddler:
        _go(ready, url=meddler.address, namespace="team1")
        assert meddler.headers["X-Vault-Namespace"] == "team1"


def test_the_shipped_policy_is_enough(ready: Engine) -> None:
    token = ready.token_for(_policy(ready))
    assert ready.info(ready.secret("production/app", 1), token=token)[0]["problems"] == []
    assert _go(ready, token=token)["changed"]
    ready.put("production/app", NEW)
    ready.client.secrets.kv.v2.delete_secret_versions("production/app", [1], mount_point=ready.mount)
    assert _go(ready, token=token, undelete=True)["changed"]


@pytest.mark.parametrize(
    ("without", "state", "said"),
    [
        ('["read", "update"]', "live", "no right to|reaches no secrets engine"),
        (', "update"', "live", "the token lacks update on MOUNT/data/production/app"),
        ('path "MOUNT/undelete', "deleted", "the token lacks update on MOUNT/undelete/production/app"),
        ('path "MOUNT/delete', "deleted", "the token lacks update on MOUNT/delete/production/app"),
    ],
)
def test_nothing_of_the_shipped_policy_can_be_left_out(ready: Engine, without: str, state: str, said: str) -> None:
    replacement = {'["read", "update"]': '["update"]', ', "update"': ""}.get(without, 'path "elsewhere')
    policy = _policy(ready).replace(without.replace("MOUNT", ready.mount), replacement, 1)
    assert policy != _policy(ready)
    if state == "deleted":
        ready.client.secrets.kv.v2.delete_secret_versions("production/app", [1], mount_point=ready.mount)
    with pytest.raises(RollbackError, match=said.replace("MOUNT", ready.mount)):
        _go(ready, token=ready.token_for(policy), undelete=True)
    assert ready.get("production/app") == NEW


def test_a_token_that_may_not_ask_for_its_rights_still_works(ready: Engine) -> None:
    token = ready.token_for(_policy(ready), no_default_policy=True)
    assert ready.info(ready.secret("production/app", 1), token=token)[0]["rights"] is None
    assert _go(ready, token=token)["changed"]


def test_a_rate_limit_on_logging_in_is_waited_for(own_vault: VaultServer) -> None:
    client = hvac.Client(url=own_vault.address, token=own_vault.root_token)
    engine = Engine(client, "secret", own_vault.address, "")
    engine.put("production/app", OLD, NEW)
    client.sys.enable_auth_method("userpass")
    client.sys.create_or_update_policy("rollback", POLICY.read_text())
    client.auth.userpass.create_or_update_user("dana", "pw", policies="rollback")
    client.adapter.post("/v1/sys/quotas/rate-limit/logins", json={"path": "auth/userpass", "rate": 1, "interval": "1s"})
    client.auth.userpass.login("dana", "pw", use_token=False)
    outcome = _go(engine, token=None, auth_method="userpass", username="dana", password="pw")
    assert outcome["changed"]
    assert any("answered 429; asking again" in warning for warning in outcome.warnings)


def test_a_jwt(ready: Engine) -> None:
    key, mount = ECKey.generate_key("P-256"), f"jwt-{ready.mount}"
    ready.client.sys.enable_auth_method("jwt", path=mount)
    public = key.as_pem(private=False).decode()
    ready.client.adapter.post(f"/v1/auth/{mount}/config", json={"jwt_validation_pubkeys": [public]})
    role = {
        "role_type": "jwt",
        "bound_audiences": ["vault"],
        "user_claim": "sub",
        "token_policies": [f"policy-{ready.mount}"],
    }
    ready.client.adapter.post(f"/v1/auth/{mount}/role/ci", json=role)
    options = {"auth_method": "jwt", "mount_point": mount, "role_id": "ci", "token": None}
    claims = {"sub": "ci", "aud": "vault", "exp": int(time.time()) + 60}
    with pytest.raises(RollbackError, match="refused the jwt login"):
        _go(ready, jwt=jwt.encode({"alg": "ES256"}, {**claims, "aud": "other"}, key), **options)
    outcome = _go(ready, jwt=jwt.encode({"alg": "ES256"}, claims, key), **options)
    assert outcome["changed"]
    assert not _valid(ready, _only_token(outcome))


class _Cluster(BaseHTTPRequestHandler):
    """An API server that knows one service account's token."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["spec"]["token"] == "account-token"
        user = {"username": "system:serviceaccount:ops:rollback"} if known else {}
        body = json.dumps({"status": {"authenticated": known, "user": user}}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def cluster() -> Iterator[str]:
    """Address of an API server that reviews tokens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cluster) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_kubernetes_service_account(ready: Engine, cluster: str) -> None:
    mount = f"kubernetes-{ready.mount}"
    ready.client.sys.enable_auth_method("kubernetes", path=mount)
    ready.client.auth.kubernetes.configure(cluster, token_reviewer_jwt="reviewer", mount_point=mount)
    ready.client.auth.kubernetes.create_role(
        "rollback", ["rollback"], ["ops"], policies=[f"policy-{ready.mount}"], mount_point=mount
    )
    options = {"auth_method": "kubernetes", "mount_point": mount, "role_id": "rollback", "token": None}
    with pytest.raises(RollbackError, match="refused the kubernetes login"):
        _go(ready, jwt="another-token", **options)
    with pytest.raises(RollbackError, match="serviceaccount/token"):
        _go(ready, **options)
    outcome = _go(ready, jwt="account-token", **options)
    assert outcome["changed"]
    assert not _valid(ready, _only_token(outcome))


def test_a_client_certificate(tmp_path: Path) -> None:
    with VaultServer(tmp_path, tls=True) as server:
        client = hvac.Client(url=server.address, token=server.root_token, verify=str(server.ca_cert))
        engine = Engine(client, "secret", server.address, "")
        engine.put("production/app", OLD, NEW)
        client.sys.create_or_update_policy("rollback", POLICY.read_text())
        client.sys.enable_auth_method("cert")
        certificate = (tmp_path / "client.pem").read_text()
        client.auth.cert.create_ca_certificate_role("ops", certificate=certificate, token_policies=["rollback"])
        options = {"auth_method": "cert", "token": None, "ca_cert": str(server.ca_cert)}
        with pytest.raises(RollbackError, match="cert_auth_public_key"):
            _go(engine, **options)
        keys = {"cert_auth_public_key": tmp_path / "client.pem", "cert_auth_private_key": tmp_path / "client.key"}
        assert _go(engine, **options, **{name: str(path) for name, path in keys.items()})["changed"]
