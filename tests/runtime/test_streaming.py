"""Answers and bodies that stream, from the client's socket to the room's hook and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parlour.actors.body_stream import WINDOW_BYTES
from parlour.actors.connection import Connection
from parlour.actors.request import BodyLost, Request
from parlour.actors.response import Response
from parlour.actors.room import Room
from parlour.actors.server_sent import ServerSentEvent

from ..actors.staging import until
from .housed import PATH, House, get, house_of
from .raw_client import TEXT, RawClient, frame, raw_client, upgrade

CHUNK = 1 << 16


class Streamer(Room):
    """Streams in all ways that there are."""

    body_limit = 1000
    stream_bodies = True
    cors = True
    seen: list[Any] = []

    def on_start(self) -> None:
        self.go_on = asyncio.Event()

    def on_message(self, connection: Connection, message: str | bytes) -> None:
        self.go_on.set()

    async def on_request(self, request: Request) -> Response | str:
        match request.path:
            case "/endless":
                return Response(self.endless())
            case "/events":
                return Response.events(self.events(), keep_alive=0.01)
            case "/broken":
                return Response(self.broken())
            case "/upper":
                return Response(self.upper(request))
            case "/slow":
                return Response(self.slow())
        size = 0
        try:
            async for piece in request.stream():
                size += len(piece)
                self.seen.append(len(piece))
                if request.path == "/gently":
                    await self.go_on.wait()
        except BodyLost as error:
            self.seen.append(str(error))
            raise
        return f"{size} {request.streamed}"

    async def endless(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * CHUNK
                self.seen.append(CHUNK)
        finally:
            self.seen.append("ended")

    async def events(self) -> AsyncIterator[ServerSentEvent | str]:
        yield "one"
        await self.go_on.wait()
        yield ServerSentEvent("two", event="tick", id="2")

    async def broken(self) -> AsyncIterator[str]:
        yield "before"
        raise RuntimeError("secret of the iterator")

    async def slow(self) -> AsyncIterator[str]:
        yield "before"
        await self.go_on.wait()
        yield "after"

    async def upper(self, request: Request) -> AsyncIterator[bytes]:
        async for piece in request.stream():
            yield piece.upper()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A room that streams, behind its gateway."""
    Streamer.seen = []
    async with house_of(tmp_path, Streamer) as house:
        yield house


@pytest.fixture
async def client(house: House) -> AsyncIterator[RawClient]:
    """A client of it."""
    async with raw_client(house.port, receive_bytes=1 << 16) as client:
        yield client


async def chunk(client: RawClient) -> bytes:
    """The next chunk of a chunked body; empty for the last."""
    async with asyncio.timeout(5):
        size = int(await client.reader.readline(), 16)
        data = await client.reader.readexactly(size)
        assert await client.reader.readexactly(2) == b"\r\n"
        return data


async def rest(client: RawClient) -> bytes:
    """The chunks that are left."""
    data = b""
    while piece := await chunk(client):
        data += piece
    return data


async def go_on(house: House) -> None:
    """Say something to the room, which is not busy although it streams."""
    async with raw_client(house.port) as talker:
        await talker.open(PATH)
        talker.send(frame(TEXT, b"go on"))
        await until(lambda: house.room._room.go_on.is_set())  # type: ignore[attr-defined]


async def test_server_sent_events_arrive_as_they_happen(house: House, client: RawClient) -> None:
    """The head at once, each event when it is there, comments meanwhile, then the end; and the
    connection serves the next request."""
    client.send(get("/events"))
    head = await client.head()
    assert head.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert head.headers["access-control-allow-origin"] == "*"
    assert await chunk(client) == b"data: one\n\n"
    assert await chunk(client) == b": keep-alive\n\n"
    await go_on(house)
    left = await rest(client)
    assert left.replace(b": keep-alive\n\n", b"") == b"event: tick\nid: 2\ndata: two\n\n"
    client.send(get("/"))
    assert (await client.answer()).body == b"0 False"


async def test_an_answer_comes_no_faster_than_its_client_reads(
    house: House, client: RawClient
) -> None:
    """What is on its way is bounded: a window, and what the sockets hold."""
    client.send(get("/endless"))
    await client.head()
    for _ in range(100):
        await chunk(client)
    seen = -1
    while seen != len(Streamer.seen):  # until it stands still
        seen = len(Streamer.seen)
        for _ in range(200):
            await asyncio.sleep(0)
    assert 100 <= seen < 100 + (WINDOW_BYTES + (16 << 20)) // CHUNK
    await chunk(client)


async def test_an_iterator_ends_when_its_client_leaves(house: House, client: RawClient) -> None:
    """While it waits for the client to read on; and one that waits for itself."""
    client.send(get("/endless"))
    await client.head()
    async with raw_client(house.port) as other:
        other.send(get("/slow"))
        await other.head()
        assert await chunk(other) == b"before"
        assert len(house.room.streams) == 2
        client.writer.transport.abort()
        await until(lambda: "ended" in Streamer.seen)
        other.writer.transport.abort()
        await until(lambda: not house.room.streams)


