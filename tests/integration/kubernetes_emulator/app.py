# SPDX-License-Identifier: GPL-3.0-or-later
"""A container for tests: tells its version, is ready or alive as long as no file says otherwise."""

import os
import signal
import socket
import sys


def _leave(*_unused: object) -> None:
    print("leaving", flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, _leave)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((os.environ["POD_IP"], 8080))
server.listen(64)
print("listening", " ".join(sys.argv[1:]), flush=True)
os.environ["MADE_BY_ENTRYPOINT"] = "yes"
while True:
    client, _unused = server.accept()
    words = client.recv(4096).decode().split()
    path = words[1] if len(words) > 1 else "/"
    bad = os.access(os.environ.get("BAD_FILE", "/nowhere"), os.F_OK)
    body = f"{os.environ['VERSION']} {os.environ['HOSTNAME']} {path}".encode()
    status = b"503 Unavailable" if bad else b"200 OK"
    client.sendall(
        b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
        % (status, len(body), body)
    )
    client.close()
