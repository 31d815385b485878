"""Clients of the gateways on the hosts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator

import aiohttp

from .host import Host
from .parlour_on_nodes import PORT

ANSWER_TIMEOUT_S = 20.0
NO_EDGE_YET = 503


class Client:
    """One WebSocket to a room through one gateway."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, text: str) -> None:
        """Send a message."""
        await self.socket.send_str(text)

    async def hear(self) -> str:
        """The next message."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, f"no text came, but {message}"
        return str(message.data)

    async def ask(self, text: str) -> str:
        """Send a message and wait for the next that comes."""
        await self.say(text)
        return await self.hear()

    async def where(self) -> str:
        """The host that the room runs on, whatever others say meanwhile."""
        await self.say("where?")
        while ": " in (heard := await self.hear()):
            pass
        return heard.split()[0]

    async def hear_of(self, text: str) -> str:
        """The next message that contains `text`."""
        while text not in (heard := await self.hear()):
            pass
        return heard

    async def closed(self) -> int | None:
        """Wait for the end of the connection; returns the close code."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


class Clients:
    """Opens clients; all are closed at the end."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def connect(self, host: Host, room: str) -> Client:
        """Into `party/id` through the gateway of a host."""
        url = f"ws://{host.address}:{PORT}/parties/{room}"
        return Client(await self._session.ws_connect(url))

    async def get(self, host: Host, room: str) -> dict[str, object]:
        """What a room answers to a request."""
        async with self._session.get(f"http://{host.address}:{PORT}/parties/{room}") as response:
            assert response.status == 200, await response.text()
            answer: dict[str, object] = await response.json()
            return answer

    async def page(self, host: Host, path: str) -> str:
        """What a gateway answers beside rooms, once its edge has started."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                async with self._session.get(f"http://{host.address}:{PORT}{path}") as response:
                    if response.status != NO_EDGE_YET:
                        assert response.status == 200, await response.text()
                        return await response.text()


@contextlib.asynccontextmanager
async def clients() -> AsyncIterator[Clients]:
    """A place to open clients."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Clients(session)


class Talker:
    """Keeps saying numbers in a room, each when the one before came back; notes the longest wait.

    Nothing may be lost: each number must come back, once, and in its order.
    """

    def __init__(self, client: Client, name: str) -> None:
        self.said = 0
        self.longest_wait_s = 0.0
        self._client = client
        self._name = name
        self._stop = asyncio.Event()
        self._until: str | None = None
        self._task = asyncio.get_running_loop().create_task(self._talk())

    async def _talk(self) -> None:
        for number in itertools.count(1):
            if self._stop.is_set():
                return
            mine = f"{self._name} {number}"
            asked_s = time.monotonic()
            await self._client.say(mine)
            while not (heard := await self._client.hear()).endswith(f": {mine}"):
                pass  # what others say
            self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - asked_s)
            self.said = number
            if self._until is not None and heard.startswith(self._until):
                return

    async def stop_after(self, prefix: str) -> int:
        """Stop when something comes back with this prefix; how often it has spoken by then."""
        self._until = prefix
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._task
        return self.said

    async def stop(self) -> int:
        """How often it has spoken; raises what went wrong."""
        self._stop.set()
        await self._task
        return self.said
