"""Clients of the gateways on the hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

ANSWER_TIMEOUT_S = 20.0


class Client:
    """One WebSocket to a room through one gateway."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, text: str) -> None:
        """Send a message."""
        await self.socket.send_str(text)

    async def hear(self, timeout_s: float = ANSWER_TIMEOUT_S) -> str:
        """The next message."""
        async with asyncio.timeout(timeout_s):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, f"no text came, but {message}"
        return str(message.data)

    async def ask(self, text: str) -> str:
        """Send a message and wait for the next that comes."""
        await self.say(text)
        return await self.hear()

    async def closed(self) -> int | None:
        """Wait for the end of the connection; returns the close code."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


@asynccontextmanager
async def connected(url: str, *rooms: str) -> AsyncIterator[list[Client]]:
    """Clients in rooms, each `host/party/id` of a gateway at `host` on port 1999."""
    del url
    async with aiohttp.ClientSession() as session:
        clients = []
        for room in rooms:
            host, _, rest = room.partition("/")
            socket = await session.ws_connect(f"ws://{host}:1999/parties/{rest}")
            clients.append(Client(socket))
        yield clients
