"""One HTTP request at the gateway, from its event to the last byte of its answer.

A small request and a small answer are one frame each. A large body goes to the room piece by
piece, as the room wants it, and a streamed answer comes back piece by piece, as the client reads
it: neither side ever has more than a window of it. What was begun with one room actor cannot go on
with another: if the room is lost meanwhile, the client is told.

Pure: what is to be said to the room is said through the function that an exchange is given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..actors.frames import Kind, pack_amount, unpack_amount
from ..actors.messages import ResponseHead
from ..actors.streams import WINDOW_BYTES

GRANT_STEP_BYTES = WINDOW_BYTES // 4  # read by the client before the room is told

Answer = tuple[ResponseHead, bytes]


class RoomUnavailable(Exception):
    """A request that its room will not answer; the text is for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AnswerCut(Exception):
    """A streamed answer that will not be whole."""


Say = Callable[[Kind, int, bytes], None]


def refuse(say: Say, number: int, kind: int) -> None:
    """Tell a room that what it streams is nobody's, or that a body cannot be had any more."""
    if kind == Kind.WANTED:
        say(Kind.BODY_END, number, b"the room that had begun to read it was lost")
    elif kind == Kind.RESPONSE:
        say(Kind.LEFT, number, b"")


class Exchange:
    """A request and its answer."""

    def __init__(self, number: int, say: Say) -> None:
        """`say` takes kind, number and payload of a frame aside to where the room is now."""
        self.number = number
        self._say = say
        loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Answer] = loop.create_future()
        self._limit: asyncio.Timeout | None = None
        self._limit_s = 0.0
        self._pieces: deque[bytes] = deque()  # of the answer, not sent to the client yet
        self._streaming = False  # pieces of the answer may come
        self._cut: bool | None = None  # how the pieces ended; None before
        self._taken_bytes = 0  # of the piece that is being sent to the client
        self._owed_bytes = 0  # sent to it, and the room not told
        self._wanted_bytes = 0  # of the body
        self._body_begun = False
        self._room_lost = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Exchange {self.number}{', streaming' if self.begun else ''}>"

    @property
    def begun(self) -> bool:
        """Whether it is tied to the room actor that the room has now."""
        return self._body_begun or self._streaming

    # What the client's side does

    async def answer(self, within_s: float) -> Answer:
        """Wait for the answer, or for its head.

        Raises:
            RoomUnavailable: If there will be none.
            TimeoutError: If none came `within_s` seconds after the last piece of the body.
        """
        self._limit_s = within_s
        async with asyncio.timeout(within_s) as self._limit:
            return await asyncio.shield(self._answer)

    async def piece(self) -> bytes | None:
        """The next piece of a streamed answer, None after the last.

        Asking for it says that the one before was sent: the room may send more.

        Raises:
            AnswerCut: If the rest will not come.
        """
        self._owed_bytes += self._taken_bytes
        self._taken_bytes = 0
        if self._owed_bytes >= GRANT_STEP_BYTES:
            self._say(Kind.GRANT, self.number, pack_amount(self._owed_bytes))
            self._owed_bytes = 0
        while not self._pieces:
            if self._cut is None:
                await self._change()
            elif self._cut:
                raise AnswerCut("the room did not finish its answer")
            else:
                return None
        piece = self._pieces.popleft()
        self._taken_bytes = len(piece)
        return piece

    async def body_wanted(self) -> None:
        """Wait until the room wants more of the body."""
        while self._wanted_bytes <= 0:
            await self._change()

    def send_body(self, piece: bytes) -> None:
        """The next piece of the body, which was wanted."""
        self._wanted_bytes -= len(piece)
        self._say(Kind.BODY, self.number, piece)
        if self._limit is not None and not self._answer.done():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._limit_s)

    def end_body(self, problem: str = "") -> None:
        """The body is all sent; or, with a problem, the rest will not come."""
        self._say(Kind.BODY_END, self.number, problem.encode())

    def leave(self) -> None:
        """The client has its answer, or does not wait for it: what the room streams is vain."""
        if self._streaming and self._cut is None:
            self._say(Kind.LEFT, self.number, b"")
        self._answer.cancel()

    # What the room's side does

    def on_frame(self, kind: int, payload: bytes) -> None:
        """PIECE, END or WANTED of this exchange."""
        if self._room_lost:
            refuse(self._say, self.number, kind)
        elif kind == Kind.PIECE:
            self._pieces.append(payload)
        elif kind == Kind.END:
            self._cut = bool(payload)
        elif not self._body_begun:
            # Only now: until here the room may come and go, and the body is still whole.
            self._body_begun = True
            self._wanted_bytes = unpack_amount(payload)
            self._say(Kind.BODY, self.number, b"")
        else:
            self._wanted_bytes += unpack_amount(payload)
        self._changed.set()

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """The answer, or the head of one that is streamed."""
        if not self._answer.done():
            self._streaming = head.streamed
            self._answer.set_result((head, body))
        elif head.streamed:
            refuse(self._say, self.number, Kind.RESPONSE)

    def fail(self, status: int, why: str) -> None:
        """There will be no answer."""
        if not self._answer.done():
            self._answer.set_exception(RoomUnavailable(status, why))
            self._answer.exception()  # whoever waited may have gone
        self._changed.set()

    def lose_room(self) -> None:
        """The room actor is gone that this exchange is tied to."""
        self._room_lost = True
        self.fail(502, "the room was lost while it handled this request")
        if self._cut is None:
            self._cut = True
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
