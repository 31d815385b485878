"""What passes between clients and a room that says what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import (
    ASIDE,
    Kind,
    pack_broadcast,
    pack_close,
    pack_parts,
    unpack_amount,
)
from parlour.actors.messages import (
    Attach,
    AutoResponse,
    Closed,
    ConnectionRecord,
)
from parlour.runtime import room_finder

from .gateway_stage import Stage, gateway_stage
from .raw_client import BINARY, CLOSE, TEXT, Frame, RawClient, frame, raw_client, upgrade


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A gateway that looks again at once for a room actor."""
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    async with gateway_stage(tmp_path) as stage:
        yield stage


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[RawClient]:
    """A client of the gateway."""
    async with raw_client(stage.port) as client:
        yield client


@pytest.fixture
async def other(stage: Stage) -> AsyncIterator[RawClient]:
    """Another one."""
    async with raw_client(stage.port) as client:
        yield client


async def test_a_client_talks_with_its_room(stage: Stage, client: RawClient) -> None:
    """From the handshake, which the room answers, to the close, which it hears of."""
    client.send(upgrade("/parties/chat/a%20b/more?_pk=ada&x=1", Cookie="c"))
    channel, attach = await stage.actor.attached()
    assert str(attach.key) == "chat/a%20b"
    connect = await stage.actor.event()
    record = messages.decode(connect.payload, ConnectionRecord)
    assert (record.id, record.number) == ("ada", connect.number)
    assert record.uri == "ws://h/parties/chat/a%20b/more?_pk=ada&x=1"
    assert record.path == "/more"
    assert ("Cookie", "c") in [(name.title(), value) for name, value in record.headers]

    stage.actor.say(Kind.TAKEN, channel, connect.number)
    stage.actor.say(Kind.SEND_TEXT, channel, connect.number, payload=b"welcome")
    stage.accept(channel, connect.number)
    await client.opened()
    assert await client.frame() == Frame(TEXT, b"welcome")

    client.send(frame(TEXT, b"hi"), frame(BINARY, b"\x00"))
    for kind, payload in ((Kind.TEXT, b"hi"), (Kind.BINARY, b"\x00")):
        event = await stage.actor.event()
        assert (event.kind, event.number, event.payload) == (kind, connect.number, payload)
    stage.actor.say(Kind.SEND_BINARY, channel, connect.number, payload=b"\x01")
    assert await client.frame() == Frame(BINARY, b"\x01")

    client.send(frame(CLOSE, b"\x0f\xa1bye"))
    closed = await stage.actor.event()
    assert (closed.kind, closed.number) == (Kind.CLOSED, connect.number)
    assert messages.decode(closed.payload, Closed) == Closed(4001, "bye", True)


