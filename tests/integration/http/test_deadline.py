# SPDX-License-Identifier: GPL-3.0-or-later
"""One deadline for all of an exchange: a server that drips, or a resolver that is silent, does not get past it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from ansible_collections.octalume.rollback.plugins.module_utils._http.client import (
    Connection,
    Fault,
    HttpClient,
    HttpFault,
    Request,
)
from ansible_collections.octalume.rollback.plugins.modules import http_probe_info

from tests.integration.http.wire import Reply, WireServer, call

ANSWER = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 40 + b"\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def dripping(pause: float) -> Iterator[str]:
    """A server that answers well, a byte every ``pause`` seconds; its URL."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(client,), daemon=True).start()

    def drip(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            for byte in ANSWER:
                try:
                    client.sendall(bytes((byte,)))
                except OSError:
                    return
                time.sleep(pause)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/health"


def test_headers_that_drip_are_given_up_and_their_late_answer_is_not_taken() -> None:
    with dripping(0.05) as url:
        began = time.monotonic()
        with pytest.raises(HttpFault, match=r"no answer within 1 s") as raised:
            HttpClient(Connection(timeout=1)).send(Request(url))
        assert raised.value.kind is Fault.TIMEOUT
        assert time.monotonic() - began < 2


def test_a_probe_of_a_service_that_drips_its_headers_fails() -> None:
    with dripping(0.05) as url:
        outcome = call(http_probe_info, targets=[url], timeout=0.5, max_consecutive_failures=1, interval=0)
    assert outcome["verdict"] == "fail"


def test_an_answer_that_comes_in_time_is_taken() -> None:
    with dripping(0.001) as url:
        assert HttpClient(Connection(timeout=5)).send(Request(url)).text == "ok"


def test_a_resolver_that_is_silent_is_given_up_and_says_nothing_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(*_arguments: Any, **_options: Any) -> Any:
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    with pytest.raises(HttpFault, match=r"does not resolve on this machine within 0\.3 s") as raised:
        HttpClient(Connection(timeout=0.3)).send(Request("http://shop.example.com/health"))
    over.set()
    assert raised.value.kind is Fault.NAME
    assert time.monotonic() - began < 2


def test_a_name_is_asked_for_once_by_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: asked.append(given) or real(*given, **more))
    with WireServer({"/": Reply()}) as server:
        client = HttpClient(Connection(timeout=5))
        for _time in range(3):
            client.send(Request(server.url + "/"))
    assert len(asked) == 2  # once by us, and once for the connection, which is kept
