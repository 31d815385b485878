"""The gateway: clients on one side, a room that says what it likes on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import (
    ASIDE,
    Kind,
    pack_amount,
    pack_broadcast,
    pack_close,
    pack_parts,
    unpack_amount,
    unpack_parts,
)
from parlour.actors.messages import (
    CONNECTION_ID_CHARACTERS_MAX,
    Attach,
    AutoResponse,
    Closed,
    ConnectionRecord,
    Refused,
    RequestHead,
    ResponseHead,
    Standing,
)
from parlour.actors.options import options_of
from parlour.actors.room import Room
from parlour.runtime import room_finder
from parlour.runtime import route as route_module
from parlour.runtime.gateway import Gateway
from parlour.runtime.gateway_news import GatewayNews
from parlour.runtime.settings import GatewaySettings

from ..actors.linked import Frame as LinkFrame
from ..actors.staging import until
from ..support.running import free_port
from .peers import Manager, RoomActor
from .raw_client import BINARY, CLOSE, TEXT, Frame, RawClient, frame, raw_client, upgrade

OPTIONS = options_of(Room)


class Stage:
    """A gateway between clients and a room actor that follows a script."""

    def __init__(self, folder: Path) -> None:
        self.manager = Manager(folder)
        self.actor = RoomActor(folder)
        self.port = free_port()
        settings = GatewaySettings(
            host="127.0.0.1",
            port=self.port,
            manager_address=self.manager.address,
            redis_url=f"unix://{folder}/no-server.sock",
        )
        parties = {"main": OPTIONS, "chat": OPTIONS}
        self.gateway = Gateway(settings, GatewayNews(1, parties))

    async def channel(self) -> int:
        """The channel of the room, once it is attached and ready."""
        channel, _ = await self.actor.attached()
        self.actor.say(Kind.READY, channel)
        return channel

    async def let_in(self, client: RawClient, channel: int, path: str = "/party/x") -> LinkFrame:
        """Have the room let a client in; returns its CONNECT."""
        client.send(upgrade(path))
        connect = await self.actor.event()
        assert connect.kind is Kind.CONNECT
        self.accept(channel, connect.number)
        await client.opened()
        return connect

    def accept(self, channel: int, number: int, state: bytes = b"") -> None:
        standing = messages.encode(Standing(["t"], state))
        self.actor.say(Kind.TAKEN, channel, number)
        self.actor.say(Kind.ACCEPT, channel, number, payload=standing)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A gateway that listens; its alarms' index cannot be reached, which harms nobody."""
    monkeypatch.setattr(room_finder, "BACKOFF_MAX_S", 0.0)
    stage = Stage(tmp_path)
    await stage.manager.start()
    await stage.actor.start()
    stage.manager.place = stage.actor.address
    await stage.gateway.start()
    yield stage
    await stage.gateway.stop()
    await until(lambda: "0 sockets" in repr(stage.gateway))
    stage.manager.close()
    stage.actor.close()


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


async def test_a_socket_outlives_its_room(stage: Stage, client: RawClient) -> None:
    """The next room actor gets the connection with its tags and state, and what was not done."""
    client.send(upgrade("/party/x?_pk=ada"))
    channel = await stage.channel()
    connect = await stage.actor.event()
    stage.accept(channel, connect.number, state=b"\x05state")
    await client.opened()
    stage.actor.say(Kind.DONE, channel, sequence=connect.sequence)
    client.send(frame(TEXT, b"not done"))
    event = await stage.actor.event()
    stage.actor.die()

    channel, attach = await stage.actor.attached()
    (kept,) = attach.connections
    assert (kept.id, kept.tags, kept.state) == ("ada", ["t"], b"\x05state")
    assert await stage.actor.event() == event._replace(channel=channel)
    stage.actor.say(Kind.SEND_TEXT, channel, connect.number, payload=b"still here")
    assert await client.frame() == Frame(TEXT, b"still here")
    stage.actor.say(Kind.BROADCAST_TEXT, channel, payload=pack_broadcast((), b"all"))
    assert await client.frame() == Frame(TEXT, b"all")


