# SPDX-License-Identifier: GPL-3.0-or-later
"""SPDY/3.1 as far as ``kubectl exec`` before 1.31 speaks it: streams named by a header over one upgraded connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from .errors import ApiError

Object = dict[str, Any]
PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
_OPENING = 30.0  # seconds that a client has to open its streams
_VERSION = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 1
_BLOCK = 32768
# The words that header blocks are compressed against, from SPDY/3's draft, 2.6.10.1: some with their length in front,
# then a tail of values.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


DICTIONARY = b"".join(_text(word.replace("_", " ").encode()) for word in _WORDS.split()) + _TAIL.encode()


class Connection:
    """The frames of one connection: streams that the client opens, by the name in their ``streamtype`` header."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over an upgraded connection."""
        self._reader, self._writer = reader, writer
        self._inflate, self._deflate = zlib.decompressobj(zdict=DICTIONARY), zlib.compressobj(zdict=DICTIONARY)
        self.streams: dict[str, int] = {}

    async def read(self) -> AsyncIterator[tuple[str, bytes, bool]]:
        """(stream's name, data, whether it ends) for each frame of a stream, until the client leaves."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, second = struct.unpack(">II", await self._reader.readexactly(8))
                flags, data = second >> 24, await self._reader.readexactly(second & 0xFFFFFF)
                ends = bool(flags & _FIN)
                if not first >> 31:
                    yield self._name(first), data, ends
                elif (kind := first & 0xFFFF) == _SYN_STREAM:
                    yield self._opened(data), b"", ends
                elif kind == _RST_STREAM:
                    yield self._name(struct.unpack(">I", data[:4])[0]), b"", True
                elif kind == _PING:
                    self._control(_PING, data)
                elif kind == _GOAWAY:
                    return

    def _name(self, number: int) -> str:
        return next((name for name, held in self.streams.items() if held == number), "")

    def _opened(self, data: bytes) -> str:
        """Note a new stream and accept it."""
        number = struct.unpack(">I", data[:4])[0]
        name = self._headers(self._inflate.decompress(data[10:])).get("streamtype", "")
        self.streams[name] = number
        none = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._control(_SYN_REPLY, struct.pack(">I", number) + none)
        return name

    @staticmethod
    def _headers(block: bytes) -> dict[str, str]:
        count, words, position = struct.unpack(">I", block[:4])[0], [], 4
        for _ in range(2 * count):
            (size,) = struct.unpack_from(">I", block, position)
            words.append(block[position + 4 : position + 4 + size].decode())
            position += 4 + size
        return dict(zip(words[::2], words[1::2], strict=True))

    def _control(self, kind: int, data: bytes) -> None:
        self._writer.write(struct.pack(">HHI", _VERSION, kind, len(data)) + data)

    async def write(self, name: str, data: bytes, *, last: bool = False) -> None:
        """Send data on a stream; ``last`` ends it."""
        if (number := self.streams.get(name)) is None:
            return
        for start in range(0, max(len(data), 1), _BLOCK):
            block = data[start : start + _BLOCK]
            ends = last and start + _BLOCK >= len(data)
            self._writer.write(struct.pack(">II", number, (_FIN if ends else 0) << 24 | len(block)) + block)
        await self._writer.drain()

    async def close(self) -> None:
        """Say goodbye."""
        self._control(_GOAWAY, struct.pack(">II", max(self.streams.values(), default=0), 0))
        await self._writer.drain()


class SpdyChannels:
    """A command's streams over SPDY (remotecommand v1 to v4)."""

    def __init__(self, connection: Connection, version: str) -> None:
        """Carry over ``connection``; ``version`` is the protocol that both sides know."""
        self._connection, self._version = connection, version

    async def opened(self, wanted: Iterable[str]) -> bool:
        """Wait until the client has opened the streams that its request speaks of."""
        needed = {"error", *wanted}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_OPENING):
                async for _ in self._connection.read():
                    if needed <= self._connection.streams.keys():
                        return True
        return False

    async def input(self) -> AsyncIterator[bytes | None]:
        """What the client types; None is the end of it, the end of the iteration that the client left."""
        async for name, data, ends in self._connection.read():
            if name == "stdin" and data:
                yield data
            if name == "stdin" and ends:
                yield None

    async def write(self, name: str, data: bytes) -> None:
        """Send output of ``stdout`` or ``stderr``."""
        await self._connection.write(name, data)

    async def finish(self, status: Object) -> None:
        """End the outputs and tell how the command ended: a Status from v4 on, before that a text about a failure."""
        text = "" if status["status"] == "Success" else status["message"]
        told = json.dumps(status) if self._version == PROTOCOLS[0] else text
        for name in ("stdout", "stderr"):
            await self._connection.write(name, b"", last=True)
        await self._connection.write("error", told.encode(), last=True)
        await self._connection.close()


@contextlib.asynccontextmanager
async def upgraded(request: web.Request) -> AsyncIterator[tuple[web.StreamResponse, SpdyChannels]]:
    """Take the connection over from aiohttp for as long as the context lasts; 403 when no protocol is shared."""
    lines = request.headers.getall("X-Stream-Protocol-Version", list(PROTOCOLS[-1:]))
    offered = [name.strip() for line in lines for name in line.split(",")]
    version = next((name for name in PROTOCOLS if name in offered), None)
    if version is None:
        raise ApiError(403, "Forbidden", f"unable to upgrade: unable to negotiate protocol: client supports {offered}")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": version}
    response = web.StreamResponse(status=101, headers=headers)
    response.force_close()
    transport, former = request.transport, request.protocol
    assert transport is not None
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    try:
        yield (
            response,
            SpdyChannels(Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop)), version),
        )
    finally:
        transport.set_protocol(former)
        if transport.is_closing():
            loop.call_soon(former.connection_lost, None)
