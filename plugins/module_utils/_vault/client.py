# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to Vault's KV version 2 API; the only input and output of this package besides logging in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import quote

from .._deadline import within
from .._module import RollbackError, unfenced
from .errors import LEADERLESS, UPGRADING, Conflict, NoAnswer, VaultProblem, explain, unreachable
from .model import Reading, Rights, Target
from .plan import canonical

try:
    from requests.exceptions import RequestException
except ImportError:
    RequestException = OSError  # type: ignore[misc,assignment]

PATIENCE = 20.0  # seconds a call waits in all for a rate limit or an election to pass
FIRST_PAUSE = 0.25  # seconds, doubled each time
INDEX = "X-Vault-Index"


class Store(Protocol):
    """KV version 2 as this package needs it. Every method raises :class:`VaultProblem`."""

    def require_version_2(self, target: Target) -> None:
        """Raise unless the secret is in a KV version 2 engine."""

    def read(self, target: Target, version: int | None = None) -> Reading:
        """One version, or the latest."""

    def write(self, target: Target, data: Any, cas: int) -> int:
        """Write ``data`` over version ``cas``; the new version's number. Raises :class:`Conflict` if it is not live."""

    def delete(self, target: Target, version: int) -> None:
        """Soft-delete one version."""

    def undelete(self, target: Target, version: int) -> None:
        """Take a soft delete back."""

    def rights(self, target: Target) -> Rights | None:
        """What the token may do with the secret; None if it may not even ask."""


class Transport(Protocol):
    """hvac's ``RawAdapter``: sends a request with token, namespace, TLS and timeout in place."""

    token: str | None

    def request(self, method: str, url: str, **options: Any) -> Any:
        """A ``requests.Response``, whatever its status."""


@dataclass(frozen=True)
class Answer:
    """Status and document of one response; the document is empty when there was none in JSON."""

    status: int
    document: dict[str, Any]
    retry_after: float

    @property
    def errors(self) -> list[str]:
        """Vault's own words."""
        return [str(error) for error in self.document.get("errors") or []]


