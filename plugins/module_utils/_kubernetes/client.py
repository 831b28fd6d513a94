# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks with the API server: plain JSON in and out, a time limit on every request, errors that name the next step.

Objects stay the server's own JSON: the client's typed models lose fields that are newer than they are, and what is
copied here (a pod template) must not lose any.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from .._deadline import within
from .._module import RollbackError, unfenced
from .adapter import request_headers
from .channel import command_output
from .model import FIELD_MANAGER
from .refusal import advice, lacks_right

urllib3: Any
HTTPError: type[Exception]
WebSocketException: type[Exception]
try:
    import urllib3
    from urllib3.exceptions import HTTPError
    from websocket import WebSocketException
except ImportError:
    urllib3 = None
    HTTPError = WebSocketException = OSError

Json = dict[str, Any]

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
"""Seconds until an answer goes on; the whole of it may take twice as long."""
PATIENCE = 20.0
"""Seconds for which an unreachable or overloaded server is asked again: a restart of the API server takes about ten."""
LOG_LIMIT = 10_000_000
"""Bytes of a log that are read."""

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
AGAIN = frozenset({429, 500, 502, 503, 504})


class ApiError(RollbackError):
    """The API server said no, or nothing (``status`` 0)."""

    def __init__(self, message: str, status: int, reason: str = "") -> None:
        super().__init__(message, status=status, reason=reason)
        self.status = status
        self.reason = reason

    @property
    def lacks_right(self) -> bool:
        """Whether the login lacks a right: a policy of the cluster says no with the same status."""
        return lacks_right(self.status, self.message)


