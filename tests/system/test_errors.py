"""What goes wrong in a room's hooks: logged for the developer, never told to a client."""

from __future__ import annotations

import asyncio
import uuid

import aiohttp
import pytest

from tests.support.running import RunningParlour


@pytest.fixture
def url(parlour: RunningParlour) -> str:
    """A room of this test's own."""
    return f"{parlour.url}/parties/faulty/{uuid.uuid4().hex}"


async def logged(parlour: RunningParlour, part: str) -> None:
    """Wait until the log has it."""
    await asyncio.to_thread(parlour.wait_for_line, part)


async def test_on_message_that_raises_leaves_the_connection_open(
    parlour: RunningParlour, http: aiohttp.ClientSession, url: str
) -> None:
    """The next message is answered; the log names party, room, hook and the exception."""
    async with http.ws_connect(url) as socket:
        await socket.send_str("raise")
        await socket.send_str("hello")
        assert await socket.receive_str() == "still here"
    room = url.rsplit("/", 1)[1]
    await logged(parlour, f"party faulty, room {room}: on_message raised")
    await logged(parlour, "RuntimeError: secret of on_message")


async def test_on_connect_that_raises_closes_with_1011(
    parlour: RunningParlour, http: aiohttp.ClientSession, url: str
) -> None:
    """The client is told that it failed, and not why."""
    async with http.ws_connect(url + "?refuse=1") as socket:
        message = await socket.receive()
        assert message.type == aiohttp.WSMsgType.CLOSE
        assert message.data == 1011
        assert "secret" not in (message.extra or "")
    await logged(parlour, "RuntimeError: secret of on_connect")


async def test_on_request_that_raises_answers_500(
    parlour: RunningParlour, http: aiohttp.ClientSession, url: str
) -> None:
    """Without a traceback; the next request is answered."""
    async with http.post(url) as response:
        assert response.status == 500
        assert "secret" not in await response.text()
    async with http.get(url) as response:
        assert (response.status, await response.text()) == (200, "fine")


async def test_on_start_that_raises_fails_the_event_that_woke_the_room(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """Each request is a new try and fails by itself; a socket is closed with 1011."""
    url = f"{parlour.url}/parties/faulty/unstartable-{uuid.uuid4().hex}"
    for _ in range(2):
        async with http.get(url) as response:
            assert response.status == 500
            assert "secret" not in await response.text()
    async with http.ws_connect(url) as socket:
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)


async def test_a_room_can_close_a_connection(http: aiohttp.ClientSession, url: str) -> None:
    """With a code and a reason of its own."""
    async with http.ws_connect(url) as socket:
        await socket.send_str("close")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001)
        assert message.extra == "as you wish"


async def test_a_message_that_is_too_large_closes_with_1009(
    http: aiohttp.ClientSession, url: str
) -> None:
    """The limit is 1 MiB; nobody else notices."""
    async with http.ws_connect(url) as other, http.ws_connect(url) as socket:
        await socket.send_bytes(b"x" * (1024 * 1024 + 1))
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
        await other.send_str("hello")
        assert await other.receive_str() == "still here"


async def test_a_message_that_kills_its_room_twice_is_given_up(
    parlour: RunningParlour, http: aiohttp.ClientSession, url: str
) -> None:
    """Its connection is closed with 1011; the others stay and are answered."""
    async with http.ws_connect(url) as other, http.ws_connect(url) as socket:
        await socket.send_str("die")
        message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)
        await other.send_str("hello")
        assert await other.receive_str() == "still here"
