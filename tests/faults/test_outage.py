"""The rooms' server is away for longer than a lease: rooms stop, sockets stay, all goes on."""

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
    """A client that adds to its room's counter and numbers what it sends."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.sent = 0
        self._socket = socket

    async def send(self) -> None:
        self.sent += 1
        number = self.sent
        request = {"client": "c", "seq": number, "write": number, "op": "add", "retry": False}
        await self._socket.send_str(json.dumps({**request, "fresh": number == 1}))

    async def ask(self) -> dict[str, Any]:
        """Send, and the answer to that; those to earlier ones may have been lost, nothing else."""
        await self.send()
        async with asyncio.timeout(ANSWER_S):
            while True:
                answer: dict[str, Any] = json.loads(await self._socket.receive_str())
                assert "fault" not in answer, answer
                if answer["seq"] == self.sent:
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
async def test_rooms_come_back_after_an_outage_whoever_had_them(
    own_parlour: RunningParlour, own_server: EmbeddedServer
) -> None:
    """Their processes live on and take other rooms; no room waits for the one it was in."""
    async with aiohttp.ClientSession() as http:
        everyone = await callers(http, own_parlour)

        await outage(own_server)

        # In reverse, so that each is offered the process of another first.
        for caller in reversed(everyone):
            answer = await caller.ask()
            assert (answer["result"], answer["start"]) == (2, 2)


@pytest.mark.timeout(120)
async def test_sockets_stay_and_what_was_sent_in_an_outage_is_handled_after_it(
    own_parlour: RunningParlour, own_server: EmbeddedServer
) -> None:
    """No message is blamed for the end of its room, none is lost and none handled twice."""
    async with aiohttp.ClientSession() as http:
        everyone = await callers(http, own_parlour)
        for _ in range(2):
            out = asyncio.create_task(outage(own_server))
            while not out.done():
                for caller in everyone:
                    await caller.send()
                await asyncio.wait([out], timeout=0.1)
        for caller in everyone:
            assert (await caller.ask())["result"] == caller.sent
