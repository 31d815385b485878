"""The rooms' server is silent for longer than a lease: rooms pause, nobody misses anything."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from typing import Any

import aiohttp
import pytest
from parlour.storage.embedded import EmbeddedServer

from ..support.processes import read_process
from ..support.running import RunningParlour

OUTAGE_S = 4.5  # a lease lasts 3 s
ANSWER_S = 20.0
ROOMS = 4


class Caller:
    """A client that adds to its room's counter, and looks at it, and numbers what it sends."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.sent = self.added = self.answered = 0
        self._socket = socket

    async def send(self, *, reads: bool = False) -> None:
        """Add one to the counter; `reads` only looks, which nothing but the lease guards."""
        self.sent += 1
        request: dict[str, Any] = {"client": "c", "seq": self.sent, "op": "count"}
        if not reads:
            self.added += 1
            request |= {"op": "add", "write": self.added, "retry": False}
        await self._socket.send_str(json.dumps({**request, "fresh": self.sent == 1}))

    async def ask(self) -> dict[str, Any]:
        """Send, and the answer to that, after one to everything that was sent before."""
        await self.send()
        async with asyncio.timeout(ANSWER_S):
            while self.answered < self.sent:
                answer: dict[str, Any] = json.loads(await self._socket.receive_str())
                assert "fault" not in answer, answer
                self.answered += 1
                assert answer["seq"] == self.answered
        return answer


async def callers(http: aiohttp.ClientSession, parlour: RunningParlour) -> list[Caller]:
    """One in each of some new rooms, in the order in which these were given their processes."""
    found = []
    for _ in range(ROOMS):
        room = uuid.uuid4().hex
        found.append(Caller(await http.ws_connect(f"{parlour.ws_url}/parties/stayer/{room}")))
        assert (await found[-1].ask())["result"] == 1
    return found


async def outage(server: EmbeddedServer) -> None:
    """The server stops answering, and goes on some seconds later."""
    assert server.pid is not None
    process = read_process(server.pid)
    assert process is not None
    assert process.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(OUTAGE_S)
    finally:
        process.send(signal.SIGCONT)


@pytest.mark.timeout(120)
async def test_rooms_go_on_after_an_outage_where_they_were(
    own_parlour: RunningParlour, own_server: EmbeddedServer
) -> None:
    """Their processes live on and take their claims anew; no room starts over."""
    async with aiohttp.ClientSession() as http:
        everyone = await callers(http, own_parlour)

        await outage(own_server)

        # In reverse, so that each is offered the process of another first.
        for caller in reversed(everyone):
            answer = await caller.ask()
            assert (answer["result"], answer["start"]) == (2, 1)


@pytest.mark.timeout(120)
async def test_every_answer_comes_once_and_in_order_through_outages(
    own_parlour: RunningParlour, own_server: EmbeddedServer
) -> None:
    """Under load: of writes that had landed, of those that had not, and of reads; sockets stay."""
    async with aiohttp.ClientSession() as http:
        everyone = await callers(http, own_parlour)
        for _ in range(2):
            out = asyncio.create_task(outage(own_server))
            while not out.done():
                for caller in everyone:
                    await caller.send()
                    await caller.send(reads=True)
                await asyncio.wait([out], timeout=0.02)
        for caller in everyone:
            answer = await caller.ask()
            assert (answer["result"], answer["start"]) == (caller.added, 1)
