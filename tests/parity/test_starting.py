"""The rows about how a room comes to be: a test for each, named after it."""

from __future__ import annotations

import asyncio
import time

import pytest
from parlour.testing import Rooms

from parlour import Connection, Request

from .life import Life


@pytest.mark.parity("room addressing")
async def test_room_addressing(rooms: Rooms) -> None:
    """Made at first use; then one instance for all clients of the party and name."""

    class Place(Life):
        pass

    lobby, other = rooms.room(Place, "lobby"), rooms.room(Place, "other")
    assert not lobby.is_live
    alice, bob = await lobby.connect(), await lobby.connect()
    await alice.send("a")
    await bob.send("b")
    instance = lobby.instance
    await (await other.connect()).send("c")

    assert lobby.instance is instance
    assert other.instance is not instance
    assert Place.notes.count("start") == 2


@pytest.mark.parity("constructor(room)")
async def test_constructor(rooms: Rooms) -> None:
    """At first use, after a hibernation, and before an alarm of a room that sleeps."""

    class Built(Life):
        pass

    lobby = rooms.room(Built)
    alice = await lobby.connect()
    await lobby.hibernate()
    await alice.send("x")
    lobby.instance.storage.set_alarm(time.time() + 60)
    await rooms.rest()
    await rooms.advance(30)
    assert not lobby.is_live
    await rooms.advance(31)

    made = [note for note in Built.notes if note[0] == "init"]
    assert made == [("init", "lobby", "built", True)] * 3


@pytest.mark.parity("onStart", "wake order")
async def test_on_start(rooms: Rooms) -> None:
    """Awaited before the event that woke the room, once; again after a wake."""

    class Starting(Life):
        async def on_start(self) -> None:
            await asyncio.sleep(0)
            self.notes.append("start")

    lobby = rooms.room(Starting)
    alice = await lobby.connect()
    await alice.send("first", "second")
    await lobby.hibernate()
    await alice.send("third")

    init = ("init", "lobby", "starting", True)
    assert Starting.notes == [
        *(init, "start", "first", "second", ("stop", "hibernate")),
        *(init, "start", "third"),
    ]


@pytest.mark.parity("onStart exclusivity")
async def test_on_start_exclusivity(rooms: Rooms) -> None:
    """Events of several clients that come at once wait for it; it runs once."""

    class Slow(Life):
        async def on_start(self) -> None:
            await asyncio.sleep(5)
            self.notes.append("start")

        def on_request(self, request: Request) -> str:
            self.notes.append(request.path)
            return "fine"

    lobby = rooms.room(Slow)
    asking = [asyncio.create_task(lobby.request(path=f"/{n}")) for n in range(5)]
    await rooms.advance(4)
    assert "start" not in Slow.notes
    await rooms.advance(2)
    answers = await asyncio.gather(*asking)

    assert [answer.text for answer in answers] == ["fine"] * 5
    assert Slow.notes[1] == "start"
    assert sorted(Slow.notes[2:]) == [f"/{n}" for n in range(5)]


@pytest.mark.parity("onStart retry")
async def test_on_start_retry(rooms: Rooms) -> None:
    """The event that woke the room fails; the next one starts it anew, from the constructor."""

    class Shaky(Life):
        fails = 1

        def on_start(self) -> None:
            self.half_started = True
            if Shaky.fails:
                Shaky.fails -= 1
                raise RuntimeError("secret")
            self.notes.append("start")

        def on_request(self, request: Request) -> str:
            return "fine"

    lobby = rooms.room(Shaky)
    first, second = await lobby.request(), await lobby.request()

    assert (first.status, second.status) == (500, 200)
    assert "secret" not in first.text
    assert [note[0] for note in Shaky.notes if note != "start"] == ["init", "init"]


@pytest.mark.parity("start props")
async def test_start_props(rooms: Rooms) -> None:
    """What a client gives with its URL reaches the room's hooks; `on_start` takes no argument."""

    class Given(Life):
        def on_connect(self, connection: Connection, request: Request) -> None:
            connection.set_state(request.query["props"])

        def on_message(self, connection: Connection, message: str | bytes) -> None:
            connection.send(connection.state)

    lobby = rooms.room(Given)
    alice = await lobby.connect(query={"props": "kept"})
    await lobby.hibernate()
    await alice.send("?")

    assert await alice.receive() == "kept"
