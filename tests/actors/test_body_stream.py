"""Bodies that cross a link: whole, in order, and never more than a window of them on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from parlour.actors.body_stream import PART_BYTES_MAX, WINDOW_BYTES, BodyBroken
from parlour.actors.body_stream import IncomingBody as Incoming
from parlour.actors.body_stream import OutgoingBody as Outgoing
from parlour.actors.frames import Kind
from parlour.actors.link import Link, connect, listen

from .linked import GATEWAY
from .staging import until


class Ends:
    """A body between its two ends."""

    outgoing: Outgoing
    incoming: Incoming

    def on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        assert number == 7
        assert len(payload) <= PART_BYTES_MAX
        if kind == Kind.BODY_PART:
            self.incoming.on_part(payload)
        elif kind == Kind.BODY_WHOLE:
            self.incoming.on_end()
        elif kind == Kind.BODY_USED:
            self.outgoing.on_used(sequence)

    def on_lost(self, link: Link) -> None:
        self.incoming.break_off()
        self.outgoing.break_off()

    def on_hello(self, link: Link, hello: object) -> None:
        self.incoming = Incoming(link, 7)


@pytest.fixture
async def ends(tmp_path: Path) -> AsyncIterator[Ends]:
    """Over a real link."""
    ends = Ends()
    address = str(tmp_path / "s")
    server = await listen(address, ends.on_frame, ends.on_lost, on_hello=ends.on_hello)
    link = await connect(address, GATEWAY, ends.on_frame, ends.on_lost)
    ends.outgoing = Outgoing(link, 7)
    await until(lambda: hasattr(ends, "incoming"))
    yield ends
    link.close()
    server.close()


async def test_a_body_arrives_whole(ends: Ends) -> None:
    """However its pieces were cut; an empty piece is none."""
    body = bytes(range(256)) * 10_000

    async def send() -> None:
        await ends.outgoing.send(body[:10])
        await ends.outgoing.send(b"")
        await ends.outgoing.send(body[10:])
        ends.outgoing.end()

    sending = asyncio.create_task(send())
    read = b""
    while part := await ends.incoming.next():
        read += part
    assert read == body
    assert await ends.incoming.next() == b""
    await sending


async def test_a_slow_reader_holds_up_the_sender(ends: Ends) -> None:
    """At the window; it goes on as the reader does."""
    sending = asyncio.create_task(ends.outgoing.send(bytes(2 * WINDOW_BYTES)))
    await until(lambda: ends.outgoing.held_up)
    for _ in range(WINDOW_BYTES // PART_BYTES_MAX):
        assert not sending.done()
        await ends.incoming.next()
    await sending


async def test_a_reader_that_is_gone_ends_the_sending(ends: Ends) -> None:
    """Also while it waits for the window."""
    sending = asyncio.create_task(ends.outgoing.send(bytes(2 * WINDOW_BYTES)))
    await until(lambda: ends.outgoing.held_up)
    ends.outgoing.break_off()
    with pytest.raises(BodyBroken):
        await sending
    with pytest.raises(BodyBroken):
        await ends.outgoing.send(b"more")


async def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(ends: Ends) -> None:
    """What has come is read, then it is said."""
    await ends.outgoing.send(b"half")
    assert await ends.incoming.next() == b"half"
    reading = asyncio.create_task(ends.incoming.next())
    ends.incoming.break_off()
    with pytest.raises(BodyBroken):
        await reading
