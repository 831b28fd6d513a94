# SPDX-License-Identifier: GPL-3.0-or-later
"""Each state Vault can be in has a sentence of its own, with the next command; passing ones are waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hvac
import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.module_utils._vault.client import VaultStore
from ansible_collections.octalume.rollback.plugins.module_utils._vault.model import Target
from hvac.adapters import RawAdapter

from tests.integration.vault.helpers import Engine, Meddler
from tests.sandbox.process import free_port, wait_until
from tests.sandbox.vault.server import VaultServer

OLD, NEW = {"a": "1"}, {"a": "2"}


@pytest.fixture
def lone(own_vault: VaultServer) -> Engine:
    """The engine ``secret`` of an emulator of the test's own, with one secret."""
    client = hvac.Client(url=own_vault.address, token=own_vault.root_token)
    engine = Engine(client, "secret", own_vault.address, own_vault.root_token)
    engine.put("app", OLD, NEW)
    return engine


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Engine]:
    """A clustered emulator, initialised, unsealed and leading, with one secret."""
    with VaultServer(tmp_path / "cluster", clustered=True) as server:
        client = hvac.Client(url=server.address)
        made = client.sys.initialize(1, 1)
        client.token = made["root_token"]
        client.sys.submit_unseal_keys(made["keys"])
        wait_until(lambda: client.sys.read_health_status().status_code == 200, 5, "leader")
        client.sys.enable_secrets_engine("kv", path="secret", options={"version": "2"})
        engine = Engine(client, "secret", server.address, made["root_token"], keys=made["keys"])
        engine.put("app", OLD, NEW)
        yield engine


def _refused(engine: Engine, **options: Any) -> str:
    with pytest.raises(RollbackError) as caught:
        engine.rollback(engine.secret("app", 1), **options)
    return caught.value.message


def test_sealed(lone: Engine) -> None:
    lone.client.sys.seal()
    assert _refused(lone) == (
        f"Vault at {lone.address} is sealed; unseal it: `vault operator unseal -address={lone.address}`"
    )


def test_uninitialised(tmp_path: Path) -> None:
    with VaultServer(tmp_path, clustered=True) as server:
        engine = Engine(hvac.Client(), "secret", server.address, "t")
        assert "is not initialised; initialise it: `vault operator init" in _refused(engine)


def test_a_step_down_is_waited_for(cluster: Engine) -> None:
    cluster.client.sys.step_down()
    outcome = cluster.rollback(cluster.secret("app", 1))
    assert outcome["changed"]
    assert any("answered 500; asking again" in warning for warning in outcome.warnings)


def test_a_standby_hands_on_and_its_health_of_429_is_no_rate_limit(cluster: Engine, tmp_path: Path) -> None:
    with VaultServer(tmp_path / "standby", clustered=True) as server:
        standby = hvac.Client(url=server.address)
        standby.adapter.post("/v1/sys/storage/raft/join", json={"leader_api_addr": cluster.address})
        standby.sys.submit_unseal_keys(cluster.keys)
        wait_until(lambda: standby.sys.read_health_status().status_code == 429, 5, "standby")
        outcome = cluster.rollback(cluster.secret("app", 1), url=server.address)
    assert outcome["changed"]
    assert outcome.warnings == []


