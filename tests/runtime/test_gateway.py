"""The gateway: who is let in, what is asked of rooms, and rooms that come and go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors import messages
from parlour.actors.frames import (
    ASIDE,
    Kind,
    pack_amount,
    pack_broadcast,
    pack_parts,
    unpack_parts,
)
from parlour.actors.messages import (
    CONNECTION_ID_CHARACTERS_MAX,
    ConnectionRecord,
    Refused,
    RequestHead,
    ResponseHead,
)
from parlour.runtime import room_finder
from parlour.runtime import route as route_module
from parlour.runtime.gateway_news import GatewayNews

from ..actors.staging import until
from .gateway_stage import OPTIONS, Stage, gateway_stage
from .raw_client import CLOSE, TEXT, Frame, RawClient, frame, raw_client, upgrade


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
