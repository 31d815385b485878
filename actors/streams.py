"""What a room streams over HTTP: answers that it gives piece by piece, and bodies that it reads so.

A streamed answer runs in a task of its own beside the room's events: the event that asked for it is
done when its hook has returned. Each piece passes the output gate like everything a room sends. How
much of either is on its way is `body_stream.py`'s. Neither survives the room's process: then the
client sees that the answer is not whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from .body_stream import WINDOW_BYTES, BodyBroken, IncomingBody, OutgoingBody
from .frames import Kind, pack, pack_amount, unpack_amount
from .request import BodyLost
from .response import Response

if TYPE_CHECKING:
    from .attachment import Attachment
    from .live_room import LiveRoom
    from .mailbox import Event

log = logging.getLogger(__name__)

CLOSING_TIMEOUT_S = 5.0  # for the iterators of a room that leaves to end
CUT = b"cut"

Key = tuple["Attachment", int]


class Streams:
    """Of one room."""

    def __init__(self, live: LiveRoom) -> None:
        self._live = live
        self._answers: dict[Key, StreamedAnswer] = {}
        self._bodies: dict[Key, StreamedBody] = {}

    def __repr__(self) -> str:
        return f"<Streams {len(self._answers)} answers, {len(self._bodies)} bodies>"

    def __len__(self) -> int:
        return len(self._answers)

    def hear(self, attachment: Attachment, kind: int, number: int, payload: bytes) -> None:
        """A gateway says something about a request."""
        key = (attachment, number)
        if kind == Kind.GRANT or kind == Kind.LEFT:
            answer = self._answers.get(key)
            if answer is not None and kind == Kind.GRANT:
                answer.body.grant(unpack_amount(payload))
            elif answer is not None:
                answer.cancel()
        elif key in self._bodies:
            self._bodies[key].take(kind, payload)

    # Answers

    def answer(self, event: Event, response: Response) -> None:
        """Send what a response streams, whose head has been sent, in a task of its own."""
        key = (event.attachment, event.number)
        answer = self._answers[key] = StreamedAnswer(self._live, key, response)
        answer.task = asyncio.get_running_loop().create_task(answer.run())
        answer.task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: Key) -> None:
        del self._answers[key]
        self._live.stream_ended()
        if (body := self._bodies.pop(key, None)) is not None:
            body.take(Kind.BODY_END, b"its request is over")

    # Bodies

    def body(self, event: Event) -> StreamedBody:
        """The body of a request that is streamed."""
        attachment, number = event.attachment, event.number

        def want(amount_bytes: int) -> None:
            # Not through the output gate: it tells of no write, and a hook may wait for it.
            frame = pack(Kind.WANTED, attachment.channel, number, 0, pack_amount(amount_bytes))
            attachment.link.write(frame)

        body = self._bodies[attachment, number] = StreamedBody(want)
        return body

    def forget_body(self, event: Event) -> None:
        """The event is over; the answer, if that is streamed, may go on reading."""
        key = (event.attachment, event.number)
        if key not in self._answers and (body := self._bodies.pop(key, None)) is not None:
            body.take(Kind.BODY_END, b"its request is over")

    # The room leaves

    def lose(self, attachment: Attachment) -> None:
        """A gateway is gone, and all that waited for it."""
        for key, answer in list(self._answers.items()):
            if key[0] is attachment:
                answer.cancel()
        for key, body in list(self._bodies.items()):
            if key[0] is attachment:
                body.take(Kind.BODY_END, b"the gateway was lost")

    def cancel(self) -> None:
        """End every answer where it is."""
        for answer in list(self._answers.values()):
            answer.cancel()

    async def close(self) -> None:
        """End every answer, and wait for the iterators to end."""
        self.cancel()
        if self._answers:
            tasks = [answer.task for answer in self._answers.values()]
            await asyncio.wait(tasks, timeout=CLOSING_TIMEOUT_S)


class StreamedAnswer:
    """One answer on its way."""

    def __init__(self, live: LiveRoom, key: Key, response: Response) -> None:
        self.task: asyncio.Task[None]
        self._live = live
        self._attachment, self._number = key
        self._pieces = response.pieces()
        self.body = OutgoingBody(self._say_piece)

    def __repr__(self) -> str:
        return f"<StreamedAnswer {self._number}, {self.body}>"

    def cancel(self) -> None:
        """End it where it is: nobody waits for it, or the room leaves."""
        self.task.cancel()

    async def run(self) -> None:
        """Send all pieces, then say whether that is all."""
        how = CUT
        try:
            async with contextlib.aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await self.body.send(piece)
            how = b""
        except asyncio.CancelledError:
            raise
        except BaseException:  # also what is no Exception: see HookExited
            key = self._live.key
            log.exception("party %s, room %s: a streamed answer raised", key.party, key.quoted_id)
        finally:
            self._say(Kind.END, how)

    def _say_piece(self, piece: bytes) -> None:
        self._say(Kind.PIECE, piece)

    def _say(self, kind: Kind, payload: bytes) -> None:
        frame = pack(kind, self._attachment.channel, self._number, 0, payload)
        self._live.output.send(self._attachment.link, frame)


class StreamedBody:
    """The body of a request, as it arrives; iterate over it once."""

    def __init__(self, want: Callable[[int], None]) -> None:
        self._want = want
        self._body = IncomingBody(want)
        self._begun = asyncio.Event()

    def __repr__(self) -> str:
        return f"<StreamedBody {self._body}>"

    def take(self, kind: int, payload: bytes) -> None:
        """BODY or BODY_END."""
        if kind == Kind.BODY:
            self._body.on_piece(payload)
        else:
            self._body.on_end(payload.decode())
        self._begun.set()

    async def begin(self) -> bool:
        """Ask for the first pieces; False if the gateway has none to give any more."""
        self._want(WINDOW_BYTES)
        await self._begun.wait()
        return not self._body.lost

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._next():
            yield piece

    async def _next(self) -> bytes:
        try:
            return await self._body.next()
        except BodyBroken as broken:
            raise BodyLost(f"the rest of the body does not come: {broken}") from None
