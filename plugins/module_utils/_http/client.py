# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for the whole collection: one request, one deadline, and a name for each way in which it can go wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from .._deadline import within
from .._module import RollbackError

try:
    import requests
    import urllib3.exceptions
except ImportError:  # pragma: no cover - the sanity tests import every file without the libraries
    requests = None  # type: ignore[assignment]

MAX_BODY = 64 * 1024 * 1024
CHUNK = 64 * 1024


class Fault(StrEnum):
    """Why there was no answer."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    NAME = "name"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    PROXY = "proxy"


# Faults that tell of the asker's own surroundings rather than of the service that was asked.
OWN_FAULTS = frozenset({Fault.NAME, Fault.TLS, Fault.UNREACHABLE, Fault.PROXY})

SENTENCES = {
    Fault.REFUSED: "nothing listens there (connection refused)",
    Fault.TIMEOUT: "no answer within {timeout:g} s",
    Fault.BROKEN: "the connection broke before the answer was complete",
    Fault.NAME: "the host name does not resolve on this machine{detail}",
    Fault.TLS: "TLS failed ({detail})",
    Fault.UNREACHABLE: "this machine has no route to it",
    Fault.PROXY: "the HTTP proxy could not be used",
}


class HttpFault(Exception):
    """There was no answer; ``kind`` and ``reason`` say why, ``message`` where as well; all without secrets."""

    def __init__(self, kind: Fault, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.kind = kind
        self.reason = reason
        self.message = f"{where}: {reason}"


@dataclass(frozen=True)
class Connection:
    """How to reach a server: TLS, login, headers for every request; the timeout is in seconds per request."""

    timeout: float = 10
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    validate_certs: bool = True
    username: str | None = None
    password: str | None = None
    bearer_token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    use_proxy: bool = True

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Connection:
        """The connection described by a module's parameters (see :mod:`.options`)."""
        for option in ("ca_path", "client_cert", "client_key"):
            if params.get(option) and not Path(params[option]).exists():
                raise RollbackError(f"{option}: {params[option]} does not exist on this machine; correct the path")
        return cls(
            timeout=params["timeout"],
            ca_path=params.get("ca_path"),
            client_cert=params.get("client_cert"),
            client_key=params.get("client_key"),
            validate_certs=params.get("validate_certs", True),
            username=params.get("url_username"),
            password=params.get("url_password"),
            bearer_token=params.get("bearer_token"),
            headers={name: str(value) for name, value in (params.get("headers") or {}).items()},
            use_proxy=params.get("use_proxy", True),
        )


@dataclass(frozen=True)
class Request:
    """One request; ``timeout`` (seconds) overrides the connection's, ``limit`` is the most bytes read of the answer."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float | None = None
    follow_redirects: bool = False
    limit: int = MAX_BODY


@dataclass(frozen=True)
class Answer:
    """What the server said; header names are in lower case, ``seconds`` is the time until the body was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode("utf-8", errors="replace")


class Http(Protocol):
    """Something that sends requests."""

    def send(self, request: Request) -> Answer:
        """The answer to ``request``; raises :class:`HttpFault` where there is none."""


def shown(url: str) -> str:
    """``url`` as it may be shown: without login, query and fragment, which often carry secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_url(url: str, option: str) -> str:
    """``url`` if it is an absolute HTTP URL; the error names ``option``."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1
    except ValueError:
        wrong = True
    if wrong:
        raise RollbackError(f"{option}: not an absolute http:// or https:// URL; write it like https://host:port/path")
    return url


