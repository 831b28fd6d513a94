# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame that every module runs in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._module import Call, execute


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"validate_certs": False}, "validate_certs is off"),
        ({"login_host": "db.example.com", "ssl_mode": "require"}, "ssl_mode is require for db.example.com"),
        ({"login_host": "db.example.com", "ssl_mode": "verify-full"}, ""),
        ({"login_host": "127.0.0.1", "ssl_mode": "prefer"}, ""),
        ({"login_host": "/var/run/postgresql", "ssl_mode": "prefer"}, ""),
        ({"validate_certs": None}, ""),
        ({"validate_certs": True}, ""),
        ({"url": "http://prometheus.example.com:9090", "bearer_token": "t0k3n"}, "to prometheus.example.com:9090 over"),
    ],
)
def test_what_is_not_verified_is_told(params: dict[str, Any], told: str) -> None:
    warnings: list[str] = []
    execute(lambda _call: {}, Call(params=params, warn=warnings.append))
    assert [text.startswith("NOT SECURE: ") and told in text for text in warnings] == ([True] if told else [])


def test_without_a_lock_nothing_is_asked_before_a_write() -> None:
    def run(call: Call) -> dict[str, Any]:
        call.fence()
        return {"changed": True}

    assert execute(run, Call(params={"lock": None}))["changed"] is True
