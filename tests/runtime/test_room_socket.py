"""The client's socket that comes back by itself, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.client import responses
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from parlour.actors.connection import Connection
from parlour.actors.room import Room

from parlour.client import RECONNECT_CODES, Backoff, BufferFull, RoomRefused, RoomSocket

from ..actors.linked import TIMEOUT_S
from ..actors.staging import until
from ..support.running import free_port
from .calling import staged

QUICKLY = Backoff(0.001, 0.01)


class Server:
    """Echoes what clients send, closes when told to, and goes away and comes back.

    Attributes:
        ids: The `_pk` of each connection.
        codes: What clients closed with.
        heard: What was sent, over all connections.
        status: What it answers instead of letting clients in, if it is not 0.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ids: list[str] = []
        self.paths: list[str] = []
        self.heard: list[str | bytes] = []
        self.headers: list[str] = []
        self.codes: list[int] = []
        self.status = 0
        self.sockets: list[web.WebSocketResponse] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """It goes away, and cuts every connection."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        """Cut every connection."""
        for socket in self.sockets:
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
        self.sockets.clear()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.status:
            return web.Response(status=self.status, text="no")
        self.ids.append(request.query["_pk"])
        self.paths.append(request.raw_path)
        self.headers.append(request.headers.get("X-Own", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            await self._on_message(socket, message.data)
        if message.type is WSMsgType.CLOSE:
            self.codes.append(message.data)
        return socket

    async def _on_message(self, socket: web.WebSocketResponse, data: Any) -> None:
        self.heard.append(data)
        if isinstance(data, str) and data.startswith("close "):
            await socket.close(code=int(data.split()[1]), message=b"bye")
        elif isinstance(data, str):
            await socket.send_str(data)
        else:
            await socket.send_bytes(data)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that listens."""
    server = Server()
    await server.start()
    async with asyncio.timeout(TIMEOUT_S):
        yield server
    await server.stop()


def socket_to(server: Server, **options: Any) -> RoomSocket:
    return RoomSocket(server.url, "a b/c", party="chat", backoff=QUICKLY, **options)


async def test_it_talks_with_a_room(server: Server) -> None:
    """Text and bytes; the room's id and the query are encoded, its own id is `_pk`."""
    options: dict[str, Any] = {"id": "me", "path": "/x?y=1", "query": {"z": "&"}}
    async with socket_to(server, headers={"X-Own": "1"}, **options) as socket:
        socket.send("hi")
        socket.send(b"\x00")
        assert [await socket.receive(), await socket.receive()] == ["hi", b"\x00"]
        assert server.paths == ["/parties/chat/a%20b%2Fc/x?y=1&z=%26&_pk=me"]
        assert (server.ids, server.headers, socket.id) == (["me"], ["1"], "me")
    with pytest.raises(ConnectionError, match="closed: 1000"):
        await socket.receive()
    with pytest.raises(ConnectionError, match="is closed: 1000"):
        socket.send("too late")


async def test_it_comes_back_with_its_id_when_the_server_went_away(server: Server) -> None:
    """What was sent meanwhile is sent then, in order; iteration goes on."""
    async with socket_to(server) as socket:
        socket.send("before")
        assert await socket.receive() == "before"
        await server.stop()
        await until(lambda: not socket.is_open)
        for number in range(100):
            socket.send(str(number))
        assert socket.buffered_bytes == 190
        await server.start()
        assert [await socket.receive() for _ in range(100)] == list(map(str, range(100)))
        assert server.ids == [socket.id] * 2
        assert (socket.connects, socket.buffered_bytes) == (2, 0)


async def test_it_waits_for_a_server_that_is_not_there_yet() -> None:
    """What is sent before the first connection waits for it, too."""
    server = Server()
    async with asyncio.timeout(TIMEOUT_S), socket_to(server) as socket:
        socket.send("early")
        await until(lambda: socket.close_code == 1006)
        await server.start()
        await socket.opened()
        assert await socket.receive() == "early"
    await server.stop()


class Roster(Room):
    """Says who speaks, and what."""

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        connection.send(f"{connection.id} {message!s}")


