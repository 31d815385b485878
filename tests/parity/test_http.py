"""Rows about clients that break rules, take each other's place, and come from other origins."""

from __future__ import annotations

from typing import Any

import pytest
from parlour.testing import Rooms

from parlour import ClientError, Connection, Request, Room


@pytest.mark.parity("onError")
async def test_on_error(rooms: Rooms) -> None:
    """What a client did wrong, before `on_close`; a connection that is lost is no error."""
    notes: list[Any] = []

    class Judge(Room):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            """Nothing."""

        def on_error(self, connection: Connection, error: ClientError) -> None:
            notes.append((connection.id, error.code))

        def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
            notes.append((connection.id, "closed"))

    lobby = rooms.room(Judge)
    alice, bob = await lobby.connect("alice"), await lobby.connect("bob")
    await alice.send(bytes(2 << 20))
    await bob.vanish()

    assert notes == [("alice", 1009), ("alice", "closed"), ("bob", "closed")]
    assert alice.closed is not None
    assert alice.closed.code == 1009


@pytest.mark.parity("getConnection(id)")
async def test_get_connection(rooms: Rooms) -> None:
    """One or none; who comes with an id that is taken takes the place, and keeps it."""

    class Lookup(Room):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            found = self.connection(str(message))
            if found is not None:
                found.send("found")

    lobby = rooms.room(Lookup)
    older, bob = await lobby.connect("alice"), await lobby.connect("bob")
    newer = await lobby.connect("alice")
    await older.close()
    await bob.send("alice", "nobody")

    assert older.closed is not None
    assert older.closed.code == 4409
    assert await older.received() == []
    assert await newer.received() == ["found"]
    assert [connection.id for connection in lobby.instance.connections()] == ["bob", "alice"]


@pytest.mark.parity("CORS")
async def test_cors(rooms: Rooms) -> None:
    """Off; True is any origin for a day, and OPTIONS is answered before any hook."""
    heard: list[str] = []

    class Closed(Room):
        def on_request(self, request: Request) -> str:
            heard.append(request.method)
            return "fine"

    class Open(Closed):
        cors = True

    origin = {"origin": "http://other.example", "access-control-request-method": "POST"}
    closed = await rooms.room(Closed).request(headers=origin)
    asked = await rooms.room(Open).request("OPTIONS", headers=origin)
    answered = await rooms.room(Open).request(headers=origin)

    assert "access-control-allow-origin" not in closed.headers
    assert asked.headers["access-control-allow-origin"] == "*"
    assert asked.headers["access-control-max-age"] == "86400"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert answered.headers["access-control-allow-origin"] == "*"
    assert heard == ["GET", "GET"]
