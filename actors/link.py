"""A link: one stream of frames between two processes, batched per turn of the event loop.

What is written during one turn leaves in one write. Frames arrive in order or not at all: when
a link is lost, both ends know and neither guesses what the other had read. On one node a link is
a Unix socket in a folder that only the owner can enter; between nodes it is a TCP connection whose
ends have proved to each other that they know the cluster's secret (`network.py`).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import cast

from .frames import FRAME_BYTES_MAX, FrameError, FrameReader, Head, Kind, head_of, pack
from .link_handshake import FRAME_BYTES_MAX as UNTRUSTED_BYTES_MAX
from .link_handshake import Handshake, NotTrusted
from .messages import Hello, decode, encode
from .network import Address, Network, notice_dead_peer

log = logging.getLogger(__name__)

WRITE_BUFFER_BYTES_MAX = 4 * 1024 * 1024  # above it `paused` is set until the peer has read
CONNECT_TIMEOUT_S = 5.0
# To another node, which may have been cut off a moment ago; whoever asks tries again.
CONNECT_BETWEEN_NODES_TIMEOUT_S = 1.0
HANDSHAKE_TIMEOUT_S = 5.0  # for a peer that has come to prove itself

_VANISHED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)

OnFrame = Callable[["Link", int, int, int, int, bytes], None]
OnLost = Callable[["Link"], None]


class Link(asyncio.Protocol):
    """One end of a link. `on_frame` gets every frame but HELLO; `on_lost` is called once."""

    def __init__(
        self,
        on_frame: OnFrame,
        on_lost: OnLost,
        *,
        on_hello: Callable[[Link, Hello], None] | None = None,
        may_leave: Callable[[], bool] | None = None,
        handshake: Handshake | None = None,
    ) -> None:
        self.peer: Hello | None = None
        self.lost = False
        self.vanished = False  # lost because the other node does not answer any more
        self.paused = False
        self._hand_on = partial(on_frame, self)  # a frame to `on_frame`, without a step between
        self._on_lost = on_lost
        self._on_hello = on_hello
        # Asked before anything leaves: a process past its lease must stay silent. What may not
        # leave stays here, for the next `flush`.
        self._may_leave = may_leave
        self._handshake = handshake  # until the peer is trusted
        self._reader = FrameReader(
            self._frame, FRAME_BYTES_MAX if handshake is None else UNTRUSTED_BYTES_MAX
        )
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._outgoing: list[bytes] = []
        self._drained: asyncio.Future[None] | None = None
        self._trust: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        peer = f"{self.peer.role} {self.peer.id}" if self.peer else "not introduced"
        return f"<Link to {peer}{', lost' if self.lost else ''}>"

    # Writing

    def write(self, frame: bytes) -> None:
        """Send a frame with the others of this turn; ignored once the link is lost."""
        outgoing = self._outgoing
        if not outgoing:
            self._loop.call_soon(self.flush)
        outgoing.append(frame)

    def flush(self) -> None:
        """Send now what this turn has written."""
        outgoing = self._outgoing
        if not outgoing:
            return
        if self.lost or self._transport is None:
            outgoing.clear()
            return
        if self._may_leave is not None and not self._may_leave():
            return
        data = outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)
        outgoing.clear()
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the peer has read enough that more may be written."""
        while self.paused and not self.lost:
            if self._drained is None:
                self._drained = self._loop.create_future()
            await asyncio.shield(self._drained)

    def close(self) -> None:
        """Send what is left, then end the link."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    @property
    def unsent_bytes(self) -> int:
        """Of the frames that wait for the end of this turn, or for the leave to be sent."""
        return sum(map(len, self._outgoing))

    def drop(self, unwanted: Callable[[Head], bool]) -> list[bytes]:
        """Take back frames that were not sent."""
        dropped = [frame for frame in self._outgoing if unwanted(head_of(frame))]
        if dropped:
            self._outgoing[:] = [f for f in self._outgoing if not unwanted(head_of(f))]
        return dropped

    def say_now(self, *frames: bytes) -> None:
        """Say what is true whether anything may leave or not: that a room is not here."""
        self.flush()
        if self._transport is not None and not self.lost:
            self._transport.write(b"".join(frames))

    def abort(self) -> None:
        """End the link at once; what was not sent is dropped."""
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        if self._handshake is not None:
            notice_dead_peer(transport)
            first = self._handshake.begin()
            if first is not None:
                self._transport.write(first)
                self._loop.call_later(HANDSHAKE_TIMEOUT_S, self._end_if_not_trusted)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except FrameError as error:
            log.error("closing %r: %s", self, error)
            self.abort()
        except NotTrusted as error:
            # What came with it is not read either, were there a proof in it.
            log.warning("closing a link to a peer that is not trusted: %s", error)
            self.abort()

    async def trusted(self) -> None:
        """Wait until both ends have proved themselves.

        Raises:
            ConnectionError: If the link ends instead.
        """
        if self._handshake is None:
            return
        if self.lost:
            raise ConnectionError("the peer ended the link unproved")
        self._trust = self._loop.create_future()
        await self._trust

    def _shake_hands(self, handshake: Handshake, kind: int, payload: bytes) -> None:
        answer = handshake.answer(kind, payload)
        if answer is not None and self._transport is not None:
            self._transport.write(answer)
        if handshake.done:
            self._handshake = None
            self._reader.frame_bytes_max = FRAME_BYTES_MAX
            if self._trust is not None and not self._trust.done():
                self._trust.set_result(None)

    def _end_if_not_trusted(self) -> None:
        if self._handshake is not None:
            self.abort()

    def _frame(self, kind: int, channel: int, number: int, sequence: int, payload: bytes) -> None:
        if self._handshake is not None:
            self._shake_hands(self._handshake, kind, payload)
            return
        if kind == Kind.HELLO:
            self.peer = decode(payload, Hello)
            if self._on_hello is not None:
                self._on_hello(self, self.peer)
            return
        # A peer says it once and first: from here on, frames go to `on_frame` alone.
        self._reader.on_frame = self._hand_on
        self._hand_on(kind, channel, number, sequence, payload)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._wake_writers()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.vanished = isinstance(exc, OSError) and exc.errno in _VANISHED
        self._wake_writers()
        if self._handshake is None:
            self._on_lost(self)
        elif self._trust is not None and not self._trust.done():
            self._trust.set_exception(ConnectionError("the peer ended the link unproved"))

    def _wake_writers(self) -> None:
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None


async def connect(
    address: str,
    hello: Hello,
    on_frame: OnFrame,
    on_lost: OnLost,
    *,
    may_leave: Callable[[], bool] | None = None,
    network: Network | None = None,
) -> Link:
    """Open a link to whoever listens at `address` and introduce oneself.

    Over the Unix socket that it names; over TCP if that is on another node of `network`.

    Raises:
        OSError: If nobody listens there or is not trusted, or nobody answers within
            `CONNECT_TIMEOUT_S` (on another node `CONNECT_BETWEEN_NODES_TIMEOUT_S`).
    """
    loop = asyncio.get_running_loop()
    where = Address.parse(address)
    if network is None or network.is_here(where):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, link = await loop.create_unix_connection(
                lambda: Link(on_frame, on_lost, may_leave=may_leave), where.path
            )
    else:
        link = await _connect_to_node(where, network, on_frame, on_lost, may_leave)
    link.write(pack(Kind.HELLO, payload=encode(hello)))
    return link


async def _connect_to_node(
    where: Address,
    network: Network,
    on_frame: OnFrame,
    on_lost: OnLost,
    may_leave: Callable[[], bool] | None,
) -> Link:
    loop = asyncio.get_running_loop()
    handshake = Handshake(network.secret, accepts=False)
    link = Link(on_frame, on_lost, may_leave=may_leave, handshake=handshake)
    try:
        async with asyncio.timeout(CONNECT_BETWEEN_NODES_TIMEOUT_S):
            await loop.create_connection(
                lambda: link, where.host, where.port, ssl=network.opening_tls()
            )
            await link.trusted()
    except BaseException:
        link.abort()
        raise
    return link


async def listen(
    address: str,
    on_frame: OnFrame,
    on_lost: OnLost,
    *,
    on_hello: Callable[[Link, Hello], None] | None = None,
    may_leave: Callable[[], bool] | None = None,
) -> asyncio.AbstractServer:
    """Accept links on the Unix socket `address`, whose folder must belong to the owner alone."""
    loop = asyncio.get_running_loop()
    return await loop.create_unix_server(
        lambda: Link(on_frame, on_lost, on_hello=on_hello, may_leave=may_leave), address
    )


async def listen_to_nodes(
    network: Network,
    on_frame: OnFrame,
    on_lost: OnLost,
    *,
    on_hello: Callable[[Link, Hello], None] | None = None,
    may_leave: Callable[[], bool] | None = None,
) -> tuple[asyncio.AbstractServer, int]:
    """Accept links of other nodes on a free port of this node's address; returns that port, too.

    Raises:
        OSError: If no port that the network allows is free.
    """

    def make() -> Link:
        handshake = Handshake(network.secret, accepts=True)
        return Link(on_frame, on_lost, on_hello=on_hello, may_leave=may_leave, handshake=handshake)

    loop, tls = asyncio.get_running_loop(), network.accepting_tls()
    for port in _ports(network.ports):
        try:
            server = await loop.create_server(
                make,
                network.host,
                port,
                ssl=tls,
                # Else a peer that says nothing at all is kept for a minute.
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if tls is not None else None,
            )
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return server, server.sockets[0].getsockname()[1]
    raise OSError(
        errno.EADDRINUSE, f"all ports from {network.ports} on {network.host} are in use; give more"
    )


def _ports(allowed: tuple[int, int] | None) -> list[int]:
    """Those to try, in an order of its own: many processes of a node start at the same time."""
    if allowed is None:
        return [0]
    ports = list(range(allowed[0], allowed[1] + 1))
    random.shuffle(ports)
    return ports