def test_an_engine_that_is_just_being_mounted_is_waited_for(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    text = (
        b'{"errors":["Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief"]}'
    )
    failures = [(400, text)]
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("GET .*/data/", lambda: failures.pop() if failures else None)
        assert engine.rollback(engine.secret("app", 1), url=meddler.address)["changed"]


def _store(engine: Engine, address: str, patience: float) -> VaultStore:
    return VaultStore(RawAdapter(address, token=engine.token, timeout=5), address, 5, lambda _text: None, patience)


def test_a_standby_without_a_leader_is_given_up_on_in_the_end(engine: Engine) -> None:
    leaderless = b'{"errors":["local node not active but active cluster node not found"]}'
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("GET", lambda: (500, leaderless))
        with pytest.raises(RollbackError, match="is a standby and its cluster has no active node"):
            _store(engine, meddler.address, 0.8).read(Target(engine.mount, "app", 1))
        assert len(meddler.seen) == 3  # at once, after 0.25 s and after 0.5 s more


def test_a_standby_that_lags_behind_is_waited_for_and_told_what_was_written(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    engine.put("second", OLD, NEW)
    lagging = [(412, b'{"errors":["required index state not present"]}')]
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("POST .*/data/second", lambda: lagging.pop() if lagging else None)
        outcome = engine.rollback(engine.secret("app", 1), engine.secret("second", 1), url=meddler.address, retries=0)
        written = next(
            place for place, line in enumerate(meddler.seen) if line.startswith("POST") and "data/app" in line
        )
        assert not any(index for _line, index in meddler.indexed[:1])
        assert meddler.indexed[written + 1][1] == f"state-{written + 1}"
    assert outcome["changed"]
    assert any("answered 412; asking again" in warning for warning in outcome.warnings)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("GET .*/data/", lambda: (412, b'{"errors":["required index state not present"]}'))
        with pytest.raises(RollbackError, match="is a standby that has not caught up"):
            _store(engine, meddler.address, 0.3).read(Target(engine.mount, "app", 1))


def test_a_conflict_is_not_disproved_by_an_older_read(engine: Engine) -> None:
    """The first attempt arrived, its answer was lost, the second met it; and the standby that is asked lags behind."""
    engine.put("app", OLD, NEW)
    stale = [(200, b'{"data":{"data":{"a":"2"},"metadata":{"version":2,"destroyed":false}}}')]
    with Meddler(engine.address, engine.ca_cert) as meddler:
        store = _store(engine, meddler.address, 5)
        engine.put("app", OLD)  # what the lost attempt wrote
        meddler.on("GET .*/data/", lambda: stale.pop() if stale else None)
        assert store.write(Target(engine.mount, "app", 1), OLD, 2) == 3
    assert stale == []


def _limit(engine: Engine, rate: int, interval: str) -> None:
    body = {"path": engine.mount, "rate": rate, "interval": interval}
    engine.client.adapter.post("/v1/sys/quotas/rate-limit/test", json=body)


def test_a_rate_limit_is_waited_for(lone: Engine) -> None:
    _limit(lone, 2, "1s")
    outcome = lone.rollback(lone.secret("app", 1))
    assert outcome["changed"]
    assert any("answered 429; asking again" in warning for warning in outcome.warnings)
    assert not lone.rollback(lone.secret("app", 1), retry_action="ignore").warnings


def test_a_rate_limit_without_end_is_told(lone: Engine) -> None:
    _limit(lone, 1, "60s")
    store = _store(lone, lone.address, 0.4)
    store.read(Target("secret", "app", 1))
    with pytest.raises(RollbackError, match="still limits the rate of requests to secret/data/app"):
        store.read(Target("secret", "app", 1))


def test_a_retry_after_beyond_our_patience_is_not_waited_for(lone: Engine) -> None:
    lone.client.adapter.post("/v1/sys/quotas/config", json={"enable_rate_limit_response_headers": True})
    _limit(lone, 1, "60s")
    with Meddler(lone.address) as meddler:
        store = _store(lone, meddler.address, 5)
        store.read(Target("secret", "app", 1))
        with pytest.raises(RollbackError, match="still limits the rate"):
            store.read(Target("secret", "app", 1))
        assert len(meddler.seen) == 2


def test_no_token(engine: Engine) -> None:
    message = _refused(engine, token=None)
    assert "No Vault Token specified or discovered" in message
    assert "vault login" in message


def test_a_wrong_token(engine: Engine) -> None:
    assert "does not accept the token: it is wrong, expired or revoked" in _refused(engine, token="s.wrong")


def test_a_wrong_token_and_none_on_a_later_release(own_vault_modern: Engine) -> None:
    assert "does not accept the token: it is wrong, expired or revoked" in _refused(own_vault_modern, token="hvs.wrong")
    assert "set token, VAULT_TOKEN" in _refused(own_vault_modern, auth_method="none")


def test_no_token_on_the_wire(engine: Engine) -> None:
    assert "got no token; set token, VAULT_TOKEN or run `vault login" in _refused(engine, auth_method="none")


def test_a_version_1_engine_has_no_versions(lone: Engine) -> None:
    lone.client.sys.enable_secrets_engine("kv", path="old", options={"version": "1"})
    old = Engine(lone.client, "old", lone.address, lone.token)
    assert "old/ is KV version 1, which keeps no versions" in _refused(old)


def test_another_engine(lone: Engine) -> None:
    other = Engine(lone.client, "cubbyhole", lone.address, lone.token)
    assert "cubbyhole/ is a cubbyhole engine; only KV version 2 has versions" in _refused(other)


def test_no_such_engine(engine: Engine) -> None:
    other = Engine(engine.client, "nosuch", engine.address, engine.token, engine.ca_cert)
    assert "reaches no secrets engine for" in _refused(other)


def test_nothing_listens(engine: Engine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert f"nothing listens at {url} (connection refused)" in _refused(engine, url=url)


@contextmanager
def _silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_no_answer_in_time(engine: Engine) -> None:
    with _silent() as url:
        assert f"Vault at {url} did not answer within 1 s" in _refused(engine, url=url, timeout=1)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_untrusted_certificate(tmp_path: Path) -> None:
    with VaultServer(tmp_path, tls=True) as server:
        client = hvac.Client(url=server.address, token=server.root_token, verify=str(server.ca_cert))
        engine = Engine(client, "secret", server.address, server.root_token)
        engine.put("app", OLD, NEW)
        assert "is not trusted; name its authority with ca_cert" in _refused(engine)
        assert engine.rollback(engine.secret("app", 1), ca_cert=str(server.ca_cert))["changed"]
        assert not engine.rollback(engine.secret("app", 1), validate_certs=False)["changed"]


def test_an_answer_that_is_not_vaults(engine: Engine) -> None:
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("GET", lambda: (502, b"<html>bad gateway</html>"))
        assert "failed on" in _refused(engine, url=meddler.address)


def test_sealing_in_the_middle_names_what_is_left(lone: Engine) -> None:
    lone.put("second", OLD, NEW)
    with Meddler(lone.address) as meddler:
        meddler.on("POST secret/data/second", lambda: lone.client.sys.seal() and None)
        with pytest.raises(RollbackError) as caught:
            lone.rollback(lone.secret("app", 1), lone.secret("second", 1), url=meddler.address)
    assert "is sealed" in caught.value.message
    assert caught.value.details["not_put_back"] == ["secret/second", "secret/app"]
    assert "`vault kv rollback -mount=secret app -version=2`" in caught.value.message


def test_retries_ride_out_server_errors(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    failures = [(503, b"{}"), (500, b"{}")]
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("GET .*/data/", lambda: failures.pop() if failures else None)
        outcome = engine.rollback(engine.secret("app", 1), url=meddler.address, retries=3)
    assert outcome["changed"]
    assert any("retries remaining" in warning for warning in outcome.warnings)


def test_a_retried_write_that_had_arrived_is_not_taken_for_somebody_elses(engine: Engine) -> None:
    engine.put("app", OLD, NEW)
    with Meddler(engine.address, engine.ca_cert) as meddler:
        meddler.on("POST .*/data/", "lost")
        outcome = engine.rollback(engine.secret("app", 1), url=meddler.address, retries=2)
    assert outcome["secrets"][0]["to_version"] == 3
    assert engine.metadata("app")["current_version"] == 3
