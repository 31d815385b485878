"""One request at the gateway: its answer, whole or in pieces, and its body."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors.body_stream import GRANT_STEP_BYTES, BodyBroken
from parlour.actors.frames import Kind, pack_amount
from parlour.actors.messages import ResponseHead
from parlour.runtime.exchange import Exchange, RoomUnavailable

STREAMED = ResponseHead(200, [], True)


class Room:
    """What the room is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Kind, int, bytes]] = []

    def hear(self, kind: Kind, number: int, payload: bytes) -> None:
        self.told.append((kind, number, payload))


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
async def exchange(room: Room) -> Exchange:
    """The request with number 7."""
    return Exchange(7, room.hear)


async def test_a_whole_answer_needs_nothing_more(room: Room, exchange: Exchange) -> None:
    """The room has forgotten it already."""
    exchange.on_response(ResponseHead(201, []), b"body")
    assert await exchange.answer(1.0) == (ResponseHead(201, []), b"body")
    exchange.leave()
    assert room.told == []


async def test_only_the_first_answer_counts(room: Room, exchange: Exchange) -> None:
    """A second one, of an event that was handled again, is nobody's; its stream is told so."""
    exchange.on_response(ResponseHead(200, []), b"first")
    exchange.on_response(STREAMED, b"")
    assert (await exchange.answer(1.0))[1] == b"first"
    assert room.told == [(Kind.LEFT, 7, b"")]


async def test_a_request_that_fails_says_why(exchange: Exchange) -> None:
    """With the status for it; nothing changes that later."""
    exchange.fail(503, "not now")
    exchange.fail(500, "never")
    exchange.on_response(ResponseHead(200, []), b"late")
    with pytest.raises(RoomUnavailable, match="not now") as failed:
        await exchange.answer(1.0)
    assert failed.value.status == 503


async def test_a_room_is_granted_what_the_client_has_read(room: Room, exchange: Exchange) -> None:
    """In steps, and not what is only on its way."""
    exchange.on_response(STREAMED, b"")
    half = bytes(GRANT_STEP_BYTES // 2)
    for _ in range(3):
        exchange.on_frame(Kind.PIECE, half)
    assert [await exchange.incoming.next(), await exchange.incoming.next()] == [half, half]
    assert room.told == []
    assert await exchange.incoming.next() == half
    assert room.told == [(Kind.GRANT, 7, pack_amount(GRANT_STEP_BYTES))]


async def test_pieces_end_where_the_room_says(room: Room, exchange: Exchange) -> None:
    """What had come before is still the client's; then all is said."""
    exchange.on_response(STREAMED, b"")
    exchange.on_frame(Kind.PIECE, b"a")
    exchange.on_frame(Kind.END, b"")
    assert [await exchange.incoming.next(), await exchange.incoming.next()] == [b"a", b""]
    exchange.leave()
    assert room.told == []


@pytest.mark.parametrize("how", ["cut", "room lost"])
async def test_an_answer_that_is_cut_says_so(exchange: Exchange, how: str) -> None:
    """After what had come; also to who waits already."""
    exchange.on_response(STREAMED, b"")
    exchange.on_frame(Kind.PIECE, b"a")
    assert await exchange.incoming.next() == b"a"
    waiting = asyncio.ensure_future(exchange.incoming.next())
    await asyncio.sleep(0)
    if how == "cut":
        exchange.on_frame(Kind.END, b"cut")
    else:
        exchange.lose_room()
    with pytest.raises(BodyBroken):
        await waiting


async def test_a_stream_that_nobody_reads_is_told_so(room: Room, exchange: Exchange) -> None:
    """Once, when its client has left."""
    exchange.on_response(STREAMED, b"")
    exchange.leave()
    assert room.told == [(Kind.LEFT, 7, b"")]


async def test_it_is_tied_to_a_room_actor_once_something_streams(exchange: Exchange) -> None:
    """Before that, the room may come and go."""
    assert not exchange.begun
    exchange.on_frame(Kind.WANTED, pack_amount(1))
    assert exchange.begun


async def test_a_body_is_sent_as_it_is_wanted(room: Room, exchange: Exchange) -> None:
    """The first demand is answered with a beginning, so that a room knows that it can be had."""
    wanted = asyncio.ensure_future(exchange.outgoing.may_go_on())
    await asyncio.sleep(0)
    assert not wanted.done()
    exchange.on_frame(Kind.WANTED, pack_amount(5))
    await wanted
    await exchange.outgoing.send(b"12345678")
    wanted = asyncio.ensure_future(exchange.outgoing.may_go_on())
    exchange.on_frame(Kind.WANTED, pack_amount(3))
    await asyncio.sleep(0)
    assert not wanted.done()
    exchange.on_frame(Kind.WANTED, pack_amount(1))
    await wanted
    exchange.end_body()
    assert room.told == [(Kind.BODY, 7, b""), (Kind.BODY, 7, b"12345678"), (Kind.BODY_END, 7, b"")]


async def test_time_for_an_answer_counts_from_the_last_piece_of_the_body(
    exchange: Exchange,
) -> None:
    """A long upload is not a room that does not answer."""
    exchange.on_frame(Kind.WANTED, pack_amount(5))
    exchange.outgoing.moved_s -= 3600.0
    with pytest.raises(TimeoutError):
        await exchange.answer(3600.0)
    await exchange.outgoing.send(b"x")
    waiting = asyncio.ensure_future(exchange.answer(3600.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    exchange.fail(500, "the test is over")
    with pytest.raises(RoomUnavailable):
        await waiting


async def test_a_body_whose_room_is_lost_is_had_no_more(room: Room, exchange: Exchange) -> None:
    """By the room that comes next; the client is told 502."""
    exchange.on_frame(Kind.WANTED, pack_amount(5))
    exchange.lose_room()
    room.told.clear()
    exchange.on_frame(Kind.WANTED, pack_amount(5))
    ((kind, number, why),) = room.told
    assert (kind, number, bool(why)) == (Kind.BODY_END, 7, True)
    with pytest.raises(RoomUnavailable) as failed:
        await exchange.answer(1.0)
    assert failed.value.status == 502
