"""The front of the gateway's port: one request head is read, then the right protocol takes over.

A request for a WebSocket goes to the gateway, which answers it when the room has let the client
in; everything else goes to aiohttp, byte for byte. The head is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Callable
from typing import Protocol, cast

from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import BadHttpMessage

from .client_socket import ClientSocket
from .handshake import (
    HEAD_BYTES_MAX,
    BadHandshake,
    Upgrade,
    asks_for_websocket,
    check_upgrade,
    refusal,
)

HEAD_TIMEOUT_S = 10.0
OPEN_TIMEOUT_S = 90.0  # for a room to wake and let a client in: longer than a wake may take
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_PROBES = 30, 10, 3


class Doorkeeper(Protocol):
    """Who lets WebSocket clients in: the gateway."""

    def on_upgrade(self, transport: asyncio.Transport, upgrade: Upgrade) -> ClientSocket:
        """A valid request for a WebSocket.

        Raises:
            BadHandshake: If there is no such room.
        """


class Front(asyncio.Protocol):
    """A new connection on the gateway's port."""

    def __init__(self, doorkeeper: Doorkeeper, http: Callable[[], asyncio.Protocol]) -> None:
        self._doorkeeper = doorkeeper
        self._http = http
        self._head = b""
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_TIMEOUT_S, self._refuse, 408, "no request came in time")
        keep_alive(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        seen = len(self._head)
        self._head += data
        end = self._head.find(b"\r\n\r\n", max(0, seen - 3))
        if (end if end >= 0 else len(self._head)) > HEAD_BYTES_MAX:
            self._refuse(431, f"a request head has at most {HEAD_BYTES_MAX} bytes")
            return
        if end < 0 and self._may_become_http():
            return
        self._timer.cancel()
        if end >= 0 and asks_for_websocket(self._head[: end + 4]):
            self._upgrade(self._head[: end + 4], self._head[end + 4 :])
        else:
            self._hand_to_http()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()

    def _may_become_http(self) -> bool:
        # A method, or the empty lines that may precede it; a TLS client is told at once.
        return self._head[:1].isalpha() or self._head[:1] in (b"\r", b"\n")

    def _hand_to_http(self) -> None:
        protocol = self._http()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._head)
        self._head = b""

    def _upgrade(self, head: bytes, rest: bytes) -> None:
        if rest:
            self._refuse(400, "nothing may follow a request for a WebSocket before its answer")
            return
        try:
            let_wait(self._transport, self._doorkeeper, parse_upgrade(head))
        except BadHandshake as error:
            self._refuse(error.status, str(error))

    def _refuse(self, status: int, message: str) -> None:
        self._timer.cancel()
        if not self._transport.is_closing():
            self._transport.write(refusal(status, message))
            self._transport.close()


class Waiting(asyncio.Protocol):
    """A client whose request for a WebSocket is valid and not answered yet."""

    def __init__(self, transport: asyncio.Transport, client: ClientSocket) -> None:
        self._transport = transport
        self._client = client
        client.let_wait(OPEN_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        # RFC 6455 section 4.1: the client has to wait for the answer.
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.lost()


def let_wait(transport: asyncio.Transport, doorkeeper: Doorkeeper, upgrade: Upgrade) -> None:
    """Take a connection over from whoever read its request, until the room lets the client in.

    Raises:
        BadHandshake: If there is no such room; the connection stays with who had it.
    """
    client = doorkeeper.on_upgrade(transport, upgrade)
    # Reading goes on: a client that leaves while it waits is noticed by that alone.
    transport.set_protocol(Waiting(transport, client))
    if not transport.is_reading():
        transport.resume_reading()


def parse_upgrade(head: bytes) -> Upgrade:
    """Parse and check the head of a request for a WebSocket.

    Raises:
        BadHandshake: If it is not valid HTTP, or not a valid request for a WebSocket.
    """
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(asyncio.Protocol(), loop, 2**16)  # type: ignore[arg-type]
    try:
        messages, _, _ = parser.feed_data(head)
    except BadHttpMessage as error:
        raise BadHandshake(400, "the request is not valid HTTP") from error
    if len(messages) != 1:
        raise BadHandshake(400, "one request was expected")
    request = messages[0][0]
    version = (request.version.major, request.version.minor)
    return check_upgrade(request.method, request.path, version, request.headers)


def keep_alive(socket: sockets.socket) -> None:
    """Have the system find out when a client has vanished without a word."""
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
    if hasattr(sockets, "TCP_KEEPIDLE"):
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPCNT, KEEPALIVE_PROBES)
