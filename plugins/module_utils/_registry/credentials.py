# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of registries, from where ``docker login`` and its like leave them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._module import RollbackError
from .model import HUB

HUB_KEY = "https://index.docker.io/v1/"
HELPER_TIMEOUT = 10
TOKEN_USER = "<token>"  # noqa: S105 -- how credential helpers say that the secret is an identity token


@dataclass(frozen=True)
class Login:
    """A name and a password, or an identity token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


def default_file() -> Path:
    """The file that docker itself reads."""
    folder = os.environ.get("DOCKER_CONFIG")
    return Path(folder or Path("~/.docker").expanduser()) / "config.json"


def read_file(path: str | None) -> Mapping[str, Any]:
    """The configuration; empty where nobody has logged in and no file was named."""
    place = Path(path) if path else default_file()
    try:
        found = json.loads(place.read_text())
    except FileNotFoundError:
        if path:
            raise RollbackError(f"docker_config: {path} does not exist on this machine; correct the path") from None
        return {}
    except (OSError, ValueError) as error:
        raise RollbackError(f"docker_config: {place} cannot be read: {error}") from None
    return found if isinstance(found, Mapping) else {}


def login_for(host: str, config: Mapping[str, Any]) -> Login | None:
    """The login of a registry, from the file or from the helper that it names."""
    keys = [HUB_KEY, HUB, "index.docker.io"] if host == HUB else [host, f"https://{host}", f"https://{host}/"]
    helpers = config.get("credHelpers") or {}
    helper = next((helpers[key] for key in keys if key in helpers), config.get("credsStore"))
    auths = config.get("auths") or {}
    entry = next((auths[key] for key in keys if auths.get(key)), None)
    if helper and not entry:
        return _helped(str(helper), keys[0])
    return _entered(entry) if entry else None


def _entered(entry: Mapping[str, Any]) -> Login:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            username, _unused, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except ValueError:
            raise RollbackError("docker_config: an auth is no base64; log in again: docker login") from None
    return Login(username, password, str(entry.get("identitytoken") or ""))


def _helped(helper: str, server: str) -> Login | None:
    """Ask ``docker-credential-<helper>``; one that knows nothing, or is not there, leaves us without a login."""
    try:
        done = subprocess.run(
            [f"docker-credential-{Path(helper).name}", "get"],
            input=server,
            capture_output=True,
            text=True,
            timeout=HELPER_TIMEOUT,
            check=True,
        )
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    username, secret = str(told.get("Username") or ""), str(told.get("Secret") or "")
    return Login(identity_token=secret) if username == TOKEN_USER else Login(username, secret)
