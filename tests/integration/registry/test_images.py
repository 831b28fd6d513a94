# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries over the wire: what is there, what is gone, what has moved, and every way of not being told."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import RollbackError
from ansible_collections.octalume.rollback.plugins.modules import registry_image_info

from tests.integration.http.wire import Asked, Called, Reply, Table, WireServer, call
from tests.sandbox.process import free_port

PASSWORD = "pw-3b9ab1c2"
PLATFORM = f"sha256:{'1' * 64}"
INDEX = json.dumps({"schemaVersion": 2, "manifests": [{"digest": PLATFORM}]})
DIGEST = f"sha256:{hashlib.sha256(INDEX.encode()).hexdigest()}"
OTHER = f"sha256:{'2' * 64}"
HERE = Reply(200, INDEX, {"Docker-Content-Digest": DIGEST, "Content-Type": "application/vnd.oci.image.index.v1+json"})
GONE = Reply(404, '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
NAME = "/v2/shop/api-server/manifests/"


@pytest.fixture(autouse=True)
def _nobody_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def ask(wire: WireServer, *references: str, digest: str | None = None, **more: Any) -> Called:
    host = urlsplit(wire.url).netloc
    images = [{"image": f"{host}/shop/api-server{reference}", "digest": digest} for reference in references]
    return call(registry_image_info, images=images, **more)


def test_images_are_looked_for_and_not_pulled() -> None:
    with WireServer({f"{NAME}1.4.1": HERE, f"{NAME}1.4.0": GONE, f"{NAME}{DIGEST}": HERE}) as wire:
        found = ask(wire, ":1.4.1", ":1.4.0", f"@{DIGEST}", f":1.4.1@{DIGEST}")
        assert {asked.method for asked in wire.asked} == {"HEAD"}
        assert "application/vnd.oci.image.index.v1+json" in wire.asked[0].headers["Accept"]
    assert [one["verdict"] for one in found["images"]] == ["pass", "fail", "pass", "pass"]
    assert found["verdict"] == "fail"
    assert found["images"][0]["digest"] == DIGEST
    assert "has no shop/api-server 1.4.0 (any more)" in found["images"][1]["message"]


@pytest.mark.parametrize(("recorded", "verdict"), [(DIGEST, "pass"), (PLATFORM, "pass"), (OTHER, "fail")])
@pytest.mark.parametrize("silent", [False, True], ids=["with the header", "without"])
def test_digests_are_compared(recorded: str, verdict: str, silent: bool) -> None:
    headers = {} if silent else dict(HERE.headers)
    with WireServer({f"{NAME}1.4.1": Reply(200, INDEX, headers)}) as wire:
        [found] = ask(wire, ":1.4.1", digest=recorded)["images"]
    assert found["verdict"] == verdict
    if verdict == "fail":
        assert f"has another image under this name: {DIGEST}, and {OTHER} was recorded" in found["message"]


def guarded(login: str, method: str = "GET") -> Callable[[WireServer], Table]:
    """A registry that wants a token, and a token server that wants ``login``."""

    def table(wire: WireServer) -> Table:
        wish = f'Bearer realm="{wire.url}/token",service="registry.test",scope="repository:shop/api-server:pull"'

        def manifest(asked: Asked) -> Reply:
            if asked.headers.get("Authorization") == "Bearer t0ken":
                return HERE
            return Reply(401, "{}", {"WWW-Authenticate": wish})

        def token(asked: Asked) -> Reply:
            given = parse_qs(asked.body) if method == "POST" else parse_qs(urlsplit(asked.path).query)
            assert given["scope"] == ["repository:shop/api-server:pull"]
            assert given["service"] == ["registry.test"]
            told = given.get("refresh_token", [""])[0] if method == "POST" else asked.headers.get("Authorization", "")
            good = asked.method == method and told == login
            return Reply(200, '{"access_token": "t0ken"}') if good else Reply(401, "{}")

        return {f"{NAME}1.4.1": manifest, "/token": token}

    return table


BASIC = base64.b64encode(f"ci:{PASSWORD}".encode()).decode()
LOGINS = [
    ("anonymous", "", "GET", {}),
    ("auth", f"Basic {BASIC}", "GET", {"auth": BASIC}),
    ("name and password", f"Basic {BASIC}", "GET", {"username": "ci", "password": PASSWORD}),
    ("identity token", PASSWORD, "POST", {"auth": BASIC, "identitytoken": PASSWORD}),
]


@pytest.mark.parametrize(("login", "method", "entry"), [row[1:] for row in LOGINS], ids=[row[0] for row in LOGINS])
def test_a_token_is_fetched_with_the_login_of_docker(
    tmp_path: Path, login: str, method: str, entry: dict[str, str]
) -> None:
    with WireServer({}) as wire:
        wire.table = guarded(login, method)(wire)
        config = tmp_path / "logins.json"
        config.write_text(json.dumps({"auths": {urlsplit(wire.url).netloc: entry}}))
        found = ask(wire, ":1.4.1", docker_config=str(config))
    assert found["verdict"] == "pass"
    assert not entry or PASSWORD in found.secrets


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    answer = json.dumps({"Username": "ci", "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "config.json").write_text('{"credsStore": "test"}')
    with WireServer({}) as wire:
        wire.table = guarded(f"Basic {BASIC}")(wire)
        assert ask(wire, ":1.4.1")["verdict"] == "pass"
        assert (tmp_path / "asked").read_text() == urlsplit(wire.url).netloc


def test_basic_authentication_is_answered(tmp_path: Path) -> None:
    def manifest(asked: Asked) -> Reply:
        good = asked.headers.get("Authorization") == f"Basic {BASIC}"
        return HERE if good else Reply(401, "{}", {"WWW-Authenticate": 'Basic realm="registry"'})

    with WireServer({f"{NAME}1.4.1": manifest}) as wire:
        assert ask(wire, ":1.4.1")["verdict"] == "inconclusive"
        (tmp_path / "config.json").write_text(json.dumps({"auths": {urlsplit(wire.url).netloc: {"auth": BASIC}}}))
        assert ask(wire, ":1.4.1")["verdict"] == "pass"


UNKNOWN = [
    (Reply(401, "{}", {"WWW-Authenticate": "Negotiate"}), "does not let us look (401); log in on this machine"),
    (Reply(403), "does not let us look (403)"),
    (Reply(429), "answered 429"),
    (Reply(500), "answered 500"),
    (Reply(behave="hang"), "cannot be asked: no answer within 0.3 s"),
    (Reply(behave="cut"), "cannot be asked: the connection broke"),
]


@pytest.mark.parametrize(("reply", "message"), UNKNOWN, ids=[row[1][:18] + str(row[0].status) for row in UNKNOWN])
def test_a_registry_that_does_not_say_fails_nothing(reply: Reply, message: str) -> None:
    with WireServer({f"{NAME}1.4.1": reply}) as wire:
        [found] = ask(wire, ":1.4.1", timeout=0.3)["images"]
    assert found["verdict"] == "inconclusive"
    assert message in found["message"]


def test_registries_that_are_away_are_told_apart_from_images_that_are() -> None:
    images = [{"image": f"localhost:{free_port()}/shop:1"}, {"image": "registry.invalid/shop:1"}]
    found = call(registry_image_info, images=images)
    assert [one["verdict"] for one in found["images"]] == ["inconclusive", "inconclusive"]
    assert "nothing listens there" in found["images"][0]["message"]
    assert "does not resolve" in found["images"][1]["message"]
    assert call(registry_image_info, images=[])["verdict"] == "pass"


def test_a_mirror_is_asked_in_place_of_the_hub() -> None:
    with WireServer({"/v2/library/busybox/manifests/latest": HERE}) as wire:
        found = call(registry_image_info, images=[{"image": "busybox"}], registries={"docker.io": wire.url})
    assert found["verdict"] == "pass"


def test_wrong_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(RollbackError, match=r"registries.docker.io: not an absolute http"):
        call(registry_image_info, images=[], registries={"docker.io": "mirror"})
    with pytest.raises(RollbackError, match=r"docker_config: .*none\.json does not exist"):
        call(registry_image_info, images=[], docker_config=str(tmp_path / "none.json"))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RollbackError, match=r"docker_config: .*config\.json cannot be read"):
        call(registry_image_info, images=[])