class Cluster(Protocol):
    """What the rest of the package needs of a cluster."""

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """The object or list at ``path``."""

    def patch(self, path: str, body: Any, *, content_type: str = JSON_PATCH, dry_run: bool = False) -> Json:
        """Change the object at ``path``; 409 when ``body`` carries an outdated resourceVersion."""

    def create(self, path: str, body: Json) -> Json:
        """Create an object in the collection at ``path``."""

    def delete(self, path: str, query: Mapping[str, str] | None = None, *, uid: str = "") -> None:
        """Delete the object at ``path``; one that is gone already is fine. ``uid``: not its namesake."""

    def watch(self, path: str, query: Mapping[str, str], resource_version: str, seconds: int) -> Watch:
        """Changes of the list at ``path`` after ``resource_version``, for at most ``seconds``."""

    def log_tail(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        """The last lines of a container's log; empty if there is none."""

    def log(self, namespace: str, pod: str, container: str) -> str:
        """What a container has written, up to :data:`LOG_LIMIT` bytes; :class:`ApiError` if it cannot be had."""

    def execute(self, namespace: str, pod: str, container: str, argv: Sequence[str], timeout: float) -> bytes:
        """Standard output of a command in a container."""


def path_of(collection: str, namespace: str, name: str | None = None) -> str:
    """``/apis/apps/v1/deployments`` in a namespace, and one object of it."""
    group, _slash, resource = collection.rpartition("/")
    parts = [group, "namespaces", quote(namespace, safe=""), resource]
    return "/".join([*parts, quote(name, safe="")] if name else parts)


class Watch:
    """An open watch: iterate over its events, and stop it from another thread."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Json]:
        """Events ``{type, object}`` until the server ends the watch; :class:`ApiError` if the connection breaks."""
        rest = b""
        try:
            for chunk in self._response.stream(amt=None, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line.strip())
        except (HTTPError, OSError, ValueError) as error:
            raise ApiError(f"the watch broke: {error}", 0, "WatchBroken") from error

    def stop(self) -> None:
        """End the watch; a reader that waits for an event is woken."""
        with contextlib.suppress(HTTPError, OSError, ValueError, RuntimeError):
            getattr(self._response, "shutdown", self._response.close)()


class ApiServer:
    """A cluster's API server, by an ``ApiClient`` that knows the address and the login."""

    def __init__(
        self,
        client: Any,
        read_timeout: float = READ_TIMEOUT,
        patience: float = PATIENCE,
        fence: Callable[[], None] = unfenced,
    ) -> None:
        """Wait ``read_timeout`` seconds for each answer, and ask a server in trouble again for ``patience`` seconds.

        ``fence`` is called before every write, and raises when there must be none.
        """
        self._client = client
        self._fence = fence
        self._read_timeout = read_timeout
        self._patience = patience
        self._base = client.configuration.host.rstrip("/")
        self._pool = client.rest_client.pool_manager

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """See :class:`Cluster`."""
        return self._json("GET", path, query)

    def patch(self, path: str, body: Any, *, content_type: str = JSON_PATCH, dry_run: bool = False) -> Json:
        """See :class:`Cluster`."""
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        return self._json("PATCH", path, query, body, content_type)

    def create(self, path: str, body: Json) -> Json:
        """See :class:`Cluster`."""
        return self._json("POST", path, None, body, "application/json")

    def delete(self, path: str, query: Mapping[str, str] | None = None, *, uid: str = "") -> None:
        """See :class:`Cluster`."""
        only = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}} if uid else None
        try:
            self._json("DELETE", path, query, only, "application/json" if only else None)
        except ApiError as error:
            if error.status != 404 and not (uid and error.status == 409):
                raise

    def watch(self, path: str, query: Mapping[str, str], resource_version: str, seconds: int) -> Watch:
        """See :class:`Cluster`."""
        asked = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        response = self._send("GET", path, asked, None, None, read_timeout=seconds + 10, stream=True)
        if response.status != 200:
            raise _refusal("WATCH", path, response.status, response.data)
        return Watch(response)

    def log_tail(self, namespace: str, pod: str, container: str, *, previous: bool) -> list[str]:
        """See :class:`Cluster`."""
        query = {"container": container, "tailLines": "10", "limitBytes": "8192", "previous": str(previous).lower()}
        path = path_of("/api/v1/pods", namespace, pod) + "/log"
        try:
            response = self._send("GET", path, query, None, None)
        except ApiError:
            return []
        return response.data.decode(errors="replace").splitlines() if response.status == 200 else []

    def log(self, namespace: str, pod: str, container: str) -> str:
        """See :class:`Cluster`."""
        path = path_of("/api/v1/pods", namespace, pod) + "/log"
        response = self._send("GET", path, {"container": container, "limitBytes": str(LOG_LIMIT)}, None, None)
        if response.status != 200:
            raise _refusal("GET", path, response.status, response.data)
        return str(response.data.decode(errors="replace"))

    def execute(self, namespace: str, pod: str, container: str, argv: Sequence[str], timeout: float) -> bytes:
        """See :class:`Cluster`. Neither the output nor the server's words about it are ever in an error."""
        words = [("command", word) for word in argv]
        query = urlencode([*words, ("container", container), ("stdout", "true"), ("stderr", "true"), ("tty", "false")])
        url = f"{self._base}{path_of('/api/v1/pods', namespace, pod)}/exec"
        where = f"exec {argv[0]} in pod {namespace}/{pod}, container {container}"
        headers = request_headers(self._client)
        if any(name.startswith("Impersonate") for name in headers):
            raise RollbackError(f"{where}: the Python client cannot impersonate in exec; log in as the user itself")
        try:
            # The websocket opens without a limit.
            return within(timeout + 5, lambda: command_output(self._client, f"{url}?{query}", headers, timeout))
        except (WebSocketException, OSError) as error:
            status = getattr(error, "status_code", 0) or 0
            hint = "grant create on pods/exec" if status == 403 else f"try: kubectl -n {namespace} exec {pod} -- env"
            why = str(error) if error.__class__ is OSError else f"{type(error).__name__} {status or ''}"
            raise ApiError(f"{where}: {why}; {hint}", status, "Exec") from None

    def _json(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None, kind: str | None = None
    ) -> Json:
        deadline = time.monotonic() + self._patience
        pause = 0.2
        writes = method != "GET" and "dryRun" not in (query or {})
        while True:
            if writes:
                self._fence()
            try:
                response = self._send(method, path, query, body, kind)
                if response.status < 300:
                    return self._object(path, response.data or b"{}")
                failure = _refusal(method, path, response.status, response.data)
            except ApiError as error:
                failure = error
            # A repeated write is safe: each carries the resourceVersion or the name it was decided on.
            if failure.status not in AGAIN | {0} or time.monotonic() + pause > deadline:
                raise failure
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _object(self, path: str, data: bytes) -> Json:
        """What ``data`` says; something in between may have answered instead, a login page for example."""
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(data)
            if isinstance(answer, dict):
                return answer
        raise ApiError(
            f"what {self._base} says about {path} is no object of Kubernetes: is it an API server? Check: "
            "kubectl cluster-info",
            -1,
            "NotKubernetes",
        )

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        kind: str | None,
        *,
        read_timeout: float | None = None,
        stream: bool = False,
    ) -> Any:
        headers = {"Accept": "application/json", **request_headers(self._client)}
        if kind:
            headers["Content-Type"] = kind
        patience = read_timeout or self._read_timeout
        try:
            return within(
                CONNECT_TIMEOUT + 2 * patience,
                lambda: self._pool.request(
                    method,
                    self._base + path + ("?" + urlencode(query) if query else ""),
                    body=None if body is None else json.dumps(body),
                    headers=headers,
                    timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=patience),
                    retries=False,
                    preload_content=not stream,
                ),
            )
        except (HTTPError, OSError) as error:
            raise ApiError(
                f"the Kubernetes API at {self._base} does not answer: {error}; check: kubectl cluster-info",
                0,
                "Unreachable",
            ) from error


def _refusal(method: str, path: str, status: int, data: bytes) -> ApiError:
    try:
        answer = json.loads(data)
        message, reason = str(answer.get("message", "")), str(answer.get("reason", ""))
    except (ValueError, AttributeError):
        message, reason = data[:200].decode(errors="replace"), ""
    told = message or reason
    return ApiError(f"{method} {path}: {status} {told}{advice(status, told)}", status, reason)
