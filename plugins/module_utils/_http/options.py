# SPDX-License-Identifier: GPL-3.0-or-later
"""Options every module that speaks HTTP has, named as in ansible.builtin.uri; documented in doc_fragments/http.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SENSITIVE = ("authorization", "cookie", "token", "secret", "key", "password", "signature")


def http_options(timeout: float = 10) -> dict[str, dict[str, Any]]:
    """The argument spec of the connection options; ``timeout`` is its default in seconds."""
    return {
        "timeout": {"type": "float", "default": timeout},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "url_username": {"type": "str"},
        "url_password": {"type": "str", "no_log": True},
        "bearer_token": {"type": "str", "no_log": True},
        "headers": {"type": "dict"},
        "use_proxy": {"type": "bool", "default": True},
    }


def secret_headers(headers: Mapping[str, Any] | None) -> set[str]:
    """Values of headers that carry credentials, judged by their names; with and without a scheme like Bearer."""
    secrets: set[str] = set()
    for name, value in (headers or {}).items():
        if any(word in name.lower() for word in SENSITIVE):
            secrets |= {str(value), str(value).rpartition(" ")[2]}
    return {secret for secret in secrets if secret}