class HttpClient:
    """Sends requests over one pool of connections; safe to use from several threads."""

    def __init__(self, connection: Connection, workers: int = 8) -> None:
        if requests is None:
            raise RollbackError(
                "the Python library requests is missing on this machine; type: python -m pip install requests"
            )
        self.connection = connection
        self._resolved: set[str] = set()
        self.session = requests.Session()
        # ~/.netrc and cookies of one check must not leak into another; proxies are asked for explicitly below.
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_connections=workers, pool_maxsize=workers))
        self.session.verify = self._trusted()
        if connection.client_cert:
            key = connection.client_key
            self.session.cert = (connection.client_cert, key) if key else connection.client_cert
        if connection.bearer_token:
            self.session.headers["Authorization"] = f"Bearer {connection.bearer_token}"
        elif connection.username is not None:
            self.session.auth = (connection.username, connection.password or "")
        self.session.headers.update(connection.headers)

    def _trusted(self) -> bool | str:
        if not self.connection.validate_certs:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            return False
        given = self.connection.ca_path, os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("SSL_CERT_FILE")
        return next((path for path in given if path), True)

    def send(self, request: Request) -> Answer:
        """Send one request and read its answer: name, connection, headers and body, all before one deadline.

        What was sent may still arrive, and what comes of it late is not looked at.
        """
        timeout = request.timeout or self.connection.timeout
        named = threading.Event()
        try:
            return within(timeout, lambda: self._exchange(request, timeout, named))
        except (requests.RequestException, urllib3.exceptions.HTTPError, socket.gaierror, TimeoutError) as error:
            kind, detail = _kind(error), ""
            if kind is Fault.TLS:
                detail = _tls_detail(error)
            elif kind is Fault.TIMEOUT and not named.is_set():
                # A resolver that is silent says as little about the service as one that says no.
                kind, detail = Fault.NAME, f" within {timeout:g} s"
            raise HttpFault(kind, shown(request.url), SENTENCES[kind].format(timeout=timeout, detail=detail)) from None

    def _exchange(self, request: Request, timeout: float, named: threading.Event) -> Answer:
        """Ask and read; ``named`` is set as soon as the server's name is known."""
        started = time.monotonic()
        proxies = requests.utils.get_environ_proxies(request.url) if self.connection.use_proxy else {}
        if not requests.utils.select_proxy(request.url, proxies):
            self._resolve(request.url)
        named.set()
        with self.session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=request.body,
            timeout=timeout,
            allow_redirects=request.follow_redirects,
            stream=True,
            proxies=proxies,
        ) as response:
            body = _read(response, started + timeout, request.limit)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, headers, body, time.monotonic() - started)

    def _resolve(self, url: str) -> None:
        """Ask for the address of the server, once; :class:`socket.gaierror` if it has none."""
        host = urlsplit(url).hostname or ""
        if host not in self._resolved:
            with contextlib.suppress(UnicodeError):  # no name at all: the request says so
                socket.getaddrinfo(host, None)
            self._resolved.add(host)


def _read(response: requests.Response, deadline: float, limit: int) -> bytes:
    """The decoded body up to ``limit`` bytes; a server that drips bytes does not get past ``deadline``."""
    body = bytearray()
    while len(body) < limit:
        chunk = response.raw.read1(CHUNK, decode_content=True)
        if not chunk:
            break
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body[:limit])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and everything it was made from."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        near = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [other for other in near if isinstance(other, BaseException)]


def _kind(error: BaseException) -> Fault:
    chain = list(_chain(error))

    def has(*types: type[BaseException]) -> bool:
        return any(isinstance(one, types) for one in chain)

    if has(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return Fault.PROXY
    if has(requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return Fault.TLS
    if has(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return Fault.NAME
    numbers = {one.errno for one in chain if isinstance(one, OSError)}
    if errno.ECONNREFUSED in numbers:
        return Fault.REFUSED
    if numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        return Fault.UNREACHABLE
    if has(requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return Fault.TIMEOUT
    return Fault.BROKEN


def _tls_detail(error: BaseException) -> str:
    """What OpenSSL said, in its own words."""
    for one in _chain(error):
        reason = getattr(one, "verify_message", None)
        if reason:
            return f"certificate not accepted: {reason}"
    return "no TLS could be agreed on; is it a plain HTTP port?"
