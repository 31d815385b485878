"""A client that sends whatever bytes a test wants, and reads what a server may send."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

TIMEOUT_S = 5.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the answer to it, as in the RFC

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class Frame(NamedTuple):
    """A frame that the server sent."""

    opcode: int
    payload: bytes


class HttpAnswer(NamedTuple):
    """A response: its status, its headers with small names, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: bytes | None = None,
) -> bytes:
    """A client's frame, or a caricature of one; `length` replaces the length's bytes."""
    size = len(payload)
    if length is None and size < 126:
        length = bytes([size])
    elif length is None:
        small = size < 1 << 16
        length = b"\x7e" + size.to_bytes(2, "big") if small else b"\x7f" + size.to_bytes(8, "big")
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if not masked:
        return head + length + payload
    mask = os.urandom(4)
    data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if size < 4096 else payload
    if size >= 4096:
        mask = bytes(4)  # allowed, and much faster here
    return head + bytes([length[0] | 0x80]) + length[1:] + mask + data


def upgrade(path: str = "/party/x", **headers: str | None) -> bytes:
    """A request for a WebSocket; headers are changed, or left out with None."""
    all_headers: dict[str, str | None] = {
        "Host": "h",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    for name, value in headers.items():
        all_headers[name.replace("_", "-")] = value
    lines = [f"{name}: {value}" for name, value in all_headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class RawClient:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def open(self, path: str = "/party/x") -> None:
        """Become a WebSocket."""
        self.send(upgrade(path))
        await self.opened()

    async def opened(self) -> None:
        """Wait for the answer 101."""
        answer = await self.head()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == ACCEPT
        assert answer.headers["upgrade"].lower() == "websocket"
        assert "upgrade" in answer.headers["connection"].lower()

    async def head(self) -> HttpAnswer:
        """The head of a response."""
        async with asyncio.timeout(TIMEOUT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return HttpAnswer(
            int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}, b""
        )

    async def answer(self) -> HttpAnswer:
        """A whole response with a declared length."""
        head = await self.head()
        async with asyncio.timeout(TIMEOUT_S):
            body = await self.reader.readexactly(int(head.headers.get("content-length", "0")))
        return head._replace(body=body)

    async def frame(self) -> Frame:
        """The next frame, which must be whole, final and unmasked."""
        async with asyncio.timeout(TIMEOUT_S):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80
            assert second < 0x80
            size = second
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return Frame(first & 0xF, await self.reader.readexactly(size))

    async def closed(self) -> int | None:
        """Wait for a close frame; its code, or None if it has none. Other frames are skipped."""
        while (got := await self.frame()).opcode != CLOSE:
            pass
        return int.from_bytes(got.payload[:2], "big") if got.payload else None

    async def ended(self) -> bytes:
        """Wait for the end of the connection; what came before it."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def raw_client(port: int, receive_bytes: int | None = None) -> AsyncIterator[RawClient]:
    """A connection to a port of this machine; `receive_bytes` bounds what it takes unread."""
    plain = socket.socket()
    if receive_bytes is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    plain.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    except OSError:
        plain.close()
        raise
    reader, writer = await asyncio.open_connection(sock=plain, limit=receive_bytes or 1 << 16)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
