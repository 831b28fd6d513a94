# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody on the wire to a server, who carries what each side says, or something else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.listener import listening
from tests.sandbox.process import LOOPBACK

Pump = Callable[[socket.socket, socket.socket], None]


def relay(port: int, there: Pump, back: Pump) -> AbstractContextManager[int]:
    """A wire to ``port``: ``there`` carries from the client to the server, ``back`` the other way; its own port."""

    def attend(client: socket.socket) -> None:
        try:
            server = socket.create_connection((LOOPBACK, port))
        except OSError:
            client.close()
            return
        threading.Thread(target=there, args=(client, server), daemon=True).start()
        back(server, client)

    return listening(attend)
