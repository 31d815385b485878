"""Bodies that cross between two processes in pieces, within a window.

Whoever sends one waits while `WINDOW_BYTES` of it have not been used at the other end, so neither
process holds more of a body than that and a piece, however long it is and however slow its reader.
This is the rule of all that streams: bodies of requests to rooms and what rooms answer with
(`streams.py`), and those of the edge (`edge_bodies.py`).

Knows no frames: pieces and grants leave through the functions that a body is given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeVar

WINDOW_BYTES = 256 * 1024
PIECE_BYTES_MAX = 64 * 1024  # a longer piece travels as several
GRANT_STEP_BYTES = WINDOW_BYTES // 4  # used by the reader before the sender is told

AnswerT = TypeVar("AnswerT")


class BodyBroken(ConnectionError):
    """A body that will never be whole: its other end is gone or has given it up."""


class OutgoingBody:
    """A body that this process sends."""

    def __init__(self, say: Callable[[bytes], None], *, granted_bytes: int = WINDOW_BYTES) -> None:
        """`say` sends a piece; `granted_bytes` is what may go before anything is granted."""
        self.moved_s = asyncio.get_running_loop().time()  # when a piece was sent last
        self._say = say
        self._left_bytes = granted_bytes  # of the window; below 0 by less than a piece
        self._broken = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<OutgoingBody, {self._left_bytes} bytes may be sent>"

    @property
    def held_up(self) -> bool:
        """Whether as much is on its way as may be."""
        return self._left_bytes <= 0

    async def may_go_on(self) -> None:
        """Wait until the reader wants more.

        Raises:
            BodyBroken: If nobody reads it any more.
        """
        while self.held_up and not self._broken:
            self._changed.clear()
            await self._changed.wait()
        if self._broken:
            raise BodyBroken("nobody reads this body any more")

    async def send(self, data: bytes) -> None:
        """Send a piece of any size; waits for the reader.

        Raises:
            BodyBroken: If nobody reads it any more.
        """
        for begin in range(0, len(data), PIECE_BYTES_MAX):
            piece = data[begin : begin + PIECE_BYTES_MAX]
            await self.may_go_on()
            self._left_bytes -= len(piece)
            self.moved_s = asyncio.get_running_loop().time()
            self._say(piece)

    def grant(self, amount_bytes: int) -> None:
        """The reader has used so much of it, or wants so much more."""
        self._left_bytes += amount_bytes
        self._changed.set()

    def break_off(self) -> None:
        """Nobody reads it any more."""
        self._broken = True
        self._changed.set()

    async def answered(self, answer: asyncio.Future[AnswerT], within_s: float) -> AnswerT:
        """Wait for the answer to what this is the body of; the body may take as long as it needs.

        Raises:
            TimeoutError: If none came `within_s` seconds after the last piece was sent.
        """
        loop = asyncio.get_running_loop()
        while not answer.done():
            left_s = self.moved_s + within_s - loop.time()
            if left_s <= 0:
                raise TimeoutError
            await asyncio.wait([answer], timeout=left_s)
        return answer.result()


class IncomingBody:
    """A body that this process is sent; to be read once, by one reader."""

    def __init__(self, grant: Callable[[int], None]) -> None:
        """`grant` tells the sender how much more it may send."""
        self.moved_s = asyncio.get_running_loop().time()  # when a piece has come last
        self._grant = grant
        self._pieces: deque[bytes] = deque()  # within the sender's window
        self._used_bytes = 0  # of the piece that is in use
        self._owed_bytes = 0  # used, and the sender not told
        self._problem: str | None = None  # why no more comes; empty if it is whole
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<IncomingBody, {len(self._pieces)} pieces here>"

    @property
    def ended(self) -> bool:
        """Whether no more of it comes."""
        return self._problem is not None

    @property
    def lost(self) -> bool:
        """Whether nothing of it is here, and the rest will never come."""
        return bool(self._problem) and not self._pieces

    async def next(self) -> bytes:
        """The next piece; empty when it has ended.

        Asking for it says that the one before has been used: the sender may send more.

        Raises:
            BodyBroken: If the rest will never come; the text says why.
        """
        self._owed_bytes += self._used_bytes
        self._used_bytes = 0
        if self._owed_bytes >= GRANT_STEP_BYTES and not self.ended:
            self._grant(self._owed_bytes)
            self._owed_bytes = 0
        while not self._pieces and not self.ended:
            self._changed.clear()
            await self._changed.wait()
        if self._pieces:
            piece = self._pieces.popleft()
            self._used_bytes = len(piece)
            return piece
        if self._problem:
            raise BodyBroken(self._problem)
        return b""

    def give_back(self, body: bytes) -> None:
        """Let a body that was whole be read once more."""
        self._pieces.append(body)

    def on_piece(self, piece: bytes) -> None:
        """A piece has come; an empty one is none."""
        if piece:
            self.moved_s = asyncio.get_running_loop().time()
            self._pieces.append(piece)
            self._changed.set()

    def on_end(self, problem: str = "") -> None:
        """It is whole; or, with a problem, the rest will never come. What was said first counts."""
        if self._problem is None:
            self._problem = problem
        self._changed.set()
