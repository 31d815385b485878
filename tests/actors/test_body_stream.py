"""The window of a body: how much goes ahead of its reader, and how it ends."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors.body_stream import (
    GRANT_STEP_BYTES,
    PIECE_BYTES_MAX,
    WINDOW_BYTES,
    BodyBroken,
    IncomingBody,
    OutgoingBody,
)


@pytest.fixture
def pieces() -> list[bytes]:
    """What was sent."""
    return []


@pytest.fixture
async def outgoing(pieces: list[bytes]) -> OutgoingBody:
    """One of which a window may go."""
    return OutgoingBody(pieces.append)


@pytest.fixture
def granted() -> list[int]:
    """What the sender was told."""
    return []


@pytest.fixture
async def incoming(granted: list[int]) -> IncomingBody:
    """One of which nothing has come."""
    return IncomingBody(granted.append)


async def turns() -> None:
    """Let everybody go on who can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_long_piece_travels_as_several(outgoing: OutgoingBody, pieces: list[bytes]) -> None:
    """Of one size but for the last; an empty one does not travel."""
    await outgoing.send(bytes(PIECE_BYTES_MAX + 1))
    await outgoing.send(b"")
    assert [len(piece) for piece in pieces] == [PIECE_BYTES_MAX, 1]


async def test_what_is_granted_goes(outgoing: OutgoingBody, pieces: list[bytes]) -> None:
    """A window at first, then as the reader uses it."""
    sending = asyncio.ensure_future(outgoing.send(bytes(2 * WINDOW_BYTES)))
    await turns()
    assert outgoing.held_up
    assert sum(map(len, pieces)) == WINDOW_BYTES
    outgoing.grant(1)
    await turns()
    assert sum(map(len, pieces)) == WINDOW_BYTES + PIECE_BYTES_MAX
    outgoing.grant(WINDOW_BYTES)
    await sending
    assert sum(map(len, pieces)) == 2 * WINDOW_BYTES


async def test_a_body_may_begin_when_it_is_wanted(pieces: list[bytes]) -> None:
    """Nothing of it goes before."""
    outgoing = OutgoingBody(pieces.append, granted_bytes=0)
    wanted = asyncio.ensure_future(outgoing.may_go_on())
    await turns()
    assert not wanted.done()
    outgoing.grant(5)
    await wanted
    await outgoing.send(b"12345678")
    assert pieces == [b"12345678"]
    wanted = asyncio.ensure_future(outgoing.may_go_on())
    outgoing.grant(3)
    await turns()
    assert not wanted.done()
    outgoing.grant(1)
    await wanted


async def test_the_sender_is_told_in_steps_what_was_used(
    incoming: IncomingBody, granted: list[int]
) -> None:
    """Not what has only come, nor what is in use."""
    half = bytes(GRANT_STEP_BYTES // 2)
    for _ in range(3):
        incoming.on_piece(half)
    assert [await incoming.next(), await incoming.next()] == [half, half]
    assert granted == []
    assert await incoming.next() == half
    assert granted == [GRANT_STEP_BYTES]


async def test_a_sender_of_which_all_is_used_may_go_on() -> None:
    """However its pieces were cut: what it was not told of is less than the window."""
    used: list[int] = []
    incoming = IncomingBody(used.append)
    outgoing = OutgoingBody(incoming.on_piece)
    sending = asyncio.ensure_future(outgoing.send(bytes(3 * WINDOW_BYTES)))
    read_bytes = 0
    while read_bytes < 3 * WINDOW_BYTES:
        read_bytes += len(await incoming.next())
        while used:
            outgoing.grant(used.pop())
    await sending


async def test_nothing_is_granted_of_a_body_that_has_ended(
    incoming: IncomingBody, granted: list[int]
) -> None:
    """Nobody sends any more."""
    incoming.on_piece(bytes(GRANT_STEP_BYTES))
    incoming.on_end()
    await incoming.next()
    assert await incoming.next() == b""
    assert granted == []


async def test_how_a_body_ended_is_said_after_what_has_come(incoming: IncomingBody) -> None:
    """With the first reason that was given, as often as is asked."""
    incoming.on_piece(b"half")
    incoming.on_end("its client left")
    incoming.on_end()
    assert (incoming.ended, incoming.lost) == (True, False)
    assert await incoming.next() == b"half"
    assert incoming.lost
    for _ in range(2):
        with pytest.raises(BodyBroken, match="its client left"):
            await incoming.next()


async def test_time_for_an_answer_counts_from_the_last_piece(outgoing: OutgoingBody) -> None:
    """A long upload is not somebody who does not answer."""
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    outgoing.moved_s -= 3600.0
    with pytest.raises(TimeoutError):
        await outgoing.answered(answer, 3600.0)
    await outgoing.send(b"more")
    waiting = asyncio.ensure_future(outgoing.answered(answer, 3600.0))
    await turns()
    assert not waiting.done()
    answer.set_result("read")
    assert await waiting == "read"
