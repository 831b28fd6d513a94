# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets that would travel over plain HTTP, where whoever is in between reads them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from .options import secret_fields

URLS = (
    "url",
    "base_url",
    "targets",
    "probes",
    "host",
    "path",
)  # options that hold addresses; a path may be an absolute one
LOGINS = ("bearer_token", "url_password", "api_key")
SENT = ("headers", "body", "body_json", "form")
NESTED = ("http", "checks", "enable", "disable", "ask")  # options that hold requests of their own


def is_local(host: str) -> bool:
    """Whether ``host`` names the machine itself: what goes there is on no wire."""
    if host.lower() in ("", "localhost") or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def plain_host(url: str) -> str:
    """``host:port`` of a URL that is not encrypted and leaves this machine; else empty."""
    try:
        parts = urlsplit(url)
        leaves = parts.scheme == "http" and not is_local(parts.hostname or "")
    except ValueError:
        return ""
    return parts.netloc.rpartition("@")[2] if leaves else ""


def in_the_clear(params: Mapping[str, Any]) -> list[str]:
    """Servers (``host:port``) that a module with ``params`` sends a secret to over plain HTTP."""
    login = any(params.get(name) for name in LOGINS) or bool(secret_fields(_sent(params)))
    url, secrets = params.get("url"), params.get("secrets")
    if "auth_method" in params:  # Vault: what it is asked for is secret, and so is who asks
        url, login = url or os.environ.get("VAULT_ADDR"), True
    elif isinstance(secrets, Mapping) and secrets:  # of smoke tests
        login = True
    found = [plain_host(one) for one, near in _asked({**params, "url": url}, "") if login or near or _has_login(one)]
    return sorted({host for host in found if host})


def _has_login(url: str) -> bool:
    return "@" in url.partition("://")[2].partition("/")[0]


def _sent(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in SENT if entry.get(name)}


def _asked(entry: Mapping[str, Any], base: str) -> Iterator[tuple[str, bool]]:
    """Every address in ``entry``, and whether a secret stands beside it; paths are those of the server ``base``."""
    base = str(entry.get("base_url") or base)
    near = bool(secret_fields(_sent(entry)))
    for name in URLS:
        value = entry.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield (one if "://" in one or not base else base), near
    for name in NESTED:
        value = entry.get(name)
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, Mapping):
                yield from _asked(inner, base)
