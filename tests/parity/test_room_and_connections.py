"""The rows of "Room and connections": a test for each, named after it."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.actors.connection import StateTooLarge
from parlour.storage import DataCloneError
from parlour.testing import Rooms

from parlour import Connection, Request, Room


class Plain(Room):
    """Does what its subclasses do not say otherwise: nothing."""

    def on_message(self, connection: Connection, message: str | bytes) -> Any:
        pass


@pytest.mark.parity("room.id / name", "room.name (party)")
async def test_room_id_and_name(rooms: Rooms) -> None:
    """Decoded, in every hook from the constructor on; the party beside it."""

    class Named(Plain):
        def __init__(self) -> None:
            self.at_first = (self.id, self.name)

        def on_request(self, request: Request) -> dict[str, Any]:
            return {"at first": self.at_first, "now": (self.id, self.name)}

    room = rooms.room(Named, "a b/ü", party="main")

    assert room.path == "/parties/main/a%20b%2F%C3%BC"
    assert (await room.request()).json() == {
        "at first": ["a b/ü", "main"],
        "now": ["a b/ü", "main"],
    }


@pytest.mark.parity("broadcast(msg, without[])")
async def test_broadcast(rooms: Rooms) -> None:
    """To all but those listed, also when one of them has just gone; text and bytes."""

    class Fanout(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.broadcast(message, without=["bob", "nobody"])

    lobby = rooms.room(Fanout)
    alice, bob, carol, dora = [await lobby.connect(name) for name in ("alice", "bob", "c", "d")]
    dora._transport.underlying_transport.abort()
    await alice.send("text", b"bytes")

    assert await alice.received() == ["text", b"bytes"]
    assert await bob.received() == []
    assert await carol.received() == ["text", b"bytes"]


@pytest.mark.parity("getConnections(tag?)", "getWebSockets(tag)")
async def test_get_connections(rooms: Rooms) -> None:
    """The open ones, oldest first; with a tag those that have it; the id is a tag."""

    class Tagged(Plain):
        def get_connection_tags(self, connection: Connection, request: Request) -> list[str]:
            return [request.query["tag"]]

        def on_message(self, connection: Connection, message: str | bytes) -> None:
            connection.close(4000)
            self.seen = {
                tag: [other.id for other in self.connections(tag)]
                for tag in (None, "x", "bob", "z")
            }

    lobby = rooms.room(Tagged)
    for name, tag in (("alice", "x"), ("bob", "y"), ("carol", "x")):
        last = await lobby.connect(name, query={"tag": tag})
    await lobby.hibernate()
    await last.send("?")

    assert lobby.instance.seen == {None: ["alice", "bob"], "x": ["alice"], "bob": ["bob"], "z": []}


@pytest.mark.parity("connection.uri")
async def test_connection_uri(rooms: Rooms) -> None:
    """The full URL that was asked for, also after a hibernation."""

    class Uri(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            connection.send(connection.uri)

    lobby = rooms.room(Uri)
    alice = await lobby.connect("a", path="/below", query={"q": "1"})
    await alice.send("?")
    await lobby.hibernate()
    await alice.send("?")

    url = f"ws://127.0.0.1:{rooms.url.port}/parties/uri/lobby/below?_pk=a&q=1"
    assert await alice.received() == [url, url]


@pytest.mark.parity("connection.state/setState", "attachment")
async def test_connection_state(rooms: Rooms) -> None:
    """None at first; a value or a function of the old one; kept over hibernation and a crash."""

    class Stateful(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            connection.send(repr(connection.state))
            if message == "too large":
                with pytest.raises(StateTooLarge, match="16384"):
                    connection.set_state("x" * 16_385)
            elif message == "not storable":
                with pytest.raises(DataCloneError):
                    connection.set_state(object())
            else:
                connection.set_state(lambda old: {"count": (old or {"count": 0})["count"] + 1})

    lobby = rooms.room(Stateful)
    alice, bob = await lobby.connect(), await lobby.connect()
    await alice.send("1", "2")
    await lobby.hibernate()
    await alice.send("too large")
    await lobby.crash()
    await alice.send("not storable", "3")
    await bob.send("1")

    counts = ["None", "{'count': 1}", "{'count': 2}", "{'count': 2}", "{'count': 2}"]
    assert await alice.received() == counts
    assert await bob.received() == ["None"]


@pytest.mark.parity("send/close")
async def test_send_and_close(rooms: Rooms) -> None:
    """In order, behind the gate; what is sent to one that is closing or gone is dropped."""

    class Sender(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.storage.put("key", 1)
            connection.send("one")
            connection.send("two")
            connection.close(4001, "as you wish")
            connection.send("three")
            connection.close(4002)
            self.last = connection

    lobby = rooms.room(Sender)
    alice = await lobby.connect()
    with lobby.held_writes():
        await alice.send("x")
        assert (await alice.received(), alice.closed) == ([], None)

    assert await alice.received() == ["one", "two"]
    assert alice.closed == (4001, "as you wish")
    lobby.instance.last.send("to nobody")


@pytest.mark.parity("close code rules")
async def test_close_code_rules(rooms: Rooms) -> None:
    """What a close frame must not have is refused at the call."""
    refused = []

    class Closer(Plain):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            for code in (0, 999, 1004, 1005, 1006, 1015, 5000):
                with pytest.raises(ValueError, match="1000 to 4999"):
                    connection.close(code)
                refused.append(code)
            with pytest.raises(ValueError, match="123"):
                connection.close(1000, "ü" * 62)
            connection.close(4999, "x" * 123)

    alice = await rooms.room(Closer).connect()
    await alice.send("x")

    assert len(refused) == 7
    assert alice.closed == (4999, "x" * 123)


@pytest.mark.parity("close handshake")
async def test_close_handshake(rooms: Rooms) -> None:
    """A client's close is answered, also while its room sleeps, which hears of it when it wakes."""
    closed = []

    class Closing(Plain):
        def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
            closed.append((code, was_clean))

    lobby = rooms.room(Closing)
    alice = await lobby.connect()
    await lobby.hibernate()
    await alice.close(4000)

    assert alice.closed == (4000, "")
    assert closed == [(4000, True)]