class VaultStore:
    """:class:`Store` over HTTP. The transport waits ``timeout`` seconds for an answer to go on, the store twice as long
    for the whole of it.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        timeout: float,
        notice: Callable[[str], None],
        patience: float = PATIENCE,
        fence: Callable[[], None] = unfenced,
    ) -> None:
        self.transport = transport
        self.url = url
        self.timeout = timeout
        self.notice = notice
        self.patience = patience
        self.fence = fence
        self._index = ""  # Vault Enterprise's name for the state after our last write

    def require_version_2(self, target: Target) -> None:
        """Raise unless the secret is in a KV version 2 engine."""
        mount = self._call("get", f"sys/internal/ui/mounts/{target}").document["data"]
        if mount["path"].strip("/") != target.mount:
            raise RollbackError(
                f"{target}: the secrets engine is mounted at {mount['path']}, not {target.mount}/;"
                f" set engine_mount_point and path accordingly (`vault secrets list -address={self.url}`)"
            )
        if mount["type"] not in ("kv", "generic"):
            raise RollbackError(
                f"{target}: {mount['path']} is a {mount['type']} engine; only KV version 2 has versions"
            )
        if (mount.get("options") or {}).get("version") != "2":
            raise RollbackError(
                f"{target}: {mount['path']} is KV version 1, which keeps no versions to roll back to;"
                f" for the future: `vault kv enable-versioning {mount['path']}`"
            )

    def read(self, target: Target, version: int | None = None) -> Reading:
        """One version, or the latest."""
        query = "" if version is None else f"?version={version}"
        answer = self._call("get", target.endpoint("data"), query=query, accept=(404,))
        data = answer.document.get("data")
        if answer.errors:
            raise explain(self.url, target.endpoint("data"), answer.status, answer.errors)
        if not data:
            return Reading("absent")
        metadata = data["metadata"]
        if answer.status == 200:
            return Reading("exists", metadata["version"], data["data"])
        return Reading("destroyed" if metadata["destroyed"] else "deleted", metadata["version"])

    def write(self, target: Target, data: Any, cas: int) -> int:
        """Write ``data`` over version ``cas``; the new version's number. Raises :class:`Conflict` if it is not live.

        An answer that got lost, or a retry that met its own first attempt, is told from somebody else's write by
        reading back. A conflict means that ``cas`` is not live any more, so that a read which shows it so is too old.
        """
        body = {"data": data, "options": {"cas": cas}}
        try:
            answer = self._call("post", target.endpoint("data"), body)
        except VaultProblem as error:
            if not isinstance(error, Conflict | NoAnswer) and error.status < 500:
                raise
            live = self._read_past(target, cas) if isinstance(error, Conflict) else self.read(target)
            if live.version == cas + 1 and live.exists and canonical(live.data) == canonical(data):
                return live.version
            if live.version != cas:
                raise Conflict(f"{target} was written by somebody else: version {live.version} is live") from error
            raise
        version: int = answer.document["data"]["version"]
        return version

    def _read_past(self, target: Target, version: int) -> Reading:
        """The latest version, once it is newer than ``version``, or what is shown when the patience is over."""
        backoff = Backoff(self.url, self.notice, self.patience)
        while (live := self.read(target)).version == version and backoff.wait(412):
            pass
        return live

    def delete(self, target: Target, version: int) -> None:
        """Soft-delete one version."""
        self._call("post", target.endpoint("delete"), {"versions": [version]})

    def undelete(self, target: Target, version: int) -> None:
        """Take a soft delete back."""
        self._call("post", target.endpoint("undelete"), {"versions": [version]})

    def rights(self, target: Target) -> Rights | None:
        """What the token may do with the secret; None if it may not even ask."""
        endpoints = {kind: target.endpoint(kind) for kind in ("data", "delete", "undelete")}
        body = {"paths": list(endpoints.values())}
        answer = self._call("post", "sys/capabilities-self", body, accept=(403,))
        if answer.status == 403:
            return None
        found = answer.document.get("data") or answer.document
        return {kind: frozenset(found[endpoint]) for kind, endpoint in endpoints.items()}

    def _call(self, method: str, path: str, body: Any = None, query: str = "", accept: Sequence[int] = ()) -> Answer:
        """Send one request; wait out rate limits and elections; raise what any other status means."""
        backoff = Backoff(self.url, self.notice, self.patience)
        while True:
            if body is not None:
                self.fence()
            answer = self._send(method, f"v1/{quote(path)}{query}", body)
            if not passing(answer.status, answer.errors) or not backoff.wait(answer.status, answer.retry_after):
                break
        if answer.status < 300 or answer.status in accept:
            return answer
        health = self._send("get", "v1/sys/health").status if answer.status == 503 else 0
        known = answer.status != 403 or self._token_known()
        said = answer.errors if known or self.transport.token else ["missing client token"]
        raise explain(self.url, path, answer.status, said, health=health, token_known=known)

    def _token_known(self) -> bool:
        """Whether Vault knows the token. One without the right to look itself up is told so in a list of one error."""
        answer = self._send("get", "v1/auth/token/lookup-self")
        return answer.status != 403 or any("1 error occurred" in error for error in answer.errors)

    def _send(self, method: str, path: str, body: Any = None) -> Answer:
        options: dict[str, Any] = {} if body is None else {"data": canonical(body).encode()}
        if self._index:  # a standby shall not answer from before it
            options["headers"] = {INDEX: self._index}
        try:
            response = within(
                2 * self.timeout, lambda: self.transport.request(method, path, raise_exception=False, **options)
            )
        except (RequestException, TimeoutError) as error:
            raise unreachable(self.url, error, self.timeout) from None
        try:
            document = json.loads(response.content, parse_float=Decimal) if response.content else {}
        except ValueError:
            document = {}
        after = response.headers.get("Retry-After", "0")
        if body is not None:
            self._index = response.headers.get(INDEX) or self._index
        return Answer(
            status=response.status_code,
            document=document if isinstance(document, dict) else {},
            retry_after=float(after) if after.isdigit() else 0.0,
        )


def passing(status: int, errors: Sequence[str]) -> bool:
    """Whether waiting may help: a rate limit, a standby that lags, a node without a leader, an engine being mounted."""
    said = " ".join(errors)
    return status in (412, 429) or (status == 500 and LEADERLESS in said) or (status == 400 and UPGRADING in said)


class Backoff:
    """Waits for what passes, longer each time, at most ``patience`` seconds in all."""

    def __init__(self, url: str, notice: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.url = url
        self.notice = notice
        self.deadline = time.monotonic() + patience
        self.pause = FIRST_PAUSE

    def wait(self, status: int, at_least: float = 0.0) -> bool:
        """Pause after an answer of ``status``; False, at once, if that would take longer than the patience."""
        pause = max(self.pause, at_least)
        if time.monotonic() + pause > self.deadline:
            return False
        self.notice(f"Vault at {self.url} answered {status}; asking again in {pause:g} s")
        time.sleep(pause)
        self.pause = 2 * pause
        return True
