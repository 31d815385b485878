"""Clients talk through rooms: real sockets, a real gateway, real room actors."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from typing import Any

import aiohttp
import pytest

from tests.support.running import RunningParlour

CLIENTS = 200


@pytest.fixture
def room() -> str:
    """A room of this test's own."""
    return uuid.uuid4().hex


async def test_two_clients_chat(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """What one says the other hears, and a newcomer gets the history first."""
    url = f"{parlour.ws_url}/parties/chat/{room}"
    async with http.ws_connect(url) as alice, http.ws_connect(url) as bob:
        await alice.send_str(json.dumps({"name": "Alice", "text": "anybody there?"}))
        said = await message_of(bob, "message")
        assert said["message"]["name"] == "Alice"
        assert said["message"]["text"] == "anybody there?"

        await bob.send_str("yes")
        assert (await message_of(alice, "message"))["message"]["text"] == "anybody there?"
        assert (await message_of(alice, "message"))["message"]["text"] == "yes"

    async with http.ws_connect(url) as carol:
        history = json.loads(await carol.receive_str())
        assert [m["text"] for m in history["messages"]] == ["anybody there?", "yes"]


async def message_of(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message: dict[str, Any] = json.loads(await socket.receive_str())
        if message["type"] == kind:
            return message


async def test_text_stays_text_and_bytes_stay_bytes(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """A room hears str or bytes, as the client sent it, and its answer is of the same kind."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/echo/{room}") as socket:
        await socket.send_str("grüße ✓")
        assert await socket.receive_str() == "grüße ✓"
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes() == b"\x00\xff"
        await socket.send_str("")
        assert await socket.receive_str() == ""
        big = "x" * 500_000
        await socket.send_str(big)
        assert await socket.receive_str() == big


async def test_messages_of_one_client_are_answered_in_order(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """However many are under way at once."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/echo/{room}") as socket:
        for number in range(2_000):
            await socket.send_str(str(number))
        answers = [await socket.receive_str() for _ in range(2_000)]
    assert answers == [str(number) for number in range(2_000)]


async def test_everybody_in_a_room_gets_a_broadcast(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Two hundred clients, one message, two hundred deliveries."""
    url = f"{parlour.ws_url}/parties/fanout/{room}"
    sockets = await asyncio.gather(*(http.ws_connect(url) for _ in range(CLIENTS)))
    try:
        await sockets[0].send_str("to all")
        heard = await asyncio.gather(*(socket.receive_str() for socket in sockets))
        assert heard == ["to all"] * CLIENTS
    finally:
        await asyncio.gather(*(socket.close() for socket in sockets))


async def test_a_broadcast_leaves_out_who_is_listed(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """`without` takes connection ids, which clients choose with `_pk`."""
    url = f"{parlour.ws_url}/parties/others/{room}"
    async with http.ws_connect(f"{url}?_pk=a") as a, http.ws_connect(f"{url}?_pk=b") as b:
        await a.send_str("from a")
        assert await b.receive_str() == "from a"
        await b.send_str("from b")
        assert await a.receive_str() == "from b"


async def test_two_rooms_do_not_see_each_other(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Neither in memory nor in what is broadcast."""
    url = f"{parlour.ws_url}/parties/fanout/{room}"
    async with http.ws_connect(url + "-1") as one, http.ws_connect(url + "-2") as two:
        await one.send_str("in one")
        await two.send_str("in two")
        assert await one.receive_str() == "in one"
        assert await two.receive_str() == "in two"


async def test_what_on_connect_sends_arrives_first_and_in_order(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """The client is let in when on_connect has returned."""
    async with http.ws_connect(f"{parlour.ws_url}/parties/greeter/{room}?_pk=me") as socket:
        assert await socket.receive_str() == "hello me"
        assert await socket.receive_bytes() == b"\x00\x01"


@pytest.mark.parametrize(
    ("close", "told"),
    [
        ({"code": 1000}, "gone 1000  True 1"),
        ({"code": 4321, "message": b"bye"}, "gone 4321 bye True 1"),
    ],
)
async def test_on_close_is_told_how_a_client_left(
    parlour: RunningParlour,
    http: aiohttp.ClientSession,
    room: str,
    close: dict[str, object],
    told: str,
) -> None:
    """Code, reason and cleanness; the connection is not among the room's any more."""
    url = f"{parlour.ws_url}/parties/greeter/{room}"
    async with http.ws_connect(url + "?_pk=stays") as stays:
        await stays.receive_str()
        await stays.receive_bytes()
        gone = await http.ws_connect(url + "?_pk=gone")
        await gone.close(**close)  # type: ignore[arg-type]
        assert await stays.receive_str() == told


async def test_a_client_that_vanishes_is_closed_with_1006(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Without a close frame, on_close says so."""
    url = f"{parlour.ws_url}/parties/greeter/{room}"
    async with http.ws_connect(url + "?_pk=stays") as stays:
        await stays.receive_str()
        await stays.receive_bytes()
        async with aiohttp.ClientSession() as session:
            gone = await session.ws_connect(url + "?_pk=gone")
            assert gone._response.connection is not None
            transport = gone._response.connection.transport
            assert transport is not None
            transport.abort()
            assert await stays.receive_str() == "gone 1006  False 1"


async def test_a_room_answers_http(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Path below the room, query, body and a decoded id reach on_request."""
    url = f"{parlour.url}/parties/echo/{room}%2F%C3%BC%7D/more/of%20it?a=1&b=%C3%A4"
    async with http.post(url, data=b"the body") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        answer = await response.json()
    assert answer["id"] == f"{room}/ü}}"
    assert answer["party"] == "echo"
    assert answer["path"] == "/more/of%20it"
    assert answer["query"] == {"a": "1", "b": "ä"}
    assert answer["body"] == "the body"


async def test_a_room_reads_forms_and_sets_cookies(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """A file with its name, a field with its text; a browser is asked before its script may."""
    url = f"{parlour.url}/parties/streamer/{room}?form"
    form = aiohttp.FormData({"title": "été"})
    form.add_field("file", b"\x00\xff", filename="a.bin")
    async with http.post(url, data=form, headers={"Cookie": "seen=once"}) as response:
        answer = await response.json()
        assert answer["title"] == "été"
        assert "filename='a.bin'" in answer["file"]
        assert response.headers["set-cookie"] == "seen=once; Path=/; SameSite=Lax"
    async with http.options(url, headers={"Origin": "https://x.example"}) as response:
        assert (response.status, response.headers["access-control-max-age"]) == (204, "86400")


async def test_a_room_reads_a_body_that_is_longer_than_it_would_keep(
    parlour: RunningParlour, http: aiohttp.ClientSession, room: str
) -> None:
    """Piece by piece; a room that dies over it is said to the client, and the next try finds it."""
    url = f"{parlour.url}/parties/streamer/{room}"
    async with http.post(url + "?die", data=bytes(100_000)) as response:
        assert response.status == 502
    async with http.post(url, data=io.BytesIO(bytes(20_000_000))) as response:
        assert (response.status, await response.text()) == (200, "20000000 True")
    async with http.post(url, data=bytes(1000)) as response:
        assert await response.text() == "1000 False"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/parties/nobody/x", 404, "there is no party 'nobody'"),
        ("/parties/echo/", 400, "a room id of 0 bytes"),
        ("/parties/echo/" + "x" * 1025, 400, "1025 bytes"),
        ("/parties/echo/%ff", 400, "not UTF-8"),
        ("/nothing", 404, "rooms are at"),
        ("/../../etc/passwd", 404, "rooms are at"),
    ],
)
async def test_a_wrong_address_is_answered_with_what_is_wrong(
    parlour: RunningParlour, http: aiohttp.ClientSession, path: str, status: int, says: str
) -> None:
    """A status and a sentence, for requests and for sockets."""
    async with http.get(parlour.url + path) as response:
        assert response.status == status
        assert says in await response.text()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(parlour.ws_url + path)
    assert refused.value.status == status


async def test_the_project_s_page_is_at_the_root(
    parlour: RunningParlour, http: aiohttp.ClientSession
) -> None:
    """`public/index.html` beside the room file."""
    async with http.get(parlour.url + "/") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
