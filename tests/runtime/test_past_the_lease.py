"""A lease that runs out, as clients and other rooms see it: a pause, or a code that says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from parlour.actors import silence
from parlour.actors.close_codes import SERVICE_RESTART
from parlour.actors.connection import Connection
from parlour.actors.room import Room

from ..actors.acting import HandLease
from ..actors.linked import TIMEOUT_S
from ..actors.staging import until
from .calling import Stage, staged

SPACE = "counter/c"


class Counter(Room):
    """Counts in storage; tells the number to who asked or to all; asks another room."""

    async def on_start(self) -> None:
        self.starts = await self.storage.get("starts", 0) + 1
        self.storage.put("starts", self.starts)
        self.count = await self.storage.get("count", 0)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.count += 1
        self.storage.put("count", self.count)
        if message == "all":
            self.broadcast(f"{self.count}")
        elif message == "call":
            connection.send(str(await self.parties.called.get("other").hello(self.starts)))
        else:
            connection.send(f"{self.count} {self.starts}")


class Called(Room):
    """Notes of which start the room that called it was."""

    callers: list[int] = []

    def hello(self, starts: int) -> str:
        self.callers.append(starts)
        return "hello"


class Clients:
    """Clients of the counter's room."""

    def __init__(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        self.stage = stage
        self._http = http

    async def come(self) -> aiohttp.ClientWebSocketResponse:
        return await self._http.ws_connect(f"{self.stage.url}/parties/counter/c")

    @property
    def lease(self) -> HandLease:
        """Of the process that has the room."""
        lease = self.stage.actors[0]._lease
        assert isinstance(lease, HandLease)
        return lease

    async def fall_silent(self) -> None:
        self.lease.run_out()
        self.lease.on_lost()
        await until(lambda: self.stage.actors[0]._silence.is_on)

    async def end_silence(self) -> None:
        self.lease.server_is_away = False
        await until(lambda: not self.stage.actors[0]._silence.is_on)

    async def take_over(self) -> None:
        """Another process has had the room, and it is free again, for the second room actor."""
        epoch = self.stage.backend._spaces[SPACE].epoch
        await self.stage.backend.claim(SPACE, owner="x", address="", takeover_epoch=epoch)
        await self.stage.backend.release(SPACE, owner="x", epoch=epoch + 1)
        self.stage.places["c"] = 1


async def heard(client: aiohttp.ClientWebSocketResponse) -> str:
    """The next message."""
    async with asyncio.timeout(TIMEOUT_S):
        return await client.receive_str()


async def closed_with(client: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code that a client is closed with, after nothing else."""
    async with asyncio.timeout(TIMEOUT_S):
        assert (await client.receive()).type is aiohttp.WSMsgType.CLOSE
    return client.close_code


@pytest.fixture
async def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    """A gateway and two room actors; the first one has the room."""
    monkeypatch.setattr(silence, "RETRY_S", 0.002)
    Called.callers = []
    async with (
        staged(tmp_path, monkeypatch, counter=Counter, called=Called) as stage,
        aiohttp.ClientSession() as http,
    ):
        yield Clients(stage, http)


async def test_answers_come_once_and_in_order_after_a_silence(clients: Clients) -> None:
    """Those that waited for it, and those to what was said meanwhile; the room does not start."""
    client = await clients.come()
    await client.send_str("1")
    assert await heard(client) == "1 1"
    clients.stage.backend.hold()
    await client.send_str("2")
    await asyncio.wait_for(clients.stage.backend.asked.wait(), TIMEOUT_S)
    await clients.fall_silent()
    clients.stage.backend.go_on()
    await client.send_str("3")
    await clients.end_silence()
    await client.send_str("4")
    assert [await heard(client) for _ in "234"] == ["2 1", "3 1", "4 1"]


async def test_who_misses_something_is_closed_and_all_else_goes_on_elsewhere(
    clients: Clients,
) -> None:
    """Somebody else has had the room: its other clients keep their sockets, no message is lost."""
    misses, stays = await clients.come(), await clients.come()
    await misses.send_str("1")
    assert await heard(misses) == "1 1"
    clients.stage.backend.hold()
    await misses.send_str("2")
    await asyncio.wait_for(clients.stage.backend.asked.wait(), TIMEOUT_S)
    await clients.fall_silent()
    clients.stage.backend.go_on()
    await until(lambda: clients.stage.backend._spaces[SPACE].flush_number >= 3)
    await clients.take_over()
    await clients.end_silence()

    assert await closed_with(misses) == SERVICE_RESTART
    await stays.send_str("3")
    assert await heard(stays) == "3 2"
    again = await clients.come()
    await again.send_str("4")
    assert await heard(again) == "4 2"


async def test_who_misses_a_broadcast_is_closed(clients: Clients) -> None:
    """It was for all."""
    speaker, listener = await clients.come(), await clients.come()
    clients.stage.backend.hold()
    await speaker.send_str("all")
    await asyncio.wait_for(clients.stage.backend.asked.wait(), TIMEOUT_S)
    await clients.fall_silent()
    clients.stage.backend.go_on()
    await clients.take_over()
    await clients.end_silence()
    assert await closed_with(speaker) == await closed_with(listener) == SERVICE_RESTART


@pytest.mark.parametrize("is_taken", [False, True], ids=["goes on", "is taken over"])
async def test_a_call_leaves_a_silent_process_only_if_its_room_goes_on(
    clients: Clients, is_taken: bool
) -> None:
    """What a room that lost its claim wanted of others is not asked."""
    client = await clients.come()
    clients.stage.places["other"] = 1
    clients.stage.backend.hold()
    await client.send_str("call")
    await asyncio.wait_for(clients.stage.backend.asked.wait(), TIMEOUT_S)
    await clients.fall_silent()
    clients.stage.backend.go_on()
    if not is_taken:
        await clients.end_silence()
        assert await heard(client) == "hello"
        assert Called.callers == [1]
        return
    await until(lambda: clients.stage.backend._spaces[SPACE].flush_number >= 2)
    await clients.take_over()
    await clients.end_silence()
    other = await clients.come()
    await other.send_str("1")
    assert (await heard(other)).endswith(" 2")
    assert set(Called.callers) <= {2}  # the event was not done: the next start handles it again
