"""One HTTP request at the gateway, from its event to the last byte of its answer.

A small request and a small answer are one frame each. A large body goes to the room piece by
piece, as the room wants it, and a streamed answer comes back piece by piece, as the client reads
it (`actors/body_stream.py`). What was begun with one room actor cannot go on with another: if the
room is lost meanwhile, the client is told.

Pure: what is to be said to the room is said through the function that an exchange is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..actors.body_stream import IncomingBody, OutgoingBody
from ..actors.frames import Kind, pack_amount, unpack_amount
from ..actors.messages import ResponseHead
from .http_error import HttpError

UNFINISHED = "the room did not finish its answer"

Answer = tuple[ResponseHead, bytes]


class RoomUnavailable(HttpError):
    """A request that its room will not answer; the text is for the client."""


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
        # Nothing of the body goes before the room wants it: until then it is whole here.
        self.outgoing = OutgoingBody(self._say_piece, granted_bytes=0)
        self.incoming = IncomingBody(self._grant)  # the pieces of a streamed answer
        self._say = say
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._streaming = False  # pieces of the answer may come
        self._body_begun = False
        self._room_lost = False

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
        return await self.outgoing.answered(self._answer, within_s)

    def end_body(self, problem: str = "") -> None:
        """The body is all sent; or, with a problem, the rest will not come."""
        self._say(Kind.BODY_END, self.number, problem.encode())

    def leave(self) -> None:
        """The client has its answer, or does not wait for it: what the room streams is vain."""
        if self._streaming and not self.incoming.ended:
            self._say(Kind.LEFT, self.number, b"")
        self._answer.cancel()

    # What the room's side does

    def on_frame(self, kind: int, payload: bytes) -> None:
        """PIECE, END or WANTED of this exchange."""
        if self._room_lost:
            refuse(self._say, self.number, kind)
        elif kind == Kind.PIECE:
            self.incoming.on_piece(payload)
        elif kind == Kind.END:
            self.incoming.on_end(UNFINISHED if payload else "")
        else:
            if not self._body_begun:
                # Only now: until here the room may come and go.
                self._body_begun = True
                self._say_piece(b"")
            self.outgoing.grant(unpack_amount(payload))

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

    def lose_room(self) -> None:
        """The room actor is gone that this exchange is tied to."""
        self._room_lost = True
        self.fail(502, "the room was lost while it handled this request")
        self.incoming.on_end(UNFINISHED)

    def _say_piece(self, piece: bytes) -> None:
        self._say(Kind.BODY, self.number, piece)

    def _grant(self, read_bytes: int) -> None:
        self._say(Kind.GRANT, self.number, pack_amount(read_bytes))
