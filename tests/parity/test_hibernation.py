"""The rows of "Hibernation and lifecycle": a test for each, named after it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from parlour.testing import Rooms

from parlour import Connection, Request, Room


class Plain(Room):
    """Counts its messages in memory."""

    count = 0

    def on_message(self, connection: Connection, message: str | bytes) -> Any:
        self.count += 1
        connection.send(str(self.count))


@pytest.mark.parity("auto-response")
async def test_auto_response(rooms: Rooms) -> None:
    """Exactly that text is answered for a room that sleeps; one pair, each of 2,048 bytes."""

    class Pinged(Plain):
        def on_start(self) -> None:
            self.set_auto_response("ping", "pong")

    lobby = rooms.room(Pinged)
    alice = await lobby.connect()
    await lobby.hibernate()
    await alice.send("ping", "ping")
    assert await alice.received() == ["pong", "pong"]
    assert not lobby.is_live

    await alice.send("ping ")
    assert await alice.received() == ["1"]
    with pytest.raises(ValueError, match="2048"):
        lobby.instance.set_auto_response("x" * 2049, "")


@pytest.mark.parity("event timeout", "CPU")
async def test_event_timeout(rooms: Rooms) -> None:
    """A hook over its class's limit is cancelled, its client is told, and the room goes on."""

    class Limited(Plain):
        handler_timeout = 5

        async def on_message(self, connection: Connection, message: str | bytes) -> None:
            if message == "wait":
                await asyncio.Event().wait()
            super().on_message(connection, message)

        async def on_request(self, request: Request) -> str:
            await asyncio.Event().wait()
            return "never"

    lobby = rooms.room(Limited)
    alice, bob = await lobby.connect(), await lobby.connect()
    await alice.send("wait")
    await bob.send("x")
    await rooms.advance(4)
    assert (alice.closed, await bob.received()) == (None, [])
    await rooms.advance(2)

    assert alice.closed == (1011, "the room took too long")
    assert await bob.received() == ["1"]
    asking = asyncio.create_task(lobby.request())
    await rooms.advance(6)
    assert (await asking).status == 504


@pytest.mark.parity("hibernate after", "idle eviction")
async def test_hibernate_after(rooms: Rooms) -> None:
    """So long after the last event, whatever tasks a hook has left; with or without connections."""

    class Busy(Plain):
        hibernate_after = 20

        def on_start(self) -> None:
            self.task = asyncio.create_task(asyncio.sleep(3600))

        def on_stop(self, reason: str) -> None:
            self.task.cancel()

    lobby, empty = rooms.room(Busy, "lobby"), rooms.room(Busy, "empty")
    await empty.wake()
    alice = await lobby.connect()
    await rooms.advance(15)
    await alice.send("x")
    await rooms.advance(15)
    assert (lobby.is_live, empty.is_live) == (True, False)
    await rooms.advance(6)
    assert not lobby.is_live


@pytest.mark.parity("survive")
async def test_survive(rooms: Rooms) -> None:
    """Storage, tags, state and sockets; a crash and a deploy as well as a hibernation."""

    class Survivor(Plain):
        def get_connection_tags(self, connection: Connection, request: Request) -> list[str]:
            return ["tag"]

        def on_connect(self, connection: Connection, request: Request) -> None:
            connection.set_state("state")
            self.storage.put("key", "value")

        async def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.count += 1
            kept = (connection.tags[1:], connection.state, await self.storage.get("key"))
            connection.send(f"{self.count} {kept}")

    lobby = rooms.room(Survivor)
    alice = await lobby.connect()
    for end in (lobby.hibernate, lobby.crash, lambda: lobby.leave("deploy")):
        await alice.send("x")
        await end()
        assert not lobby.is_live
    await alice.send("x")

    assert await alice.received() == ["1 (('tag',), 'state', 'value')"] * 4


@pytest.mark.parity("capacity", "sockets per room")
async def test_capacity(rooms: Rooms) -> None:
    """Hundreds of connections wake with their room, and each is reached."""

    class Crowded(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.broadcast(f"{len(self.connections())} here")

    lobby = rooms.room(Crowded)
    clients = [await lobby.connect() for _ in range(300)]
    await lobby.hibernate()
    await clients[0].send("?")

    assert [await client.received() for client in clients] == [["300 here"]] * 300


@pytest.mark.parity("rate")
async def test_rate(rooms: Rooms) -> None:
    """However much a client sends at once, all of it is handled, in order."""
    alice = await rooms.room(Plain).connect()

    await alice.send(*("x" for _ in range(5_000)))

    assert await alice.received() == [str(n) for n in range(1, 5_001)]


@pytest.mark.parity("reset causes")
async def test_reset_causes(rooms: Rooms) -> None:
    """A room that starts over does so from what is durable; a raise of a hook is no reason to."""

    class Raising(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.count += 1
            self.storage.put("count", self.count)
            raise RuntimeError("no reason")

    lobby = rooms.room(Raising)
    alice = await lobby.connect()
    instance = lobby.instance
    await alice.send("x", "x")
    assert lobby.instance is instance
    assert await lobby.stored() == {"count": 2}

    await lobby.crash()
    await alice.send("x")
    assert lobby.instance is not instance
    assert await lobby.stored() == {"count": 1}


@pytest.mark.parity("testing")
async def test_testing(rooms: Rooms) -> None:
    """A room in this process: code in it, its storage, an alarm, and time that does not pass."""
    began_s = time.perf_counter()
    lobby = rooms.room(Plain)
    await lobby.store({"key": "value"})
    await lobby.wake()
    assert await lobby.instance.storage.get("key") == "value"
    await rooms.advance(24 * 3600)

    assert not lobby.is_live
    assert time.perf_counter() - began_s < 60
