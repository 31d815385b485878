"""Links: real ends over a Unix socket, in the loop of the tests and in that of the processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from parlour.actors import link as link_module
from parlour.actors.frames import Kind, pack
from parlour.actors.link import WRITE_BUFFER_BYTES_MAX, Link, connect, listen
from parlour.actors.messages import Hello

from .linked import GATEWAY, TIMEOUT_S, Inbox, LinkPair, link_pair


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[LinkPair]:
    """A link with both its ends."""
    pair = await link_pair(tmp_path)
    yield pair
    pair.close()


class Writes(asyncio.Transport):
    """A transport that keeps what is written, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == WRITE_BUFFER_BYTES_MAX


class RawPeer:
    """The other end as a plain socket, which reads only when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "raw.sock")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self.address)
        self._listening.listen()
        self._listening.setblocking(False)
        self.socket = self._listening

    async def accept(self) -> None:
        self.socket, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        self.socket.setblocking(False)

    async def read(self, size_bytes: int) -> bytes:
        """So many bytes, or as many as come before the end."""
        data = bytearray()
        async with asyncio.timeout(TIMEOUT_S):
            while len(data) < size_bytes:
                wanted = min(size_bytes - len(data), 1 << 20)
                chunk = await asyncio.get_running_loop().sock_recv(self.socket, wanted)
                if not chunk:
                    break
                data += chunk
        return bytes(data)

    async def write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    def close(self) -> None:
        self.socket.close()
        self._listening.close()


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[RawPeer]:
    """A plain socket that links can be opened to."""
    peer = RawPeer(tmp_path)
    yield peer
    peer.close()


async def test_frames_arrive_in_order_and_both_ways(pair: LinkPair) -> None:
    """With all that their heads say."""
    for number in range(100):
        pair.near.write(pack(Kind.TEXT, 1, number, number + 7, b"%d" % number))
        if number % 10 == 0:
            await asyncio.sleep(0)
    pair.far.write(pack(Kind.READY, 5))
    arrived = [await pair.far_inbox.take() for _ in range(100)]
    assert arrived == [(Kind.TEXT, 1, n, n + 7, b"%d" % n) for n in range(100)]
    assert await pair.near_inbox.take() == (Kind.READY, 5, 0, 0, b"")


async def test_who_connects_introduces_itself(pair: LinkPair) -> None:
    """The accepting end knows the peer, and HELLO is not given on as a frame."""
    assert pair.far.peer == GATEWAY
    assert pair.near.peer is None
    assert pair.far_inbox.left() == []
    assert repr(pair.far) == "<Link to gateway g1>"


async def test_what_is_written_in_one_turn_leaves_in_one_write() -> None:
    """And what is written in the next turn in another one."""
    link, transport = Link(print, print), Writes()
    link.connection_made(transport)
    frames = [pack(Kind.TEXT, 0, number) for number in range(4)]
    link.write(frames[0])
    link.write(frames[1])
    assert transport.writes == []
    await asyncio.sleep(0)
    link.write(frames[2])
    await asyncio.sleep(0)
    assert transport.writes == [frames[0] + frames[1], frames[2]]
    link.write(frames[3])
    link.flush()
    assert transport.writes[2:] == [frames[3]]
    await asyncio.sleep(0)
    assert len(transport.writes) == 3


@pytest.mark.parametrize("end", ["near", "far"])
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_both_ends_learn_once_that_the_link_is_lost(
    pair: LinkPair, end: str, how: str
) -> None:
    """Whichever ends it, and however."""
    getattr(getattr(pair, end), how)()
    await pair.near_inbox.lost()
    await pair.far_inbox.lost()
    getattr(getattr(pair, end), how)()
    await asyncio.sleep(0)
    assert (pair.near_inbox.times_lost, pair.far_inbox.times_lost) == (1, 1)
    assert pair.near.lost
    assert pair.far.lost


async def test_close_sends_what_is_left_and_abort_drops_it(pair: LinkPair, tmp_path: Path) -> None:
    """An orderly end loses nothing; the other one is silent from the call on."""
    pair.near.write(pack(Kind.TEXT, 0, 1))
    pair.near.close()
    assert (await pair.far_inbox.take()).number == 1
    await pair.far_inbox.lost()

    other = await link_pair(tmp_path, Hello("gateway", "g2", 1))
    other.near.write(pack(Kind.TEXT, 0, 1))
    other.near.abort()
    await other.far_inbox.lost()
    assert other.far_inbox.left() == []
    other.close()


async def test_writing_to_a_lost_link_is_ignored(pair: LinkPair) -> None:
    """Rooms need not know that a gateway has just gone."""
    pair.near.abort()
    await pair.near_inbox.lost()
    pair.near.write(pack(Kind.TEXT))
    await asyncio.sleep(0)
    pair.near.close()
    await pair.near.drained()


async def test_what_may_not_leave_waits_until_it_may(tmp_path: Path) -> None:
    """In its order, and the link stays; what is taken back does not leave then."""
    allowed = True
    pair = await link_pair(tmp_path, may_leave=lambda: allowed)
    pair.near.write(pack(Kind.TEXT, 0, 1))
    assert (await pair.far_inbox.take()).number == 1

    allowed = False
    for channel, number in ((1, 2), (7, 3), (1, 4)):
        pair.near.write(pack(Kind.TEXT, channel, number))
    pair.near.flush()
    assert pair.near.unsent_bytes == 3 * len(pack(Kind.TEXT, 1, 2))
    pair.near.say_now(pack(Kind.GONE, 9))
    assert (await pair.far_inbox.take()).kind is Kind.GONE
    for expected in ([pack(Kind.TEXT, 7, 3)], []):
        assert pair.near.drop(lambda head: head.channel == 7) == expected

    allowed = True
    pair.near.write(pack(Kind.TEXT, 1, 5))
    pair.near.flush()
    assert [(await pair.far_inbox.take()).number for _ in "abc"] == [2, 4, 5]
    assert pair.near.unsent_bytes == 0
    pair.close()


async def test_closing_does_not_let_out_what_may_not_leave(tmp_path: Path) -> None:
    """The last words of an orderly end are asked about like any others."""
    allowed = True
    pair = await link_pair(tmp_path, may_leave=lambda: allowed)
    allowed = False
    pair.near.write(pack(Kind.TEXT, 0, 2))
    pair.near.close()
    await pair.far_inbox.lost()
    assert pair.far_inbox.left() == []
    pair.close()


async def test_what_is_said_now_comes_after_what_was_written_before(tmp_path: Path) -> None:
    """Where that may leave; on a link that is lost it is dropped."""
    pair = await link_pair(tmp_path, may_leave=lambda: True)
    pair.near.write(pack(Kind.TEXT, 0, 1))
    pair.near.say_now(pack(Kind.GONE, 7), pack(Kind.GONE, 8))
    assert [(await pair.far_inbox.take()).channel for _ in "abc"] == [0, 7, 8]
    pair.near.abort()
    await pair.near_inbox.lost()
    pair.near.say_now(pack(Kind.GONE, 9))
    await pair.far_inbox.lost()
    assert pair.far_inbox.left() == []
    pair.close()


async def test_a_peer_that_does_not_read_pauses_the_link_until_it_does(peer: RawPeer) -> None:
    """`drained` waits for all who ask, and what was written arrives whole."""
    inbox = Inbox()
    link = await connect(peer.address, GATEWAY, inbox.on_frame, inbox.on_lost)
    await peer.accept()
    await link.drained()
    assert not link.paused

    written = 0
    while not link.paused:
        frame = pack(Kind.BINARY, payload=bytes(1 << 20))
        link.write(frame)
        written += len(frame)
        await asyncio.sleep(0)
    waiters = [asyncio.ensure_future(link.drained()) for _ in range(3)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    assert not waiters[1].done()

    hello_bytes = int.from_bytes(await peer.read(4), "little")
    assert len(await peer.read(hello_bytes + written)) == hello_bytes + written
    await asyncio.wait_for(asyncio.gather(*waiters[1:]), TIMEOUT_S)
    assert not link.paused
    link.abort()


async def test_waiting_for_a_peer_that_is_lost_ends(peer: RawPeer) -> None:
    """Nobody waits for ever for somebody who will never read."""
    inbox = Inbox()
    link = await connect(peer.address, GATEWAY, inbox.on_frame, inbox.on_lost)
    await peer.accept()
    while not link.paused:
        link.write(bytes(1 << 20))
        await asyncio.sleep(0)
    waiting = asyncio.ensure_future(link.drained())
    await asyncio.sleep(0)
    peer.socket.close()
    await asyncio.wait_for(waiting, TIMEOUT_S)
    await inbox.lost()
    assert inbox.times_lost == 1


async def test_bytes_that_are_no_frames_end_the_link(peer: RawPeer) -> None:
    """What came before them was handed on; the peer sees the end."""
    inbox = Inbox()
    link = await connect(peer.address, GATEWAY, inbox.on_frame, inbox.on_lost)
    await peer.accept()
    await peer.write(pack(Kind.READY, 1) + bytes(100))
    await inbox.lost()
    assert [frame.kind for frame in inbox.left()] == [Kind.READY]
    assert link.lost


async def test_nobody_at_the_address_is_an_error(tmp_path: Path) -> None:
    """Neither a missing socket nor one that nobody listens on gives a link."""
    inbox = Inbox()
    with pytest.raises(OSError, match="No such file"):
        await connect(str(tmp_path / "none"), GATEWAY, inbox.on_frame, inbox.on_lost)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        with pytest.raises(ConnectionRefusedError):
            await connect(str(tmp_path / "deaf"), GATEWAY, inbox.on_frame, inbox.on_lost)


async def test_a_listener_that_is_too_busy_to_accept_does_not_lose_what_is_sent(
    tmp_path: Path,
) -> None:
    """The system queues the connection and its first bytes; they arrive when it gets to them."""
    inbox, far = Inbox(), Inbox()
    address = str(tmp_path / "s")
    server = await listen(address, far.on_frame, far.on_lost)
    links = [await connect(address, GATEWAY, inbox.on_frame, inbox.on_lost) for _ in range(20)]
    for number, link in enumerate(links):
        link.write(pack(Kind.TEXT, 0, number))
    assert sorted([(await far.take()).number for _ in links]) == list(range(20))
    server.close()
    for link in links:
        link.abort()


def test_links_work_in_the_loop_of_the_processes(tmp_path: Path) -> None:
    """Gateway and room actors run in uvloop, whose transports differ from asyncio's."""
    scenarios: list[Callable[[LinkPair], Awaitable[None]]] = [
        test_frames_arrive_in_order_and_both_ways,
        test_writing_to_a_lost_link_is_ignored,
    ]

    async def run() -> None:
        for scenario in scenarios:
            (folder := tmp_path / scenario.__name__[:20]).mkdir()
            pair = await link_pair(folder)
            await scenario(pair)
            pair.close()
        peer = RawPeer(tmp_path)
        await test_a_peer_that_does_not_read_pauses_the_link_until_it_does(peer)
        peer.close()

    uvloop.run(run())


def test_the_limits_have_names() -> None:
    """A link never waits for ever for its connection."""
    assert 0 < link_module.CONNECT_TIMEOUT_S <= 10