async def test_an_answer_that_breaks_off_is_seen_to(
    house: House, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection ends without a last chunk; the log has the reason, the client has not."""
    client.send(get("/broken"))
    await client.head()
    assert await chunk(client) == b"before"
    assert await client.ended() == b""
    assert "a streamed answer raised" in caplog.text
    assert "Error handling request" not in caplog.text


@pytest.mark.parametrize("how", ["leaves", "breaks"])
async def test_an_answer_ends_with_its_room(house: House, client: RawClient, how: str) -> None:
    """Cut, since it is not whole; the next request wakes the room."""
    client.send(get("/slow"))
    await client.head()
    assert await chunk(client) == b"before"
    if how == "leaves":
        house.room.leave("deploy")
    else:
        house.room.break_off("as the test wants it")
    assert await client.ended() == b""
    await house.ended()
    house.start(Streamer)
    async with raw_client(house.port) as other:
        other.send(get("/"))
        assert (await other.answer()).status == 200


async def test_head_has_no_body(house: House, client: RawClient) -> None:
    """The iterator does not even start; the connection goes on."""
    client.send(get("/slow", "HEAD"), get("/"))
    assert (await client.head()).status == 200
    assert (await client.answer()).body == b"0 False"
    assert not house.room.streams


async def test_a_websocket_knows_no_cors(client: RawClient) -> None:
    """Browsers ask nobody before they open one, so nothing is said of it."""
    client.send(upgrade(PATH, Origin="https://x.example"))
    head = await client.head()
    assert head.status == 101
    assert not any(name.startswith("access-control") for name in head.headers)


# Bodies


async def test_a_body_within_the_limit_is_whole(client: RawClient) -> None:
    """It would be handled again after a crash."""
    client.send(get("/", "POST", "Content-Length: 1000"), bytes(1000))
    assert (await client.answer()).body == b"1000 False"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_streamed(client: RawClient, chunked: bool) -> None:
    """Declared or in chunks, byte for byte; the connection serves the next request."""
    body = bytes(1001) + b"x" * 3_000_000
    if chunked:
        client.send(get("/", "POST", "Transfer-Encoding: chunked"))
        client.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    else:
        client.send(get("/", "POST", f"Content-Length: {len(body)}"), body)
    assert (await client.answer()).body == b"%d True" % len(body)
    assert max(Streamer.seen) <= CHUNK
    client.send(get("/"))
    assert (await client.answer()).body == b"0 False"


async def test_a_body_comes_no_faster_than_the_room_reads(house: House, client: RawClient) -> None:
    """The client is held up by its own connection; nothing piles up in between."""
    size = 64 << 20
    client.send(get("/gently", "POST", f"Content-Length: {size}"))
    sent = 0
    while sent < size and client.writer.transport.get_write_buffer_size() < 1 << 20:
        client.send(bytes(CHUNK))
        sent += CHUNK
        await asyncio.sleep(0)
    assert sent < 32 << 20
    await until(lambda: len(Streamer.seen) == 1)
    await go_on_interleaved(house)
    while sent < size:
        client.send(bytes(CHUNK))
        sent += CHUNK
        await client.writer.drain()
    assert (await client.answer()).body == b"%d True" % size


async def go_on_interleaved(house: House) -> None:
    """Let a hook go on that the room waits for: no event can."""
    house.room._room.go_on.set()  # type: ignore[attr-defined]


async def test_a_client_that_leaves_while_it_sends_is_noticed(
    house: House, client: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The hook gets an error where it reads, and the room goes on."""
    client.send(get("/", "POST", "Content-Length: 100000"), bytes(5000))
    await until(lambda: sum(Streamer.seen) == 5000)
    client.writer.transport.abort()
    await until(lambda: "the rest of the body does not come" in str(Streamer.seen[-1]))
    async with raw_client(house.port) as other:
        other.send(get("/"))
        assert (await other.answer()).body == b"0 False"
    assert "raised" not in caplog.text


async def test_a_room_that_dies_reading_a_body_is_told_to_its_client(
    house: House, client: RawClient
) -> None:
    """502: nobody has the body any more. The hook does not run again."""
    client.send(get("/", "POST", "Content-Length: 100000"), bytes(5000))
    await until(lambda: sum(Streamer.seen) == 5000)
    house.room.break_off("its process is killed")
    answer = await client.answer()
    assert (answer.status, b"lost" in answer.body) == (502, True)
    await house.ended()
    Streamer.seen.clear()
    house.start(Streamer)
    async with raw_client(house.port) as other:
        other.send(get("/"))
        assert (await other.answer()).body == b"0 False"
    assert Streamer.seen == []


async def test_a_body_that_no_room_has_begun_to_read_waits_for_the_next_one(
    house: House, client: RawClient
) -> None:
    """Until then it is still all here."""
    body = bytes(5000)
    async with raw_client(house.port) as other:
        other.send(get("/gently", "POST", "Content-Length: 2"), b"hi")
        await until(lambda: Streamer.seen == [2])  # the room is busy from here on
        client.send(get("/", "POST", f"Content-Length: {len(body)}"), body)
        await until(lambda: len(house.gateway_._exchanges) == 2)
        house.room.break_off("its process is killed")
        await house.ended()
        house.start(Streamer)
        await until(lambda: hasattr(house.room, "_room") and hasattr(house.room._room, "go_on"))
        await go_on_interleaved(house)
        assert (await client.answer()).body == b"5000 True"


async def test_a_body_may_be_answered_while_it_is_sent(client: RawClient) -> None:
    """Both ways at once."""
    client.send(get("/upper", "POST", "Content-Length: 2000"), b"a" * 1500)
    await client.head()
    got = await chunk(client)
    assert got == b"A" * len(got)
    client.send(b"b" * 500)
    assert await rest(client) == b"A" * (1500 - len(got)) + b"B" * 500


async def test_a_hook_that_reads_nothing_answers_all_the_same(
    house: House, client: RawClient
) -> None:
    """What the client still sends is nobody's."""
    client.send(get("/slow", "POST", "Content-Length: 100000"), bytes(5000))
    await client.head()
    assert await chunk(client) == b"before"
    await go_on(house)
    assert await rest(client) == b"after"
