# SPDX-License-Identifier: GPL-3.0-or-later
"""A port on loopback whose connections are attended to by a function, each in a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.sandbox.process import LOOPBACK


@contextmanager
def listening(attend: Callable[[socket.socket], object]) -> Iterator[int]:
    """Call ``attend`` with every connection, which it has to close; the port."""
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=attend, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
