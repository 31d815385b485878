"""Bodies that cross a link in pieces, within a window.

Whoever sends one waits while `WINDOW_BYTES` of it have not been used at the other end, so neither
process holds more of a body than that, however long it is and however slow its reader.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .frames import Kind, pack
from .link import Link

PART_BYTES_MAX = 64 * 1024
WINDOW_BYTES = 512 * 1024


class BodyBroken(ConnectionError):
    """A body that will never be whole: its other end is gone or has given it up."""


class OutgoingBody:
    """A body that this process sends; `number` is that of its exchange on the link."""

    def __init__(self, link: Link, number: int) -> None:
        self.moved_s = asyncio.get_running_loop().time()  # when a piece was sent last
        self._link = link
        self._number = number
        self._unused_bytes = 0
        self._broken = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OutgoingBody {self._number}, {self._unused_bytes} bytes on their way>"

    @property
    def held_up(self) -> bool:
        """Whether as much is on its way as may be."""
        return self._unused_bytes >= WINDOW_BYTES

    async def send(self, data: bytes) -> None:
        """Send a piece of any size; waits for the reader.

        Raises:
            BodyBroken: If nobody reads it any more.
        """
        for begin in range(0, len(data), PART_BYTES_MAX):
            part = data[begin : begin + PART_BYTES_MAX]
            while self.held_up and not self._broken:
                self._changed.clear()
                await self._changed.wait()
            if self._broken or self._link.lost:
                raise BodyBroken("nobody reads this body any more")
            self._unused_bytes += len(part)
            self.moved_s = asyncio.get_running_loop().time()
            self._link.write(pack(Kind.BODY_PART, number=self._number, payload=part))

    def end(self) -> None:
        """It is whole."""
        self._link.write(pack(Kind.BODY_WHOLE, number=self._number))

    def on_used(self, size_bytes: int) -> None:
        """The other end has used so much of it."""
        self._unused_bytes -= size_bytes
        self._changed.set()

    def break_off(self) -> None:
        """Nobody reads it any more."""
        self._broken = True
        self._changed.set()


class IncomingBody:
    """A body that this process is sent."""

    def __init__(self, link: Link, number: int) -> None:
        self.moved_s = asyncio.get_running_loop().time()  # when a piece has come last
        self._link = link
        self._number = number
        self._parts: deque[bytes] = deque()  # within the sender's window
        self._whole = False
        self._broken = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<IncomingBody {self._number}, {len(self._parts)} pieces>"

    async def next(self) -> bytes:
        """The next piece; empty when it has ended.

        Raises:
            BodyBroken: If the rest will never come.
        """
        while not self._parts and not self._whole and not self._broken:
            self._changed.clear()
            await self._changed.wait()
        if self._parts:
            part = self._parts.popleft()
            self._link.write(pack(Kind.BODY_USED, number=self._number, sequence=len(part)))
            return part
        if self._broken:
            raise BodyBroken("the rest of this body will never come")
        return b""

    def give_back(self, body: bytes) -> None:
        """Let a body that was whole be read once more."""
        self._parts.append(body)

    def on_part(self, part: bytes) -> None:
        """A piece has come."""
        if part:
            self.moved_s = asyncio.get_running_loop().time()
            self._parts.append(part)
            self._changed.set()

    def on_end(self) -> None:
        """It is whole."""
        self._whole = True
        self._changed.set()

    def break_off(self) -> None:
        """The rest will never come."""
        self._broken = True
        self._changed.set()
