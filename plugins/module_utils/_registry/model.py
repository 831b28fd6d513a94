# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, where their registries are asked, and what a registry's answer means."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._http.verdict import Verdict
from .._kubernetes.identity import parse_image

HUB, HUB_API = "docker.io", "https://registry-1.docker.io"
ACCEPTED = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*"([^"]*)"')


@dataclass(frozen=True)
class Wanted:
    """One image: its registry's host, its place there, and the digest that it must have (where that is known)."""

    image: str
    host: str
    repository: str
    reference: str
    digest: str | None = None


@dataclass(frozen=True)
class Found:
    """What became of the question for one image."""

    image: str
    verdict: Verdict
    message: str
    digest: str | None = None


@dataclass(frozen=True)
class Challenge:
    """How a registry wants to be logged in to: the scheme of ``WWW-Authenticate`` and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def wanted_image(image: str, digest: str | None = None) -> Wanted:
    """Take a reference apart; a digest in it is what has to be there, and is asked for by itself."""
    parsed = parse_image(image)
    host, _unused, repository = parsed.repository.partition("/")
    reference = parsed.digest or parsed.tag or "latest"
    return Wanted(image, host, repository, reference, digest or parsed.digest)


def address(host: str, registries: Mapping[str, str]) -> str:
    """Where a registry is asked: as ``registries`` says, else by HTTPS, on this very machine by HTTP."""
    if host in registries:
        return str(registries[host]).rstrip("/")
    if host == HUB:
        return HUB_API
    return f"http://{host}" if _is_here(host) else f"https://{host}"


def _is_here(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def challenge(header: str) -> Challenge:
    """Read ``WWW-Authenticate``."""
    scheme, _unused, rest = header.strip().partition(" ")
    return Challenge(scheme.casefold(), dict(PARAMETER.findall(rest)))


def judge(wanted: Wanted, status: int, digest: str | None, text: str) -> Found:
    """What the registry's last answer means. Only its own word that the image is not there is a failure."""
    image, host = wanted.image, wanted.host
    if status == 200:
        if wanted.digest and digest and digest != wanted.digest:
            moved = f"{host} has another image under this name: {digest}, and {wanted.digest} was recorded"
            return Found(image, Verdict.FAIL, moved, digest)
        return Found(image, Verdict.PASS, f"in {host}{f' as {digest}' if digest else ''}", digest)
    if status == 404:
        return Found(image, Verdict.FAIL, f"{host} has no {wanted.repository} {wanted.reference} (any more)")
    if status in (401, 403):
        advice = f"{host} does not let us look ({status}); log in on this machine: docker login {host}"
        return Found(image, Verdict.INCONCLUSIVE, advice)
    said = f": {' '.join(text.split())[:120]}" if text.strip() else ""
    return Found(image, Verdict.INCONCLUSIVE, f"{host} answered {status}{said}")
