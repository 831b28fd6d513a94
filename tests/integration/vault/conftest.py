# SPDX-License-Identifier: GPL-3.0-or-later
"""One Vault for these tests: the sandbox's own, or the one VAULT_ADDR and VAULT_TOKEN name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hvac
import pytest

from tests.integration.vault.helpers import Engine
from tests.sandbox.vault.server import VaultServer

AMBIENT = ("VAULT_ADDR", "VAULT_TOKEN", "VAULT_CACERT", "VAULT_NAMESPACE", "VAULT_SKIP_VERIFY")
EXTERNAL = {name: os.environ[name] for name in AMBIENT if name in os.environ}


@dataclass
class Place:
    """Where Vault is, and the token that may do everything there."""

    address: str
    token: str
    ca_cert: str | None = None


@pytest.fixture(autouse=True)
def _no_ambient_vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own Vault leaks into a test."""
    for name in [name for name in os.environ if name in AMBIENT or name.startswith("ANSIBLE_HASHI_VAULT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The Vault under test."""
    if "VAULT_ADDR" in EXTERNAL:
        yield Place(EXTERNAL["VAULT_ADDR"], EXTERNAL["VAULT_TOKEN"], EXTERNAL.get("VAULT_CACERT"))
        return
    with VaultServer(tmp_path_factory.mktemp("vault")) as server:
        yield Place(server.address, server.root_token)


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    """A KV version 2 engine of the test's own."""
    client = hvac.Client(url=place.address, token=place.token, verify=place.ca_cert or True)
    mount = f"rollback-{secrets.token_hex(4)}"
    client.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})
    yield Engine(client, mount, place.address, place.token, place.ca_cert)
    client.sys.disable_secrets_engine(mount)


@pytest.fixture
def own_vault(tmp_path: Path) -> Iterator[VaultServer]:
    """An emulator for one test alone, to seal and the like."""
    with VaultServer(tmp_path / "own") as server:
        yield server


@pytest.fixture
def own_vault_modern(tmp_path: Path) -> Iterator[Engine]:
    """The engine ``secret`` of an emulator that knows custom metadata."""
    with VaultServer(tmp_path / "modern", modern=True) as server:
        client = hvac.Client(url=server.address, token=server.root_token)
        yield Engine(client, "secret", server.address, server.root_token)
