# SPDX-License-Identifier: GPL-3.0-or-later
"""Options every module that speaks HTTP has, named as in ansible.builtin.uri; documented in doc_fragments/http.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SENSITIVE = re.compile(r"authorization|cookie|token|secret|passw|credential|signature|api.?key|access.?key", re.I)
SHORTEST = 4  # a shorter secret is none, and blanking it would blank half of the result


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
    secrets = secret_fields(headers)
    return secrets | {secret.rpartition(" ")[2] for secret in secrets}


def secret_fields(value: Any) -> set[str]:
    """Texts in ``value`` (mappings and lists of any depth) under names that speak of credentials.

    References such as ``Bearer ${token}`` are no secrets themselves.
    """
    if isinstance(value, Mapping):
        found: set[str] = set()
        for name, one in value.items():
            if isinstance(one, str) and SENSITIVE.search(str(name)):
                found |= {one} if len(one) >= SHORTEST and "${" not in one else set()
            else:
                found |= secret_fields(one)
        return found
    if isinstance(value, list):
        return set().union(*(secret_fields(one) for one in value))
    return set()
