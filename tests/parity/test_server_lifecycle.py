"""The rows about the hooks of a room: a test for each, named after it."""

from __future__ import annotations

import asyncio
import time

import pytest
from parlour.testing import Rooms

from parlour import Connection, Request

from .life import Life


@pytest.mark.parity("getConnectionTags", "connection.tags", "acceptWebSocket(tags)")
async def test_get_connection_tags(rooms: Rooms) -> None:
    """Asked for before the client is in; the id is the first; what is too much closes with 1011."""

    class Tagged(Life):
        def get_connection_tags(self, connection: Connection, request: Request) -> list[str]:
            return request.query["tags"].split(",")

        def on_connect(self, connection: Connection, request: Request) -> None:
            connection.send(" ".join(connection.tags))

    lobby = rooms.room(Tagged)
    nine = [f"t{n}" for n in range(9)]
    alice = await lobby.connect("alice", query={"tags": ",".join(nine)})
    wrong = [
        await lobby.connect(query={"tags": tags})
        for tags in (",".join([*nine, "t9"]), "x" * 257, "a,,b")
    ]

    assert await alice.receive() == " ".join(["alice", *nine])
    assert [client.closed.code for client in wrong if client.closed] == [1011] * 3


@pytest.mark.parity("onConnect before open")
async def test_on_connect_before_open(rooms: Rooms) -> None:
    """A slow `on_connect` delays the handshake; what it sends is the first that arrives."""

    class Slow(Life):
        async def on_connect(self, connection: Connection, request: Request) -> None:
            connection.send("first")
            await asyncio.sleep(5)
            connection.send("second")

    lobby = rooms.room(Slow)
    connecting = asyncio.create_task(lobby.connect())
    await rooms.advance(4)
    assert not connecting.done()
    await rooms.advance(2)

    assert await (await connecting).received() == ["first", "second"]


@pytest.mark.parity("onConnect throw (PartyKit)", "onConnect throw (partyserver)")
async def test_on_connect_throw(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Let in, sent nothing, and closed with 1011; the exception is in the log alone."""

    class Closed(Life):
        def on_connect(self, connection: Connection, request: Request) -> None:
            raise RuntimeError("secret")

    alice = await rooms.room(Closed).connect()

    assert alice.closed == (1011, "the room could not take this connection")
    assert await alice.received() == []
    assert "secret" in caplog.text


@pytest.mark.parity("onMessage", "no framing")
async def test_on_message(rooms: Rooms) -> None:
    """Text as str, binary as bytes, exactly as it was sent; one at a time, in order."""

    class Heard(Life):
        async def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.notes.append(message)
            await asyncio.sleep(1)
            self.notes.append("done")
            connection.send(message)

    alice = await rooms.room(Heard).connect()
    await alice.send("ü", b"\x00\xff", "")
    await rooms.advance(10)

    assert Heard.notes[2:] == ["ü", "done", b"\x00\xff", "done", "", "done"]
    assert await alice.received() == ["ü", b"\x00\xff", ""]


@pytest.mark.parity("onMessage throw", "user exception")
async def test_on_message_throw(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Logged with party, room and hook; the connection and the room stay."""

    class Faulty(Life):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            if message == "raise":
                raise RuntimeError("secret")
            connection.send("still here")

    lobby = rooms.room(Faulty)
    alice = await lobby.connect()
    instance = lobby.instance
    await alice.send("raise", "x")

    assert await alice.received() == ["still here"]
    assert lobby.instance is instance
    assert "party faulty, room lobby: on_message raised" in caplog.text


@pytest.mark.parity("onClose (partyserver)", "onClose (PartyKit)")
async def test_on_close(rooms: Rooms) -> None:
    """Once, with code, reason and whether it was clean; the connection is out already."""

    class Left(Life):
        def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
            there = [other.id for other in self.connections()]
            self.notes.append((connection.id, code, reason, was_clean, there))

    lobby = rooms.room(Left)
    alice, bob, _ = [await lobby.connect(name) for name in ("alice", "bob", "carol")]
    await alice.close(4000, "enough")
    await bob.vanish()

    assert Left.notes[2:] == [
        ("alice", 4000, "enough", True, ["bob", "carol"]),
        ("bob", 1006, "", False, ["carol"]),
    ]


@pytest.mark.parity("onRequest")
async def test_on_request(rooms: Rooms) -> None:
    """On the room's URL and on any path below it; a class without it answers 404, in words."""

    class Asked(Life):
        def on_request(self, request: Request) -> dict[str, str]:
            return {"method": request.method, "path": request.path, "q": request.query.get("q", "")}

    asked, silent = rooms.room(Asked), rooms.room(Life)

    assert (await asked.request("POST", "/a/b", query={"q": "1"})).json() == {
        "method": "POST",
        "path": "/a/b",
        "q": "1",
    }
    answer = await silent.request()
    assert (answer.status, "no on_request" in answer.text) == (404, True)


@pytest.mark.parity("onRequest throw")
async def test_on_request_throw(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """500, and not the reason."""

    class Faulty(Life):
        def on_request(self, request: Request) -> str:
            raise RuntimeError("secret")

    answer = await rooms.room(Faulty).request()

    assert answer.status == 500
    assert "secret" not in answer.text
    assert "secret" in caplog.text


@pytest.mark.parity("onAlarm")
async def test_on_alarm(rooms: Rooms) -> None:
    """After `on_start`, in a room that sleeps too, with its id and party at hand."""

    class Alarmed(Life):
        def on_message(self, connection: Connection, message: str | bytes) -> None:
            self.storage.set_alarm(time.time() + 60)

    lobby = rooms.room(Alarmed, "über")
    await (await lobby.connect()).send("x")
    await lobby.hibernate()
    await lobby.fire_alarm()

    assert Alarmed.notes[-2:] == ["start", ("alarm", "über", "alarmed")]


@pytest.mark.parity("onException")
async def test_on_exception(rooms: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever hook raises, its name, the party and the room are in the log."""

    class Faulty(Life):
        def on_close(self, connection: Connection, code: int, reason: str, was_clean: bool) -> None:
            raise RuntimeError("secret")

    await (await rooms.room(Faulty).connect()).close()

    assert "party faulty, room lobby: on_close raised" in caplog.text


@pytest.mark.parity("onSocket")
async def test_on_socket(rooms: Rooms) -> None:
    """A WebSocket that is no room's is refused, and not let in by anybody."""
    with pytest.raises(Exception, match="404"):
        await rooms.connect("/elsewhere")


@pytest.mark.parity("hibernate option")
async def test_hibernate_option(rooms: Rooms) -> None:
    """Rooms hibernate unless their class forbids it, which is inherited."""

    class Kept(Life):
        hibernate = False

    class KeptToo(Kept):
        pass

    kept, sleeper = rooms.room(KeptToo), rooms.room(Life)
    for room in (kept, sleeper):
        await room.connect()
    await rooms.advance(60)

    assert (kept.is_live, sleeper.is_live) == (True, False)


@pytest.mark.parity("preShutdown")
async def test_pre_shutdown(rooms: Rooms) -> None:
    """`on_stop` is told why, takes no new event, and what it writes is kept."""

    class Stopping(Life):
        async def on_stop(self, reason: str) -> None:
            self.storage.put("stopped for", reason)

    lobby = rooms.room(Stopping)
    for reason in ("hibernate", "deploy", "shutdown"):
        await lobby.wake()
        await lobby.leave(reason)
        assert await lobby.stored() == {"stopped for": reason}
