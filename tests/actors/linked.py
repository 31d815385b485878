"""Links with both ends in a test: what arrives is kept until it is asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from parlour.actors.frames import Kind
from parlour.actors.link import Link, connect, listen
from parlour.actors.messages import Hello

TIMEOUT_S = 5.0
GATEWAY = Hello("gateway", "g1", 4711)


class Frame(NamedTuple):
    """A frame that arrived."""

    kind: Kind
    channel: int
    number: int
    sequence: int
    payload: bytes


class Inbox:
    """What arrives at one end, in order.

    Attributes:
        times_lost: How often this end was told that its link is lost.
    """

    def __init__(self) -> None:
        self.times_lost = 0
        self._frames: deque[Frame] = deque()
        self._changed = asyncio.Event()

    def on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        self._frames.append(Frame(Kind(kind), channel, number, sequence, payload))
        self._changed.set()

    def on_lost(self, link: Link) -> None:
        self.times_lost += 1
        self._changed.set()

    async def take(self) -> Frame:
        """The oldest frame that was not taken."""
        await self._until(lambda: bool(self._frames))
        return self._frames.popleft()

    async def take_until(self, kind: Kind) -> list[Frame]:
        """The frames up to the first of a kind, which is the last of them."""
        taken = [await self.take()]
        while taken[-1].kind is not kind:
            taken.append(await self.take())
        return taken

    async def lost(self) -> None:
        """Wait until the link is lost."""
        await self._until(lambda: self.times_lost > 0)

    def left(self) -> list[Frame]:
        """What has arrived and was not taken."""
        return list(self._frames)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class LinkPair:
    """A link: `near` has opened it, `far` has accepted it."""

    near: Link
    near_inbox: Inbox
    far: Link
    far_inbox: Inbox
    server: asyncio.AbstractServer

    def close(self) -> None:
        """End both ends and the listening."""
        self.server.close()
        self.near.abort()
        self.far.abort()


async def link_pair(
    folder: Path, hello: Hello = GATEWAY, *, may_leave: Callable[[], bool] | None = None
) -> LinkPair:
    """Two ends of one link over a Unix socket; `may_leave` is asked by the one that opened it."""
    address = str(folder / f"{hello.id}.sock")
    near, far = Inbox(), Inbox()
    accepted: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
    server = await listen(
        address, far.on_frame, far.on_lost, on_hello=lambda link, _: accepted.set_result(link)
    )
    link = await connect(address, hello, near.on_frame, near.on_lost, may_leave=may_leave)
    async with asyncio.timeout(TIMEOUT_S):
        # Introduced without asking `may_leave`, which a test may have answer no from the start.
        return LinkPair(link, near, await accepted, far, server)