async def test_a_request_is_answered_by_the_room(stage: Stage, client: RawClient) -> None:
    """Head and body, both ways."""
    client.send(b"POST /party/x/y?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
    channel = await stage.channel()
    event = await stage.actor.event()
    head_data, body = unpack_parts(event.payload)
    head = messages.decode(head_data, RequestHead)
    assert (head.method, head.url, head.path, body) == (
        "POST",
        "http://h/party/x/y?q=1",
        "/y",
        b"hi",
    )
    answer = messages.encode(ResponseHead(201, [("x-a", "1")]))
    stage.actor.say(Kind.RESPONSE, channel, event.number, payload=pack_parts(answer, b"made"))
    got = await client.answer()
    assert (got.status, got.headers["x-a"], got.body) == (201, "1", b"made")


async def test_a_request_that_is_not_answered_in_time_is_given_up(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """504; an answer that comes too late is nobody's."""
    stage.gateway.request_timeout_s = 0.2
    client.send(b"GET /party/x HTTP/1.1\r\nHost: h\r\n\r\n")
    channel = await stage.channel()
    event = await stage.actor.event()
    assert (await client.answer()).status == 504
    answer = messages.encode(ResponseHead(200, []))
    stage.actor.say(Kind.RESPONSE, channel, event.number, payload=pack_parts(answer, b"late"))
    await stage.let_in(other, channel)


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


@pytest.mark.parametrize("kind", [Kind.WANTED, Kind.RESPONSE])
async def test_a_room_that_streams_for_nobody_is_told_so(
    stage: Stage, client: RawClient, kind: Kind
) -> None:
    """The client of that request has left, or was told that the room was lost."""
    client.send(upgrade())
    channel = await stage.channel()
    await stage.actor.event()
    head = pack_parts(messages.encode(ResponseHead(200, [], True)), b"")
    payload = head if kind is Kind.RESPONSE else pack_amount(1000)
    stage.actor.say(kind, channel, 4711, payload=payload)
    told = await stage.actor.event()
    assert (told.channel, told.number) == (channel | ASIDE, 4711)
    if kind is Kind.RESPONSE:
        assert told.kind is Kind.LEFT
    else:
        assert (told.kind, told.payload != b"") == (Kind.BODY_END, True)


@pytest.mark.parametrize("how", ["in good order", "broken", "its process dies"])
async def test_a_streamed_answer_is_cut_when_its_room_is_gone(
    stage: Stage, client: RawClient, how: str
) -> None:
    """However it went; what had come is with the client."""
    client.send(b"GET /party/x HTTP/1.1\r\nHost: h\r\n\r\n")
    channel = await stage.channel()
    event = await stage.actor.event()
    head = pack_parts(messages.encode(ResponseHead(200, [], True)), b"")
    stage.actor.say(Kind.RESPONSE, channel, event.number, payload=head)
    stage.actor.say(Kind.PIECE, channel, event.number, payload=b"before")
    stage.actor.say(Kind.DONE, channel, sequence=event.sequence)
    await client.head()
    assert await client.reader.readexactly(11) == b"6\r\nbefore\r\n"
    if how == "its process dies":
        stage.actor.die()
    else:
        stage.actor.say(Kind.GONE, channel, payload=b"" if how == "in good order" else b"broken")
    assert await client.ended() == b""


# Failures


async def test_a_room_that_cannot_start_is_said_to_who_woke_it(
    stage: Stage, client: RawClient
) -> None:
    """1011 for a WebSocket, which is let in to be told; the room never hears of it."""
    stage.actor.refusal = Refused("start failed", "the room's on_start raised")
    client.send(upgrade())
    await stage.actor.attached()
    await client.opened()
    assert await client.closed() == 1011
    client.send(frame(CLOSE, b"\x03\xf3"))
    assert await client.ended() == b""
    await until(lambda: "0 sockets" in repr(stage.gateway))
    assert len(stage.manager.asked) == 1


async def test_a_request_to_a_room_that_cannot_start_is_answered_500(
    stage: Stage, client: RawClient
) -> None:
    """Trying again would change nothing."""
    stage.actor.refusal = Refused("start failed", "the room's on_start raised")
    client.send(b"GET /party/x HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.answer()).status == 500


async def test_a_room_that_cannot_be_woken_is_worth_another_try(
    stage: Stage, client: RawClient, other: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1013 and 503: come back later."""
    monkeypatch.setattr(room_finder, "WAKE_PATIENCE_S", 0.0)
    stage.manager.error = "all are taken"
    client.send(upgrade())
    await client.opened()
    assert await client.closed() == 1013
    other.send(b"GET /party/x HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await other.answer()).status == 503


@pytest.mark.parity("overload")
async def test_a_room_with_far_too_much_to_do_takes_nothing_new(
    stage: Stage, client: RawClient, other: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 for connections and requests; those that are in are not read for a while."""
    client.send(upgrade())
    channel = await stage.channel()
    connect = await stage.actor.event()
    stage.accept(channel, connect.number)
    stage.actor.say(Kind.DONE, channel, sequence=connect.sequence)
    await client.opened()
    monkeypatch.setattr(route_module, "PENDING_EVENTS_MAX", 1)
    client.send(*[frame(TEXT, b"%d" % number) for number in range(3)])
    events = [await stage.actor.event() for _ in range(3)]
    client.send(frame(TEXT, b"waits"))

    other.send(upgrade())
    assert (await other.answer()).status == 503
    async with raw_client(stage.port) as third:
        third.send(b"GET /party/x HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await third.answer()).status == 503
    assert stage.actor.inbox.left() == []
    stage.actor.say(Kind.DONE, channel, sequence=events[-1].sequence)
    assert (await stage.actor.event()).payload == b"waits"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/party", 404),
        ("/party/", 400),
        ("/party/%ff", 400),
        ("/parties/nobody/x", 404),
        ("/party/x?_pk=" + "x" * (CONNECTION_ID_CHARACTERS_MAX + 1), 400),
    ],
)
async def test_a_client_that_asks_for_no_room_is_refused_and_forgotten(
    stage: Stage, client: RawClient, path: str, status: int
) -> None:
    """Nothing is kept of it, however often it comes."""
    client.send(upgrade(path))
    assert (await client.answer()).status == status
    assert "0 sockets" in repr(stage.gateway)
    assert stage.manager.asked == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?_pk=ada", "ada"),
        ("?x=1&_pk=a%20b", "a b"),
        ("?_pk=" + "x" * CONNECTION_ID_CHARACTERS_MAX, "x" * CONNECTION_ID_CHARACTERS_MAX),
        ("?_pk=one&_pk=two", "one"),
    ],
)
async def test_a_client_may_name_itself(
    stage: Stage, client: RawClient, query: str, expected: str
) -> None:
    """Up to a length."""
    client.send(upgrade("/party/x" + query))
    await stage.channel()
    assert messages.decode((await stage.actor.event()).payload, ConnectionRecord).id == expected


async def test_a_client_without_a_name_gets_one_of_its_own(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """No two the same."""
    client.send(upgrade("/party/x"))
    await stage.channel()
    other.send(upgrade("/party/x?_pk="))
    ids = {
        messages.decode((await stage.actor.event()).payload, ConnectionRecord).id for _ in range(2)
    }
    assert len(ids) == 2
    assert all(len(each) >= 32 for each in ids)


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


async def test_new_parties_exist_as_soon_as_they_are_deployed(
    stage: Stage, client: RawClient, other: RawClient
) -> None:
    """And those that are gone do not."""
    stage.gateway.use(GatewayNews(2, {"game": OPTIONS}))
    client.send(upgrade("/parties/chat/x"))
    refused = await client.answer()
    assert (refused.status, b"deployed: game" in refused.body) == (404, True)
    other.send(upgrade("/parties/game/x"))
    assert str((await stage.actor.attached())[1].key) == "game/x"
