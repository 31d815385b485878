"""The rows of "Protocol": a test for each, named after it."""

from __future__ import annotations

import asyncio

import pytest
from parlour.runtime.release import Limits
from parlour.testing import Refused, Rooms

from parlour import Connection, Request, Room


class Echo(Room):
    """Says back what it hears, and what it was asked."""

    def on_connect(self, connection: Connection, request: Request) -> None:
        connection.send(f"{request.path} {request.url}")

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(message)

    def on_request(self, request: Request) -> dict[str, str]:
        return {"party": self.name, "id": self.id, "path": request.path, "url": request.url}


class CamelCase(Echo):
    """A class whose name has several words."""


@pytest.mark.parity("/party/:room")
async def test_party_room(rooms: Rooms) -> None:
    """The room of the party `main`."""
    rooms.deploy(main=Echo)

    answer = (await rooms.request("GET", "/party/lobby")).json()

    assert (answer["party"], answer["id"], answer["path"]) == ("main", "lobby", "/")


@pytest.mark.parity("/parties/:party/:room[/...]")
async def test_parties_party_room(rooms: Rooms) -> None:
    """What comes below the room reaches both hooks."""
    lobby = rooms.room(Echo)

    answer = (await lobby.request(path="/more/path")).json()
    alice = await lobby.connect("me", path="/more/path")

    assert (answer["party"], answer["path"]) == ("echo", "/more/path")
    path, url = str(await alice.receive()).split()
    assert path == "/more/path"
    assert url.endswith("/parties/echo/lobby/more/path?_pk=me")


@pytest.mark.parity("kebab-case party")
async def test_kebab_case_party(rooms: Rooms) -> None:
    """A class has its name in lower case, or the one that it is given."""
    rooms.deploy(CamelCase, **{"camel-case": CamelCase})

    for party in ("camelcase", "camel-case"):
        answer = await rooms.request("GET", f"/parties/{party}/x")
        assert answer.json()["party"] == party


@pytest.mark.parity("unknown party")
async def test_unknown_party(rooms: Rooms) -> None:
    """404 with the parties that there are."""
    rooms.deploy(Echo)

    answer = await rooms.request("GET", "/parties/nobody/x")

    assert (answer.status, "deployed: echo" in answer.text) == (404, True)
    with pytest.raises(Refused, match="404"):
        await rooms.connect("/parties/nobody/x")


@pytest.mark.parity("no match")
async def test_no_match(rooms: Rooms) -> None:
    """404, for what is neither a room's nor a file."""
    assert (await rooms.request("GET", "/elsewhere")).status == 404
    assert (await rooms.request("GET", "/party")).status == 404


@pytest.mark.parity("custom prefix")
async def test_custom_prefix(rooms: Rooms) -> None:
    """There is none: a longer path names no room."""
    rooms.deploy(Echo)

    assert (await rooms.request("GET", "/api/parties/echo/x")).status == 404


@pytest.mark.parity("_pk", "connection.id")
async def test_pk(rooms: Rooms) -> None:
    """The client's own choice, up to a length; one that is made for it otherwise."""
    lobby = rooms.room(Echo)
    await lobby.connect("me & you")
    path = f"{lobby.path}?"
    await rooms.connect(path.rstrip("?"), query={"_pk": ""})

    ids = [connection.id for connection in lobby.instance.connections()]
    assert ids[0] == "me & you"
    assert len(ids[1]) > 20
    with pytest.raises(Refused, match="400"):
        await lobby.connect("x" * 257)


@pytest.mark.parity("upgrade detection")
async def test_upgrade_detection(rooms: Rooms) -> None:
    """Whatever the case of the header and of its value."""
    lobby = rooms.room(Echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", rooms.url.port)
    writer.write(
        f"GET {lobby.path} HTTP/1.1\r\nhost: h\r\nUPGRADE: WebSocket\r\nconnection: UPGRADE\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )

    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    writer.close()
    await writer.wait_closed()
    await rooms.rest()


@pytest.mark.parity("forwarded headers")
async def test_forwarded_headers(rooms: Rooms) -> None:
    """A client that sends such headers changes nothing of where it is."""
    lobby = rooms.room(Echo)

    answer = await lobby.request(headers={"x-partykit-room": "other", "x-partykit-props": "e30="})

    assert answer.json()["id"] == "lobby"


@pytest.mark.parity("protocol ping")
async def test_protocol_ping(rooms: Rooms) -> None:
    """The gateway answers; a room that sleeps sleeps on."""
    lobby = rooms.room(Echo)
    alice = await lobby.connect()
    await lobby.hibernate()

    assert await alice.ping() is True

    assert not lobby.is_live


@pytest.mark.parity("max message")
async def test_max_message(rooms: Rooms) -> None:
    """At the limit it arrives, past it the connection is closed with 1009."""
    alice, bob = [await rooms.room(Echo).connect() for _ in range(2)]
    most = Limits().message_bytes_max

    await alice.send(bytes(most))
    await bob.send(bytes(most + 1))

    assert len((await alice.received())[1]) == most
    assert bob.closed is not None
    assert bob.closed.code == 1009
