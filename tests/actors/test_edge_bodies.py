"""Bodies between gateway and edge, over a real link: whole, in order, and within their window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.body_stream import PIECE_BYTES_MAX, WINDOW_BYTES, BodyBroken
from parlour.actors.edge_bodies import EdgeBodies
from parlour.actors.link import Link, connect, listen

from .linked import GATEWAY
from .staging import until


class Ends:
    """An exchange as its two ends have it; a body goes from `sender` to `reader`."""

    sender: EdgeBodies
    reader: EdgeBodies

    def on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        assert number == 7
        assert len(payload) <= PIECE_BYTES_MAX
        whose = self.sender if link is self.sender.link else self.reader
        whose.on_frame(kind, sequence, payload)

    def on_lost(self, link: Link) -> None:
        self.sender.break_off()
        self.reader.break_off()

    def on_hello(self, link: Link, hello: object) -> None:
        self.reader = EdgeBodies(link, 7)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    """Over a real link."""
    ends = Ends()
    address = str(tmp_path / "s")
    server = await listen(address, ends.on_frame, ends.on_lost, on_hello=ends.on_hello)
    link = await connect(address, GATEWAY, ends.on_frame, ends.on_lost)
    ends.sender = EdgeBodies(link, 7)
    await until(lambda: hasattr(ends, "reader"))
    yield ends
    link.close()
    server.close()


async def test_a_body_arrives_whole(ends: Ends) -> None:
    """However its pieces were cut; an empty piece is none."""
    body = bytes(range(256)) * 10_000

    async def send() -> None:
        await ends.sender.outgoing.send(body[:10])
        await ends.sender.outgoing.send(b"")
        await ends.sender.outgoing.send(body[10:])
        ends.sender.end()

    sending = asyncio.create_task(send())
    read = b""
    while part := await ends.reader.incoming.next():
        read += part
    assert read == body
    assert await ends.reader.incoming.next() == b""
    await sending


async def test_a_slow_reader_holds_up_the_sender(ends: Ends) -> None:
    """At the window; it goes on as the reader does."""
    sending = asyncio.create_task(ends.sender.outgoing.send(bytes(2 * WINDOW_BYTES)))
    await until(lambda: ends.sender.outgoing.held_up)
    for _ in range(WINDOW_BYTES // PIECE_BYTES_MAX + 1):
        assert not sending.done()
        await ends.reader.incoming.next()
    await sending


async def test_a_reader_that_is_gone_ends_the_sending(ends: Ends) -> None:
    """Also while it waits for the window."""
    sending = asyncio.create_task(ends.sender.outgoing.send(bytes(2 * WINDOW_BYTES)))
    await until(lambda: ends.sender.outgoing.held_up)
    ends.sender.break_off()
    with pytest.raises(BodyBroken):
        await sending
    with pytest.raises(BodyBroken):
        await ends.sender.outgoing.send(b"more")


async def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(ends: Ends) -> None:
    """What has come is read, then it is said."""
    await ends.sender.outgoing.send(b"half")
    assert await ends.reader.incoming.next() == b"half"
    reading = asyncio.create_task(ends.reader.incoming.next())
    ends.reader.break_off()
    with pytest.raises(BodyBroken):
        await reading
