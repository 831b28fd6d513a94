# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks registries for manifests: ``HEAD /v2/<name>/manifests/<reference>``, with whatever login they want."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from .._http.client import Answer, Http, HttpFault, Request
from .._http.verdict import Verdict
from .credentials import Login
from .model import ACCEPTED, Challenge, Found, Wanted, address, challenge, judge

WORKERS = 8
CLIENT = "octalume-rollback"


class Registries:
    """All registries that are asked in one call; a login is fetched once for each."""

    def __init__(self, http: Http, login: Callable[[str], Login | None], registries: Mapping[str, str]) -> None:
        self._http = http
        self._login = login
        self._registries = registries

    def find_all(self, images: Sequence[Wanted]) -> list[Found]:
        """What became of each image, in the order given; all are asked at the same time."""
        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(self.find, images))

    def find(self, wanted: Wanted) -> Found:
        """Whether a registry has the image. One that cannot be reached has said nothing."""
        place = f"{address(wanted.host, self._registries)}/v2/{wanted.repository}/manifests/{wanted.reference}"
        try:
            return self._ask(wanted, place)
        except HttpFault as fault:
            return Found(wanted.image, Verdict.INCONCLUSIVE, f"{wanted.host} cannot be asked: {fault.reason}")

    def _ask(self, wanted: Wanted, place: str) -> Found:
        request = Request(place, "HEAD", {"Accept": ACCEPTED})
        answer = self._http.send(request)
        if answer.status == 401:
            proof = self._authorization(wanted, place, challenge(answer.headers.get("www-authenticate", "")))
            if proof:
                request = replace(request, headers={**request.headers, "Authorization": proof})
                answer = self._http.send(request)
        digest = answer.headers.get("docker-content-digest")
        if answer.status == 200 and wanted.digest and digest != wanted.digest:
            digest = self._compared(request, wanted.digest)
        return judge(wanted, answer.status, digest, answer.text)

    def _compared(self, request: Request, recorded: str) -> str:
        """The digest of what is there; that of one platform is in the index of all of them."""
        answer = self._http.send(replace(request, method="GET", follow_redirects=True))
        try:
            members = json.loads(answer.body).get("manifests") or []
        except (ValueError, AttributeError):
            members = []
        if recorded in {member.get("digest") for member in members if isinstance(member, Mapping)}:
            return recorded
        return f"sha256:{hashlib.sha256(answer.body).hexdigest()}"

    def _authorization(self, wanted: Wanted, place: str, wish: Challenge) -> str:
        """The header that answers a registry's wish; empty where we have nothing to answer with."""
        login = self._login(wanted.host)
        if wish.scheme == "basic":
            return _basic(login) if login and login.username else ""
        realm = wish.parameters.get("realm", "")
        if wish.scheme != "bearer" or urlsplit(realm).scheme not in ("http", "https"):
            return ""
        # A password does not leave by plain HTTP unless the registry itself is asked that way.
        safe = urlsplit(realm).scheme == "https" or urlsplit(place).scheme == "http"
        told = self._http.send(_token_request(wanted, wish, realm, login if safe else None))
        token = _token(told)
        return f"Bearer {token}" if token else ""


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(f'{login.username}:{login.password}'.encode()).decode()}"


def _token_request(wanted: Wanted, wish: Challenge, realm: str, login: Login | None) -> Request:
    scope = wish.parameters.get("scope") or f"repository:{wanted.repository}:pull"
    query = {"scope": scope, **({"service": wish.parameters["service"]} if "service" in wish.parameters else {})}
    if login and login.identity_token:
        content = {**query, "grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": CLIENT}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request(realm, "POST", kind, urlencode(content).encode())
    headers = {"Authorization": _basic(login)} if login and login.username else {}
    return Request(f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}", "GET", headers)


def _token(answer: Answer) -> str:
    try:
        told: Any = json.loads(answer.body) if answer.status == 200 else {}
    except ValueError:
        told = {}
    return str(told.get("token") or told.get("access_token") or "") if isinstance(told, Mapping) else ""
