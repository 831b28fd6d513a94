# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded cluster's container: answers every path with its version, leaves TERM_DELAY_S seconds after SIGTERM."""

import os
import signal
import socket
import time


def _leave(*_: object) -> None:
    time.sleep(float(os.environ.get("TERM_DELAY_S", "0")))
    os._exit(0)


signal.signal(signal.SIGTERM, _leave)
time.sleep(0.3)  # a start that takes a moment, so that the first probe finds nobody
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((os.environ["POD_IP"], 8080))
server.listen(16)
print(f"api-server {os.environ['VERSION']} listening on :8080", flush=True)
body = os.environ["VERSION"].encode()
while True:
    client, _ = server.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    client.close()