async def test_it_comes_back_to_a_gateway_that_was_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its id, and with what was sent while nobody listened."""
    async with (
        staged(tmp_path, monkeypatch, main=Roster) as stage,
        RoomSocket(stage.url, "a", id="me", backoff=QUICKLY) as socket,
        asyncio.timeout(TIMEOUT_S),
    ):
        socket.send("before")
        assert await socket.receive() == "me before"
        await stage.gateway.stop()
        await until(lambda: not socket.is_open)
        for number in range(10):
            socket.send(str(number))
        await stage.start_gateway()
        assert [await socket.receive() for _ in range(10)] == [f"me {n}" for n in range(10)]
        assert socket.connects == 2


@pytest.mark.parametrize("code", sorted(RECONNECT_CODES - {1005, 1006}))
async def test_it_reconnects_where_the_way_is_to_blame(server: Server, code: int) -> None:
    """Codes of a server that restarts, is overloaded or has met an error."""
    async with socket_to(server) as socket:
        socket.send(f"close {code}")
        await until(lambda: len(server.ids) == 2)
        assert (socket.close_code, socket.close_reason) == (code, "bye")
        socket.send("again")
        assert await socket.receive() == "again"


@pytest.mark.parametrize("code", [1000, 1008, 1009, 4000])
async def test_it_ends_where_the_room_has_said_so(server: Server, code: int) -> None:
    """Iteration ends, and the code tells why."""
    async with socket_to(server) as socket:
        socket.send("last")
        socket.send(f"close {code}")
        assert [message async for message in socket] == ["last"]
        assert (socket.close_code, socket.close_reason) == (code, "bye")
        assert len(server.ids) == 1
        with pytest.raises(ConnectionError, match=f"{code} bye"):
            socket.send("too late")


async def test_which_codes_end_it_can_be_chosen(server: Server) -> None:
    """As some applications close to have their clients come back."""
    async with socket_to(server, reconnect_codes=frozenset({4000})) as socket:
        socket.send("close 4000")
        await until(lambda: len(server.ids) == 2)
        socket.send("close 1012")
        with pytest.raises(ConnectionError, match="1012 bye"):
            await socket.receive()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_server_that_refuses_is_not_asked_again(server: Server, status: int) -> None:
    """It would answer the same."""
    server.status = status
    async with socket_to(server) as socket:
        with pytest.raises(RoomRefused, match=f"answered {status} {responses[status]}"):
            await socket.opened()
        with pytest.raises(RoomRefused):
            await socket.receive()
        with pytest.raises(RoomRefused):
            _ = [message async for message in socket]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_that_cannot_now_is_asked_again(server: Server, status: int) -> None:
    """It may be able to in a moment."""
    server.status = status
    async with socket_to(server) as socket:
        await until(lambda: socket.close_code == 1006)
        server.status = 0
        await socket.opened()


async def test_what_waits_is_bounded() -> None:
    """A message that does not fit is refused; those before it stay."""
    server = Server()
    async with asyncio.timeout(TIMEOUT_S):
        async with socket_to(server, buffer_bytes_max=10) as socket:
            socket.send("üüüü")
            with pytest.raises(BufferFull, match="8 bytes wait to be sent, with 3 more"):
                socket.send(b"123")
            socket.send(b"12")
            with pytest.raises(TypeError, match="int was to be sent"):
                socket.send(1)  # type: ignore[arg-type]
            await server.start()
            assert [await socket.receive(), await socket.receive()] == ["üüüü", b"12"]
    await server.stop()


async def test_closing_sends_what_waits_and_its_code(server: Server) -> None:
    """A socket that is closed is over; closing it again does nothing."""
    async with socket_to(server) as socket:
        await socket.opened()
        for number in range(100):
            socket.send(str(number))
        await socket.close(4005, "done")
        await socket.close()
        assert server.heard == list(map(str, range(100)))
        await until(lambda: server.codes == [4005])
        assert (socket.close_code, socket.close_reason) == (4005, "done")
        with pytest.raises(RuntimeError, match="used once"):
            await socket.__aenter__()


async def test_closing_one_that_is_down_does_not_wait() -> None:
    """There is nobody to say goodbye to."""
    async with asyncio.timeout(TIMEOUT_S), socket_to(Server()) as socket:
        await until(lambda: socket.close_code == 1006)
    assert socket.close_code == 1000


@pytest.mark.parametrize("url", ["127.0.0.1:1999", "ftp://h", "http://", "lobby"])
def test_a_url_must_be_one(url: str) -> None:
    """The error says what one looks like."""
    with pytest.raises(ValueError, match="give one like http://127.0.0.1:1999"):
        RoomSocket(url, "lobby")
