# SPDX-License-Identifier: GPL-3.0-or-later
"""A small TCP proxy that does to a connection what networks and tired servers do."""

from __future__ import annotations

import contextlib
import http.client as http_client
import select
import socket
import ssl
import struct
import threading
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST

PASS, REFUSED, HANGS, RESET_MID_ANSWER, SLOW, SAYS = "pass", "refused", "hangs", "reset", "slow", "says"
DRIPS = "drips"  # a byte at a time, so that no limit between two bytes is ever reached
HELD = "held"  # answers wait until the proxy lets them go
LOST = "lost"  # an HTTP request that writes arrives, and the connection is reset instead of its answer
FRAMING = ("content-length", "transfer-encoding", "connection")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Proxy:
    """Listens on a port of its own, in front of a server. ``mode`` holds for connections and answers from then on.

    ``certificate`` (a PEM file with its key) lets it speak TLS where it answers in the server's place. After ``times``
    faults it lets everything pass; None: it never does.
    """

    def __init__(self, host: str, port: int, certificate: Path | None = None) -> None:
        self.target = (host, port)
        self.mode, self.times, self.answer, self.greets = PASS, None, b"", False
        self.faults = 0
        self.gate = threading.Event()
        self._certificate = certificate
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def fail(self, mode: str, times: int | None = None, answer: bytes = b"", *, greets: bool = False) -> None:
        """From now on, ``times`` times. ``answer`` is what SAYS says, after a request, or at once if it ``greets``."""
        self.times, self.answer, self.greets, self.faults = times, answer, greets, 0
        self.mode = mode
        for one in list(self._open):  # connections that are kept alive meet it as well
            _close(one)

    def heal(self) -> None:
        """Let everything pass again."""
        self.fail(PASS)

    def close(self) -> None:
        """Listen no longer."""
        _close(self._listener)
        self.heal()

    def _due(self) -> str:
        """The fault for one more connection."""
        if self.mode == LOST:
            return LOST  # it happens to requests, not to connections
        if self.mode == PASS or (self.times is not None and self.faults >= self.times):
            return PASS
        self.faults += 1
        return self.mode

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self._due()), daemon=True).start()

    def _serve(self, client: socket.socket, mode: str) -> None:
        if mode == REFUSED:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        self._open.add(client)
        try:
            if mode == HANGS:
                while client.recv(CHUNK):
                    pass
                return
            self._open.add(secured := self._secured(client) if mode in (SAYS, LOST) else client)
            try:
                self._talk(secured, mode)
            finally:
                self._open.discard(secured)
                _close(secured, politely=mode not in (RESET_MID_ANSWER, LOST))
        except OSError:
            pass
        finally:
            self._open.discard(client)
            _close(client)

    def _secured(self, client: socket.socket) -> socket.socket:
        if not self._certificate:
            return client
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        return context.wrap_socket(client, server_side=True)

    def _talk(self, client: socket.socket, mode: str) -> None:
        if mode == SAYS:
            if not self.greets:
                _read_request(client)
            client.sendall(self.answer)
            return
        if mode == LOST:
            self._relay(client)
            return
        server = socket.create_connection(self.target, timeout=60)
        over = threading.Event()
        pump = threading.Thread(target=_pump, args=(client, server, over), daemon=True)
        pump.start()
        try:
            while data := server.recv(CHUNK):
                if mode == RESET_MID_ANSWER:
                    client.sendall(data[: len(data) // 2])
                    return
                if mode == HELD:
                    self.gate.wait(60)
                if mode == SLOW:
                    time.sleep(0.3)
                if mode == DRIPS:
                    for byte in data:
                        client.sendall(bytes((byte,)))
                        time.sleep(0.3)
                client.sendall(b"" if mode == DRIPS else data)
        finally:
            over.set()
            pump.join()
            _close(server)

    def _relay(self, client: socket.socket) -> None:
        """Hand on one HTTP request after the other, until the answer to one is lost."""
        server = http_client.HTTPConnection(*self.target, timeout=60)
        if self._certificate:
            unverified = ssl.create_default_context()
            unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
            server = http_client.HTTPSConnection(*self.target, timeout=60, context=unverified)
        with contextlib.closing(server):
            while request := _read_request(client):
                head, _end, body = request.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _version = first.split(" ")
                server.request(method, path, body, dict(line.split(": ", 1) for line in lines))
                answer = server.getresponse()
                content = answer.read()
                if method in WRITES and (self.times is None or self.faults < self.times):
                    self.faults += 1
                    return
                kept = [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in FRAMING]
                kept += [f"Content-Length: {len(content)}", "", ""]
                told = "\r\n".join([f"HTTP/1.1 {answer.status} Relayed", *kept])
                client.sendall(told.encode("latin-1") + content)


def _read_request(client: socket.socket) -> bytes:
    """Read an HTTP request as a whole: answering early would reset the connection under the asker's feet."""
    data = b""
    while b"\r\n\r\n" not in data and (more := client.recv(CHUNK)):
        data += more
    head, end, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    while len(body) < length and (more := client.recv(CHUNK)):
        body += more
    return head + end + body


def _pump(source: socket.socket, sink: socket.socket, over: threading.Event) -> None:
    """Hand on until one side ends or it is ``over``: whoever waits in recv would keep a closed connection open."""
    with contextlib.suppress(OSError, ValueError):
        while not over.is_set():
            if select.select([source], [], [], 0.05)[0]:
                if not (data := source.recv(CHUNK)):
                    break
                sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _close(one: socket.socket, *, politely: bool = True) -> None:
    with contextlib.suppress(OSError):
        if politely:
            one.shutdown(socket.SHUT_RDWR)
        else:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with contextlib.suppress(OSError):
        one.close()


def http(status: int, body: str = "{}", headers: str = "") -> bytes:
    """An HTTP answer, after which the connection is over."""
    text = body.encode()
    head = f"HTTP/1.1 {status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{headers}"
    return f"{head}Connection: close\r\n\r\n".encode() + text
