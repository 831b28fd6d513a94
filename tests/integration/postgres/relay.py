# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on the wire to a server, who carries what each side says, or something else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.sandbox.process import LOOPBACK

Pump = Callable[[socket.socket, socket.socket], None]


@contextmanager
def relay(port: int, there: Pump, back: Pump) -> Iterator[int]:
    """A wire to ``port``: ``there`` carries from the client to the server, ``back`` the other way; its own port."""
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _unused = listener.accept()
                server = socket.create_connection((LOOPBACK, port))
                for pump, ends in ((there, (client, server)), (back, (server, client))):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
