"""Sockets that rooms open to other rooms: an ordinary connection at the one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors import outgoing_socket
from parlour.actors.call_errors import CallTimeout, RoomUnavailable
from parlour.actors.connection import Connection
from parlour.actors.outgoing_socket import OutgoingSocket, SocketClosed
from parlour.actors.request import Request
from parlour.actors.room import Room
from parlour.runtime import room_finder

from ..actors.linked import TIMEOUT_S
from ..actors.staging import until
from .calling import Stage, staged


class Echo(Room):
    """Says back what it hears; does as the query of a connection says."""

    diary: list[Any] = []
    may_enter = asyncio.Event()

    async def on_connect(self, connection: Connection, request: Request) -> None:
        self.diary.append((connection.id, connection.uri, request.headers.get("x-own")))
        connection.send("welcome")
        if "wait" in request.query:
            await type(self).may_enter.wait()
        if "refuse" in request.query:
            raise RuntimeError("secret")
        if "back" in request.query:
            await self.parties.client.get(request.query["back"]).poke()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        if message == "leave":
            connection.close(4001, "as you wish")
        elif message == "all":
            self.broadcast("to all")
        else:
            connection.send(message)

    def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
        self.diary.append(("close", connection.id, code, reason, was_clean))


class Unstartable(Room):
    """Never starts."""

    def on_start(self) -> None:
        raise RuntimeError("secret")


class Client(Room):
    """Opens sockets when a test makes it."""

    def poke(self) -> None: ...

    async def open(self, path: str) -> None:
        socket = await self.parties.echo.get("e").connect(path)
        socket.close()

    async def write_and_send(self) -> str:
        socket: OutgoingSocket = await self.parties.echo.get("e").connect()
        await socket.receive()
        self.storage.put("written", True)
        socket.send("after the write")
        answer = await socket.receive()
        socket.close()
        return str(answer)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """The room that is connected to is in another process than the one that connects."""
    Echo.diary = []
    Echo.may_enter = asyncio.Event()
    parties = {"echo": Echo, "client": Client, "unstartable": Unstartable}
    async with staged(tmp_path, monkeypatch, **parties) as stage, asyncio.timeout(TIMEOUT_S):
        stage.places.update(e=1)
        yield stage


@pytest.fixture
async def client(stage: Stage) -> Room:
    """A live room."""
    async with stage.outside() as rooms:
        await rooms.parties.client.get("c").poke()
    room = stage.room("c")
    assert room is not None
    return room._room


async def test_a_socket_to_another_room(stage: Stage, client: Room) -> None:
    """The other room meets a connection, hears and is heard, and learns of its end."""
    stub = client.parties.echo.get("e")
    socket = await stub.connect("/below?q=1", headers={"X-Own": "1"}, id="me")
    assert Echo.diary == [("me", "ws://parlour/parties/echo/e/below?q=1", "1")]
    assert await socket.receive() == "welcome"
    for message in ("hi", "ü" * 100, b"\x00\x01", "x" * 70_000):
        socket.send(message)
        assert await socket.receive() == message
    socket.send("all")
    assert await socket.receive() == "to all"
    socket.close(4000, "enough")
    await until(lambda: Echo.diary[-1] == ("close", "me", 4000, "enough", True))
    with pytest.raises(SocketClosed, match="4000 enough"):
        await socket.receive()
    room = stage.room("c")
    assert room is not None
    await until(lambda: room.idle)


async def test_the_other_room_closes_it(stage: Stage, client: Room) -> None:
    """What came before is read first; then iteration ends, with a code to look at."""
    async with await client.parties.echo.get("e").connect(id="me") as socket:
        socket.send("one")
        socket.send("leave")
        assert [message async for message in socket] == ["welcome", "one"]
        assert (socket.close_code, socket.close_reason) == (4001, "as you wish")
        socket.send("into the void")
    await until(lambda: Echo.diary[-1] == ("close", "me", 4001, "as you wish", True))
    room = stage.room("c")
    assert room is not None
    assert not room.calls.busy


async def test_a_connection_that_its_room_refuses(client: Room) -> None:
    """It is let in to be told, as any client; and never why."""
    socket = await client.parties.echo.get("e").connect("/?refuse=1")
    assert [message async for message in socket] == ["welcome"]
    assert socket.close_code == 1011
    assert "secret" not in socket.close_reason


async def test_a_room_that_cannot_be_reached(
    stage: Stage, client: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who connects learns why, as who calls does."""
    with pytest.raises(RoomUnavailable, match="on_start raised"):
        await client.parties.unstartable.get("u").connect()
    monkeypatch.setattr(room_finder, "WAKE_PATIENCE_S", -1.0)
    monkeypatch.setattr(stage, "place", lambda key: "")
    with pytest.raises(RoomUnavailable, match="cannot be woken"):
        await client.parties.echo.get("nowhere").connect()
    with pytest.raises(RoomUnavailable, match="cannot be woken"):
        await client.parties.echo.get("nowhere").anything()


