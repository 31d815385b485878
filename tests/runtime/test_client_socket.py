"""A client's WebSocket: what it may send, what it is told when it may not, and how it ends."""

from __future__ import annotations

import asyncio

import pytest
from parlour.actors.frames import Kind
from parlour.runtime import client_socket
from parlour.runtime.fragments import FRAGMENTS_MAX
from parlour.runtime.handshake import refusal
from parlour.runtime.send_buffer import MARK_BYTES, SendLimits
from parlour.runtime.websocket import OPCODE_TEXT, build_frame

from .doors import Door
from .raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    frame,
    raw_client,
    upgrade,
)

# Messages


@pytest.mark.parametrize("size_bytes", [0, 1, 125, 126, 65535, 65536, 1 << 20])
async def test_a_message_of_any_length_arrives_whole(
    door: Door, client: RawClient, size_bytes: int
) -> None:
    """Up to the limit itself, in every form that a length has."""
    await client.open()
    payload = bytes(i % 251 for i in range(size_bytes))
    client.send(frame(BINARY, payload), frame(TEXT, "été".encode()))
    await door.until(lambda: len(door.messages) == 2)
    assert door.messages == [(Kind.BINARY, payload), (Kind.TEXT, "été".encode())]


async def test_a_message_that_comes_byte_by_byte_arrives_whole(
    door: Door, client: RawClient
) -> None:
    """However the network cuts it."""
    await client.open()
    for byte in frame(TEXT, b"hello"):
        client.send(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    await door.until(lambda: door.messages == [(Kind.TEXT, b"hello")])


async def test_a_fragmented_message_is_one_message(door: Door, client: RawClient) -> None:
    """Pings may come in between and are answered in between; empty pieces are pieces."""
    await client.open()
    client.send(
        frame(TEXT, b"\xc3", fin=False),
        frame(PING, b"1"),
        frame(CONTINUATION, b"", fin=False),
        frame(CONTINUATION, b"\xa9t", fin=False),
        frame(PING, b"2"),
        frame(CONTINUATION, b"", fin=True),
        frame(BINARY, b"\x00"),
    )
    await door.until(lambda: len(door.messages) == 2)
    assert door.messages == [(Kind.TEXT, "ét".encode()), (Kind.BINARY, b"\x00")]
    assert [await client.frame(), await client.frame()] == [Frame(PONG, b"1"), Frame(PONG, b"2")]


async def test_a_ping_is_answered_with_its_payload_and_a_pong_is_ignored(
    door: Door, client: RawClient
) -> None:
    """The room hears of neither."""
    await client.open()
    client.send(frame(PONG, b"unasked"), frame(PING, b"x" * 125), frame(PING))
    assert await client.frame() == Frame(PONG, b"x" * 125)
    assert await client.frame() == Frame(PONG, b"")
    assert door.messages == []


# Bounds and breaches


def pieces(opcode: int, *payloads: bytes) -> bytes:
    """A fragmented message."""
    last = len(payloads) - 1
    return b"".join(
        frame(opcode if i == 0 else CONTINUATION, payload, fin=i == last)
        for i, payload in enumerate(payloads)
    )


@pytest.mark.parametrize("parts", [1, 2, 10, 1000])
async def test_the_limit_of_a_message_is_the_same_in_one_frame_and_in_many(
    door: Door, client: RawClient, parts: int
) -> None:
    """At the limit it arrives, one byte more closes with 1009."""
    door.message_bytes_max = 20_000
    await client.open()
    part = bytes(20_000 // parts)
    client.send(pieces(BINARY, *[part] * parts))
    await door.until(lambda: len(door.messages) == 1)
    client.send(pieces(BINARY, *[part] * (parts - 1), part + b"x"), frame(TEXT, b"more"))
    assert await client.closed() == 1009
    assert door.messages == [(Kind.BINARY, bytes(20_000))]


async def test_a_message_in_too_many_pieces_is_too_big(door: Door, client: RawClient) -> None:
    """Also if there is nothing in them."""
    await client.open()
    client.send(pieces(BINARY, *[b""] * FRAGMENTS_MAX), frame(TEXT, b"go on"))
    await door.until(lambda: len(door.messages) == 2)
    client.send(pieces(BINARY, *[b""] * (FRAGMENTS_MAX + 1)))
    assert await client.closed() == 1009


BREACHES = {
    "unmasked": (1002, frame(TEXT, b"x", masked=False)),
    "reserved bit 1": (1002, frame(TEXT, b"x", reserved=4)),
    "reserved bit 2": (1002, frame(BINARY, b"x", reserved=2)),
    "reserved bit 3": (1002, frame(TEXT, b"x", reserved=1)),
    "reserved bit of a ping": (1002, frame(PING, b"x", reserved=4)),
    "reserved bit of a close": (1002, frame(CLOSE, b"\x03\xe8", reserved=4)),
    **{f"opcode {opcode}": (1002, frame(opcode)) for opcode in (3, 7, 11, 15)},
    "fragmented ping": (1002, frame(PING, b"x", fin=False)),
    "fragmented close": (1002, frame(CLOSE, b"\x03\xe8", fin=False)),
    "ping of 126 bytes": (1002, frame(PING, bytes(126))),
    "close of 126 bytes": (1002, frame(CLOSE, b"\x03\xe8" + bytes(124))),
    "continuation of nothing": (1002, frame(CONTINUATION, b"x")),
    "continuation of what has ended": (1002, frame(TEXT, b"") + frame(CONTINUATION, b"x")),
    "message inside a message": (1002, frame(TEXT, b"a", fin=False) + frame(TEXT, b"b")),
    "length in a longer form": (1002, frame(TEXT, b"x", length=b"\x7e\x00\x01")),
    "length in the longest form": (1002, frame(TEXT, b"x", length=b"\x7f" + bytes(7) + b"\x01")),
    "length with its highest bit": (1002, frame(TEXT, length=b"\x7f\x80" + bytes(7))),
    "giant length": (1009, frame(BINARY, length=b"\x7f\x7f" + b"\xff" * 7)),
    "text that is not UTF-8": (1007, frame(TEXT, b"ab\xff")),
    "text with a surrogate": (1007, frame(TEXT, b"\xed\xa0\x80")),
    "text that ends in mid-character": (1007, frame(TEXT, b"\xc3")),
    "text in pieces that is not UTF-8": (1007, pieces(TEXT, b"a\xff", b"b")),
    "text in pieces that ends in mid-character": (1007, pieces(TEXT, b"a", b"b\xe2\x82")),
    "close of one byte": (1002, frame(CLOSE, b"\x03")),
    "close with a reason that is not UTF-8": (1007, frame(CLOSE, b"\x03\xe8\xff")),
    **{
        f"close with code {code}": (1002, frame(CLOSE, code.to_bytes(2, "big")))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_a_breach_closes_with_its_code_and_nothing_is_heard_after_it(
    door: Door, client: RawClient, caplog: pytest.LogCaptureFixture, breach: str
) -> None:
    """What was heard before counts. The owner is told once, and nobody's log is filled."""
    code, data = BREACHES[breach]
    await client.open()
    client.send(frame(TEXT, b"before"))
    await door.until(lambda: door.messages)
    client.send(data, frame(TEXT, b"after"))
    assert await client.closed() == code
    client.send(frame(TEXT, b"later"))
    client.writer.write_eof()
    await client.ended()
    await door.end()
    assert [payload for _, payload in door.messages if payload] == [b"before"]
    assert len(door.ends) == 1
    assert caplog.records == []


async def test_a_client_that_does_not_answer_a_close_is_dropped(
    door: Door, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some seconds, also if it goes on talking."""
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.02)
    await client.open()
    door.sockets[0].close(4000, "go")
    client.send(frame(TEXT, b"no"))
    await client.ended()
    assert await door.end() == (1006, "", False)
    assert door.messages == []


async def test_a_client_that_does_not_read_is_closed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1013 if it ever reads so far, and in any case soon: what waits for it is bounded."""
    door.limits = SendLimits(1 << 18)
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.02)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        message = build_frame(OPCODE_TEXT, b"x" * (1 << 16))
        socket, transport = door.sockets[0], door.transports[0]
        most = 0
        while not door.ends:
            socket.write_frame(message)
            most = max(most, transport.get_write_buffer_size())
            await asyncio.sleep(0)
        assert door.ends == [(1006, "", False)]
        assert most <= (1 << 18) + 2 * len(message)
        assert door.counts.slow_clients == 1


async def test_a_client_that_only_pings_and_does_not_read_is_closed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pongs are sent like everything else: what waits for it is bounded."""
    door.limits = SendLimits(1 << 18)
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.02)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        pings = b"\x89\xfd" + bytes(4 + 125)
        for _ in range(400):
            if door.ends or client.writer.transport.is_closing():
                break
            client.send(pings * 300)
            assert door.transports[0].get_write_buffer_size() < 1 << 20
            await asyncio.sleep(0)
        assert await door.end() == (1006, "", False)


async def test_a_room_that_says_too_much_before_the_client_is_in_loses_it(
    door: Door, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for the handshake is bounded too."""
    monkeypatch.setattr(client_socket, "EARLY_BYTES_MAX", 1000)
    monkeypatch.setattr(client_socket, "CLOSE_TIMEOUT_S", 0.02)
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    for _ in range(100):
        door.sockets[0].write_frame(bytes(100))
    assert await client.ended() == b""
    assert await door.end() == (1006, "", False)


# Being let in


async def test_what_the_room_says_before_the_client_is_in_follows_the_answer(
    door: Door, client: RawClient
) -> None:
    """In order, and before what it says later."""
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    socket = door.sockets[0]
    socket.write_frame(build_frame(OPCODE_TEXT, b"first"))
    socket.write_frame(build_frame(OPCODE_TEXT, b"second"))
    socket.open()
    socket.open()
    socket.write_frame(build_frame(OPCODE_TEXT, b"third"))
    await client.opened()
    assert [(await client.frame()).payload for _ in range(3)] == [b"first", b"second", b"third"]


async def test_a_client_that_is_closed_before_it_is_in_is_told_then(
    door: Door, client: RawClient
) -> None:
    """A browser sees the code of a WebSocket only after its handshake."""
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    socket = door.sockets[0]
    socket.write_frame(build_frame(OPCODE_TEXT, b"sorry"))
    socket.close(1011, "no")
    socket.write_frame(build_frame(OPCODE_TEXT, b"never"))
    socket.open()
    await client.opened()
    assert await client.frame() == Frame(TEXT, b"sorry")
    assert await client.frame() == Frame(CLOSE, b"\x03\xf3no")
    client.send(frame(CLOSE, b"\x03\xf3"))
    assert await client.ended() == b""
    assert await door.end() == (1011, "", True)


async def test_nothing_that_a_client_says_before_it_is_in_is_heard_before(
    door: Door, client: RawClient
) -> None:
    """RFC 6455 section 4.1 has it wait. What it says early is not lost, or it is dropped."""
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    client.send(frame(TEXT, b"early"))
    await client.writer.drain()
    for _ in range(20):
        await asyncio.sleep(0)
    assert door.messages == []
    door.sockets[0].open()
    await door.until(lambda: door.messages or door.ends)
    assert door.messages in ([], [(Kind.TEXT, b"early")])


async def test_a_client_that_goes_away_before_it_is_in_is_noticed(
    door: Door, client: RawClient
) -> None:
    """When it is let in at the latest."""
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    client.writer.transport.abort()
    for _ in range(20):
        await asyncio.sleep(0)
    door.sockets[0].open()
    door.sockets[0].write_frame(build_frame(OPCODE_TEXT, b"hello?"))
    assert await door.end() == (1006, "", False)


async def test_a_client_that_is_refused_is_not_heard_of_again(
    door: Door, client: RawClient
) -> None:
    """It gets the answer, and its end is nothing new to who refused it."""
    door.opens = False
    client.send(upgrade())
    await door.until(lambda: door.sockets)
    door.sockets[0].refuse(refusal(403, "no"))
    assert (await client.answer()).status == 403
    assert await client.ended() == b""
    await asyncio.sleep(0)
    assert door.ends == []


# Ends


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(door: Door, client: RawClient, code: int) -> None:
    """The owner hears code and reason; then the server ends the connection."""
    await client.open()
    client.send(frame(CLOSE, code.to_bytes(2, "big") + "été".encode()), frame(TEXT, b"after"))
    got = await client.frame()
    assert (got.opcode, int.from_bytes(got.payload[:2], "big")) == (CLOSE, code)
    assert await client.ended() == b""
    assert await door.end() == (code, "été", True)
    assert (door.messages, len(door.ends)) == ([], 1)


async def test_a_close_without_a_code_is_answered_without_one(
    door: Door, client: RawClient
) -> None:
    """1005 is what the owner hears, and never on the wire."""
    await client.open()
    client.send(frame(CLOSE))
    assert await client.frame() == Frame(CLOSE, b"")
    assert await client.ended() == b""
    assert await door.end() == (1005, "", True)


async def test_the_server_closes_after_what_it_said_before(door: Door, client: RawClient) -> None:
    """What it says later is dropped; the client's answer ends the connection, cleanly."""
    await client.open()
    socket = door.sockets[0]
    socket.write_frame(build_frame(OPCODE_TEXT, b"last"))
    socket.close(4001, "bye")
    socket.close(4002, "again")
    socket.write_frame(build_frame(OPCODE_TEXT, b"never"))
    assert await client.frame() == Frame(TEXT, b"last")
    assert await client.frame() == Frame(CLOSE, b"\x0f\xa1bye")
    client.send(frame(TEXT, b"crossing"), frame(CLOSE, b"\x0f\xa1"))
    assert await client.ended() == b""
    assert await door.end() == (4001, "", True)
    assert (door.messages, len(door.ends)) == ([], 1)


async def test_two_closes_that_cross_are_one_clean_end(door: Door, client: RawClient) -> None:
    """Each side has sent one and seen one."""
    await client.open()
    client.send(frame(CLOSE, b"\x03\xe8"))
    door.sockets[0].close(4001, "bye")
    await client.closed()
    assert await client.ended() == b""
    assert (await door.end())[2]
    assert len(door.ends) == 1


@pytest.mark.parametrize("how", ["reset", "half-open", "in mid-frame", "in mid-message"])
async def test_a_client_that_vanishes_is_lost(door: Door, client: RawClient, how: str) -> None:
    """1006, not clean, once; what was not whole was never said."""
    await client.open()
    if how == "in mid-frame":
        client.send(frame(TEXT, b"whole"), frame(TEXT, b"cut off")[:-2])
        await door.until(lambda: door.messages)
    elif how == "in mid-message":
        client.send(frame(TEXT, b"whole"), frame(TEXT, b"cut off", fin=False))
        await door.until(lambda: door.messages)
    if how == "half-open":
        client.writer.write_eof()
    else:
        client.writer.transport.abort()
    assert await door.end() == (1006, "", False)
    await asyncio.sleep(0)
    assert len(door.ends) == 1
    assert b"cut off" not in [payload for _, payload in door.messages]


async def test_a_paused_client_is_not_read_until_it_is_resumed(
    door: Door, client: RawClient
) -> None:
    """What it says meanwhile is not lost."""
    await client.open()
    socket = door.sockets[0]
    socket.pause()
    socket.pause()
    client.send(frame(TEXT, b"waits"))
    await client.writer.drain()
    for _ in range(20):
        await asyncio.sleep(0)
    assert door.messages == []
    socket.resume()
    socket.resume()
    await door.until(lambda: door.messages == [(Kind.TEXT, b"waits")])


async def test_a_paused_client_that_is_closed_is_heard_answering(
    door: Door, client: RawClient
) -> None:
    """Also if somebody pauses it after the close."""
    await client.open()
    door.sockets[0].pause()
    door.sockets[0].close(4001)
    door.sockets[0].pause()
    assert await client.closed() == 4001
    client.send(frame(CLOSE, b"\x0f\xa1"))
    assert await door.end() == (4001, "", True)


# Clients that are behind

UNREAD = build_frame(OPCODE_TEXT, b"x" * (1 << 14))


def fill(door: Door) -> None:
    """Send to the first client until the system takes no more: it is behind from then on."""
    transport = door.transports[0]
    while not door.buffered:
        door.sockets[0].write_frame(UNREAD)
        assert transport.get_write_buffer_size() < 1 << 24


@pytest.mark.parametrize("drop_oldest", [False, True])
async def test_who_listens_is_told_how_far_a_client_is_behind(
    door: Door, drop_oldest: bool
) -> None:
    """When it has doubled, and when the client has caught up; not for each message."""
    door.limits = SendLimits(1 << 22, drop_oldest)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        fill(door)
        for _ in range(100):
            door.sockets[0].write_frame(UNREAD)
        assert MARK_BYTES < door.buffered[0] <= MARK_BYTES + len(UNREAD)
        assert 3 <= len(door.buffered) <= 6
        assert sorted(door.buffered) == door.buffered
        while door.buffered[-1] > MARK_BYTES:
            await client.frame()
        door.buffered.clear()
        client.send(frame(TEXT, b"here"))
        await door.until(lambda: door.messages)
        assert door.ends == []


async def test_a_class_may_have_messages_dropped_that_a_client_does_not_read(door: Door) -> None:
    """The oldest first, and whole; what waits is bounded, and the client stays."""
    door.limits = SendLimits(1 << 18, drop_oldest=True)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        fill(door)
        transport = door.transports[0]
        for number in range(200):
            door.sockets[0].write_frame(build_frame(OPCODE_TEXT, b"%03d" % number + UNREAD))
            await asyncio.sleep(0)
            assert transport.get_write_buffer_size() <= MARK_BYTES + 2 * len(UNREAD)
        got: list[int] = []
        while not got or got[-1] != 199:
            payload = (await client.frame()).payload
            if not payload.startswith(b"x"):
                got.append(int(payload[:3]))
        assert got == sorted(got)
        assert len(got) + door.counts.dropped >= 200
        assert door.counts.dropped > 100
        assert got[-10:] == list(range(190, 200))
        assert (door.ends, door.counts.slow_clients) == ([], 0)


async def test_what_is_held_for_a_client_leaves_before_its_close(door: Door) -> None:
    """In order, like everything that was said before."""
    door.limits = SendLimits(1 << 20, drop_oldest=True)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        fill(door)
        door.sockets[0].write_frame(build_frame(OPCODE_TEXT, b"last"))
        door.sockets[0].close(4000)
        while (got := await client.frame()).payload.startswith(b"x"):
            pass
        assert got == Frame(TEXT, b"last")
        assert await client.closed() == 4000


async def test_a_message_over_the_limit_reaches_a_client_that_is_not_behind(door: Door) -> None:
    """The limit is for what has piled up."""
    door.limits = SendLimits(MARK_BYTES)
    async with raw_client(door.port, receive_bytes=4096) as client:
        await client.open()
        door.sockets[0].write_frame(build_frame(OPCODE_TEXT, b"y" * (1 << 23)))
        assert await client.frame() == Frame(TEXT, b"y" * (1 << 23))
        assert door.ends == []


async def test_many_messages_at_once_reach_a_client_that_reads(
    door: Door, client: RawClient
) -> None:
    """More than the limit in one turn of the loop: the system has not seen them yet."""
    door.limits = SendLimits(MARK_BYTES)
    await client.open()
    for _ in range(16):
        door.sockets[0].write_frame(UNREAD)
    for _ in range(16):
        assert (await client.frame()).payload == b"x" * (1 << 14)
    assert door.ends == []


# What clients do wrong


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(TEXT, b"x", reserved=4), 1002),
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (frame(BINARY, length=b"\x7f\x7f" + b"\xff" * 7), 1009),
    ],
    ids=["text", "continuation", "reserved bit", "unmasked", "close code", "length"],
)
async def test_what_a_client_did_wrong_is_told_with_its_end(
    door: Door, client: RawClient, wrong: bytes, code: int
) -> None:
    """Whoever has found it: this code, or picows."""
    await client.open()
    client.send(wrong)
    assert await client.closed() == code
    client.writer.transport.abort()
    await door.end()
    ((failure, reason),) = door.failures
    assert (failure, bool(reason)) == (code, True)


async def test_a_client_that_leaves_has_done_nothing_wrong(door: Door, client: RawClient) -> None:
    """Nor has one that is closed by its room and vanishes."""
    await client.open()
    client.send(frame(CLOSE, b"\x03\xe8"))
    await client.closed()
    await door.end()
    async with raw_client(door.port) as other:
        await other.open()
        door.sockets[1].close(4000)
        other.writer.transport.abort()
        await door.until(lambda: len(door.ends) == 2)
    assert door.failures == []
