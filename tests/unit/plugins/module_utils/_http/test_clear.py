# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets go over plain HTTP, and which addresses are the machine itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.clear import in_the_clear, is_local

FAR, HERE = "http://far.example.com:9090", "http://127.0.0.1:9090"
SECRET = {"headers": {"Authorization": "Bearer abcdef"}}


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"url": FAR}, []),
        ({"url": FAR, "bearer_token": "t0k3n"}, ["far.example.com:9090"]),
        ({"url": FAR, "url_username": "me", "url_password": "s3cret"}, ["far.example.com:9090"]),
        ({"url": FAR, **SECRET}, ["far.example.com:9090"]),
        ({"url": FAR, "headers": {"X-Scope-OrgID": "production"}}, []),
        ({"url": FAR.replace("http:", "https:"), "bearer_token": "t0k3n"}, []),
        ({"url": HERE, "bearer_token": "t0k3n"}, []),
        ({"url": "http://vault.example.com", "auth_method": "token", "token": None}, ["vault.example.com"]),
        ({"targets": ["http://me:s3cret@a.example.com/x", FAR]}, ["a.example.com"]),
        ({"targets": ["http://[broken", None]}, []),
        ({"probes": [FAR], "url": HERE, "bearer_token": "t0k3n"}, ["far.example.com:9090"]),
        ({"host": FAR, "api_key": "t0k3n"}, ["far.example.com:9090"]),
        ({"host": "far.example.com", "api_key": "t0k3n"}, []),
        ({"http": {"enable": {"url": FAR, **SECRET}, "disable": {"url": FAR}}}, ["far.example.com:9090"]),
        ({"http": {"enable": {"url": FAR}, "ask": None}, "command": None}, []),
        ({"base_url": FAR, "checks": [{"http": {"path": "/login", "form": {"password": "s3cret"}}}]}, [FAR[7:]]),
        ({"base_url": FAR, "checks": [{"http": {"path": "/login"}}], "secrets": {"password": "s3cret"}}, [FAR[7:]]),
        ({"base_url": FAR, "checks": [{"http": {"path": "/"}}], "secrets": None}, []),
        ({"base_url": HERE, "checks": [{"http": {"path": f"{FAR}/x", **SECRET}}]}, [FAR[7:]]),
        ({"secrets": [{"path": "shop/api", "version": 1}], "url": FAR}, []),
        ({"body": f"see {FAR}", "fields": {"url": FAR, "token": "t0k3n"}}, []),
    ],
)
def test_a_secret_over_plain_http_is_found(params: dict[str, Any], told: list[str]) -> None:
    assert in_the_clear(params) == told


def test_vault_is_found_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://vault.example.com:8200")
    assert in_the_clear({"url": None, "auth_method": "approle"}) == ["vault.example.com:8200"]
    assert in_the_clear({"url": None}) == []


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("", True),
        ("localhost", True),
        ("shop.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
    ],
)
def test_what_goes_to_the_machine_itself_is_on_no_wire(host: str, local: bool) -> None:
    assert is_local(host) is local