async def test_a_socket_that_nobody_waits_for_any_more(stage: Stage, client: Room) -> None:
    """The room that let it in late hears that it has gone."""
    with pytest.raises(CallTimeout):
        await client.parties.echo.get("e", timeout=0.05).connect("/?wait=1", id="me")
    Echo.may_enter.set()
    await until(lambda: Echo.diary[-1][:3] == ("close", "me", 1001))


async def test_a_room_that_waits_for_a_socket_cannot_be_called_back(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """By the room that is to let it in: its on_connect is part of the chain."""
    async with stage.outside() as rooms:
        await rooms.parties.client.get("c").open("/?back=c")
        assert "client/c -> echo/e -> client/c" in caplog.text
        caplog.clear()
        await rooms.parties.client.get("c").open("/?back=another")
        assert "DeadlockError" not in caplog.text


async def test_what_is_sent_leaves_once_earlier_writes_are_durable(stage: Stage) -> None:
    """A socket is an output like any other."""
    async with stage.outside() as rooms:
        client, echo = rooms.parties.client.get("c"), stage.backend
        await client.poke()
        answer = client.write_and_send()
        await until(lambda: bool(Echo.diary))
        echo.hold()
        await echo.asked.wait()
        assert not answer.done()
        echo.go_on()
        assert await answer == "after the write"


async def test_a_socket_outlives_the_process_of_the_other_room(stage: Stage, client: Room) -> None:
    """It wakes with the connection, as with those of clients."""
    socket = await client.parties.echo.get("e").connect(id="me")
    assert await socket.receive() == "welcome"
    first = stage.room("e")
    assert first is not None
    first.break_off("a test wants it")
    socket.send("still there?")
    assert await socket.receive() == "still there?"
    assert len(Echo.diary) == 1


async def test_sockets_close_with_the_room_that_opened_them(stage: Stage, client: Room) -> None:
    """The other one hears 1001."""
    socket = await client.parties.echo.get("e").connect(id="me")
    room = stage.room("c")
    assert room is not None
    assert not room.idle
    room.leave("deploy")
    await until(lambda: Echo.diary[-1][:3] == ("close", "me", 1001))
    assert socket.close_code == 1001


async def test_sockets_of_a_process_that_ends_are_lost(stage: Stage, client: Room) -> None:
    """The other room hears 1006, as of any client that vanished; so does who held it."""
    socket = await client.parties.echo.get("e").connect(id="me")
    link = stage.actors[0]._line._link
    assert link is not None
    link.abort()
    await until(lambda: Echo.diary[-1] == ("close", "me", 1006, "", False))
    assert socket.close_code == 1006


async def test_a_socket_that_is_not_read_is_closed(
    client: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past a limit, with 1013, at both ends; what has arrived can be read."""
    monkeypatch.setattr(outgoing_socket, "UNREAD_BYTES_MAX", 100)
    socket = await client.parties.echo.get("e").connect(id="me")
    socket.send("x" * 101)
    await until(lambda: socket.close_code == 1013)
    await until(lambda: Echo.diary[-1][:3] == ("close", "me", 1013))
    assert await socket.receive() == "welcome"


async def test_what_cannot_be_sent_is_refused(client: Room) -> None:
    """Where it is sent."""
    socket = await client.parties.echo.get("e").connect()
    with pytest.raises(TypeError, match="int was to be sent"):
        socket.send(1)
    with pytest.raises(ValueError, match="close code 1005"):
        socket.close(1005)
    with pytest.raises(ValueError, match="begins with `/`"):
        await client.parties.echo.get("e").connect("below")
    with pytest.raises(ValueError, match="257 characters"):
        await client.parties.echo.get("e").connect(id="x" * 257)
    socket.close()
