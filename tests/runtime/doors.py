"""A port as the gateway has it, with somebody behind it who remembers what clients did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from parlour.actors.counts import GatewayCounts
from parlour.actors.frames import Kind
from parlour.runtime.client_socket import ClientSocket
from parlour.runtime.front import Front
from parlour.runtime.handshake import BadHandshake, Upgrade
from parlour.runtime.send_buffer import SendLimits

from .raw_client import TIMEOUT_S

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Door:
    """Lets clients in, at once or when told to, and keeps what they say.

    Attributes:
        opens: Whether clients are let in at once.
        sockets: Every client so far.
        upgrades: What they asked for.
        messages: What they said, in order.
        ends: How their connections ended: code, reason, whether clean.
        failures: What they did wrong: code and reason.
        buffered: How much waited for them, each time that it was told.
        limits: Of what they may not have read.
    """

    def __init__(self, message_bytes_max: int = 1 << 20, handler: Handler | None = None) -> None:
        self.message_bytes_max = message_bytes_max
        self.counts = GatewayCounts()
        self.opens = True
        self.sockets: list[ClientSocket] = []
        self.transports: list[asyncio.Transport] = []
        self.upgrades: list[Upgrade] = []
        self.messages: list[tuple[Kind, bytes]] = []
        self.ends: list[tuple[int, str, bool]] = []
        self.failures: list[tuple[int, str]] = []
        self.buffered: list[int] = []
        self.limits = SendLimits()
        self.port = 0
        self._changed = asyncio.Event()
        self._server: asyncio.AbstractServer | None = None
        self._http = web.Server(handler or self._answer, access_log=None, handler_cancellation=True)

    async def start(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Front(self, self._http), "127.0.0.1", 0
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in self.transports:
            transport.abort()
        await self._http.shutdown(timeout=0.1)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so; looked at whenever a client did something."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def end(self) -> tuple[int, str, bool]:
        """How the first connection ended."""
        await self.until(lambda: self.ends)
        return self.ends[0]

    # Doorkeeper and SocketOwner

    def on_upgrade(self, transport: asyncio.Transport, upgrade: Upgrade) -> ClientSocket:
        if upgrade.path == "/nowhere":
            raise BadHandshake(404, "there is no room at this path")
        socket = ClientSocket(self, len(self.sockets), transport, upgrade, self.limits)
        self.sockets.append(socket)
        self.transports.append(transport)
        self.upgrades.append(upgrade)
        if self.opens:
            asyncio.get_running_loop().call_soon(socket.open)
        self._changed.set()
        return socket

    def on_message(self, socket: ClientSocket, kind: int, payload: bytes) -> None:
        self.messages.append((Kind(kind), payload))
        self._changed.set()

    def on_closed(self, socket: ClientSocket, code: int, reason: str, was_clean: bool) -> None:
        self.ends.append((code, reason, was_clean))
        if socket.failure[0]:
            self.failures.append(socket.failure)
        self._changed.set()

    def on_buffered(self, socket: ClientSocket, size_bytes: int) -> None:
        self.buffered.append(size_bytes)
        self._changed.set()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        return web.Response(text=f"{request.method} {request.path} {len(body)}")