@pytest.mark.parity("foreign sockets")
async def test_foreign_sockets(rooms: Rooms) -> None:
    """Every WebSocket that is open is a connection of its room, and no room has another's."""
    first, second = rooms.room(Plain, "first"), rooms.room(Plain, "second")
    await first.connect("alice")
    await second.connect("bob")

    assert [connection.id for connection in first.instance.connections()] == ["alice"]
    assert [connection.id for connection in second.instance.connections()] == ["bob"]


@pytest.mark.parity("routing retry")
async def test_routing_retry(rooms: Rooms) -> None:
    """What its room had not finished when it died is handled by the next one, once."""

    class Counting(Plain):
        async def on_message(self, connection: Connection, message: str | bytes) -> None:
            count = await self.storage.get("count", 0) + 1
            self.storage.put("count", count)
            connection.send(str(count))

    lobby = rooms.room(Counting)
    alice = await lobby.connect()
    with lobby.held_writes():
        await alice.send("a", "b", "c")
        await lobby.crash()

    assert await alice.received() == ["1", "2", "3"]
    assert await lobby.stored() == {"count": 3}


@pytest.mark.parity("assets.fetch", "analytics.writeDataPoint", "locationHint, jurisdiction")
async def test_what_is_left_out_is_not_there_by_another_name(rooms: Rooms) -> None:
    """A room has no `assets`, no `analytics` and no place that a client could choose."""
    lobby = rooms.room(Plain)
    await lobby.connect(headers={"x-partykit-jurisdiction": "eu"})

    for name in ("assets", "analytics", "location_hint", "jurisdiction"):
        assert not hasattr(lobby.instance, name)