async def test_a_broadcast_reaches_those_that_the_room_has_taken(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """But those left out, and not those of other rooms."""
    client.send(upgrade())
    channel = await stage.channel()
    first = await stage.actor.event()
    stage.accept(channel, first.number)
    await client.opened()
    second = await stage.let_in(other, channel)

    for without, data in (((), b"all"), ((second.number,), b"first"), ((first.number,), b"second")):
        payload = pack_broadcast(without, data)
        stage.actor.say(Kind.BROADCAST_TEXT, channel, payload=payload)
    stage.actor.say(Kind.BROADCAST_BINARY, channel, payload=pack_broadcast((), b"\x00"))
    for each, words in ((client, (b"all", b"first")), (other, (b"all", b"second"))):
        assert [await each.frame() for _ in range(3)] == [
            *[Frame(TEXT, word) for word in words],
            Frame(BINARY, b"\x00"),
        ]


async def test_a_room_closes_a_client_with_its_code(stage: Stage, client: RawClient) -> None:
    """After what it said before; the room hears of the end."""
    client.send(upgrade())
    channel = await stage.channel()
    number = (await stage.actor.event()).number
    stage.accept(channel, number)
    stage.actor.say(Kind.SEND_TEXT, channel, number, payload=b"last")
    stage.actor.say(Kind.CLOSE, channel, number, payload=pack_close(4001, "bye"))
    stage.actor.say(Kind.SEND_TEXT, channel, number, payload=b"never")
    await client.opened()
    assert await client.frame() == Frame(TEXT, b"last")
    assert await client.frame() == Frame(CLOSE, b"\x0f\xa1bye")
    client.send(frame(CLOSE, b"\x0f\xa1"))
    closed = messages.decode((await stage.actor.event()).payload, Closed)
    assert (closed.code, closed.was_clean) == (4001, True)


async def test_what_a_room_says_to_a_client_that_is_gone_is_dropped(
    stage: Stage, client: RawClient, other: RawClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot know yet."""
    client.send(upgrade())
    channel = await stage.channel()
    number = (await stage.actor.event()).number
    stage.accept(channel, number)
    await client.opened()
    client.writer.transport.abort()
    assert (await stage.actor.event()).kind is Kind.CLOSED
    for kind in (Kind.SEND_TEXT, Kind.TAKEN, Kind.RESPONSE):
        stage.actor.say(kind, channel, number, payload=pack_parts(b"", b""))
    stage.accept(channel, number)
    stage.actor.say(Kind.CLOSE, channel, number, payload=pack_close(1000, ""))
    stage.actor.say(Kind.BROADCAST_TEXT, channel, payload=pack_broadcast((), b"x"))
    await stage.let_in(other, channel)
    assert [r for r in caplog.records if "alarm" not in r.getMessage()] == []


async def test_an_automatic_response_is_given_without_the_room(
    stage: Stage, client: RawClient
) -> None:
    """To exactly that text; None takes it back."""
    client.send(upgrade())
    channel = await stage.channel()
    number = (await stage.actor.event()).number
    pair = messages.encode(AutoResponse(b"ping", b"pong"))
    stage.actor.say(Kind.AUTO_RESPONSE, channel, payload=pair)
    stage.accept(channel, number)
    await client.opened()
    client.send(frame(TEXT, b"ping"), frame(BINARY, b"ping"), frame(TEXT, b"ping "))
    assert await client.frame() == Frame(TEXT, b"pong")
    assert [event.kind for event in [await stage.actor.event() for _ in range(2)]] == [
        Kind.BINARY,
        Kind.TEXT,
    ]
    none = messages.encode(AutoResponse(None, b""))
    stage.actor.say(Kind.AUTO_RESPONSE, channel, payload=none)
    stage.actor.say(Kind.SEND_TEXT, channel, number, payload=b"off")
    assert await client.frame() == Frame(TEXT, b"off")
    client.send(frame(TEXT, b"ping"))
    assert (await stage.actor.event()).payload == b"ping"


async def test_a_room_is_told_what_its_client_does_not_read(stage: Stage) -> None:
    """Aside: it is no event. Whoever has the room next is told with the connection."""
    async with raw_client(stage.port, receive_bytes=4096) as client:
        client.send(upgrade())
        channel = await stage.channel()
        connect = await stage.actor.event()
        stage.accept(channel, connect.number)
        stage.actor.say(Kind.DONE, channel, sequence=connect.sequence)
        await client.opened()
        buffered = None
        while buffered is None:
            stage.actor.say(Kind.SEND_TEXT, channel, connect.number, payload=bytes(1 << 16))
            await asyncio.sleep(0)
            buffered = next(iter(stage.actor.inbox.left()), None)
        assert (buffered.kind, buffered.channel) == (Kind.BUFFERED, channel | ASIDE)
        assert (buffered.number, buffered.sequence) == (connect.number, 0)
        size_bytes = unpack_amount(buffered.payload)
        assert size_bytes > 1 << 16
        stage.actor.die()
        client.send(frame(TEXT, b"wake up"))
        attached = (await stage.actor.inbox.take_until(Kind.ATTACH))[-1]
        attach = messages.decode(attached.payload, Attach)
        assert attach.connections[0].buffered_bytes >= size_bytes


async def test_a_connection_that_was_replaced_is_closed_and_not_brought_back(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """Its room is done with it; of its end the room hears all the same."""
    client.send(upgrade("/party/x?_pk=ada"))
    channel = await stage.channel()
    connect = await stage.actor.event()
    stage.accept(channel, connect.number)
    await client.opened()
    second = await stage.let_in(other, channel, "/party/x?_pk=ada")
    stage.actor.say(Kind.REPLACED, channel, connect.number, payload=pack_close(4409, "newer"))
    stage.actor.say(Kind.DONE, channel, sequence=second.sequence)
    assert await client.closed() == 4409
    stage.actor.die()
    other.send(frame(TEXT, b"wake up"))
    _, attach = await stage.actor.attached()
    assert [record.number for record in attach.connections] == [second.number]
    assert (await stage.actor.event()).payload == b"wake up"
    client.send(frame(CLOSE, b"\x11\x39"))
    closed = await stage.actor.event()
    assert (closed.kind, closed.number) == (Kind.CLOSED, connect.number)


async def test_a_room_hears_what_a_client_did_wrong(stage: Stage, client: RawClient) -> None:
    """With the end of the connection, in one event."""
    client.send(upgrade())
    channel = await stage.channel()
    stage.accept(channel, (await stage.actor.event()).number)
    await client.opened()
    client.send(frame(TEXT, b"\xff"))
    assert await client.closed() == 1007
    client.send(frame(CLOSE, b"\x03\xef"))
    closed = messages.decode((await stage.actor.event()).payload, Closed)
    assert closed == Closed(1007, "", True, 1007, "a text message must be UTF-8")


async def test_a_gateway_that_stops_says_goodbye(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """1001 to every client, also to one that waits for its room; then nobody listens."""
    client.send(upgrade())
    channel = await stage.channel()
    stage.accept(channel, (await stage.actor.event()).number)
    await client.opened()
    other.send(upgrade())
    await stage.actor.event()
    await stage.gateway.stop()
    await other.opened()
    assert [await client.closed(), await other.closed()] == [1001, 1001]
    with pytest.raises(ConnectionRefusedError):
        async with raw_client(stage.port):
            pass
