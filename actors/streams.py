"""What a room streams over HTTP: answers that it gives piece by piece, and bodies that it reads so.

A streamed answer runs in a task of its own beside the room's events: the event that asked for it is
done when its hook has returned. Each piece passes the output gate like everything a room sends. At
most `WINDOW_BYTES` of an answer or a body are on their way; more is sent as it is read at the other
end. Neither survives the room's process: then the client sees that the answer is not whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from .frames import Kind, pack, pack_amount, unpack_amount
from .hooks import EXITS
from .http import BodyLost, Response

if TYPE_CHECKING:
    from .attachment import Attachment
    from .live_room import LiveRoom
    from .mailbox import Event

log = logging.getLogger(__name__)

WINDOW_BYTES = 256 * 1024  # of one answer or body on its way
PIECE_BYTES_MAX = 64 * 1024  # a longer piece travels as several
CLOSING_TIMEOUT_S = 5.0  # for the iterators of a room that leaves to end
CUT = b"cut"

Key = tuple["Attachment", int]


class Streams:
    """Of one room."""

    def __init__(self, live: LiveRoom) -> None:
        self._live = live
        self._answers: dict[Key, StreamedAnswer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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
                answer.grant(unpack_amount(payload))
            elif answer is not None:
                answer.cancel()
        elif key in self._bodies:
            self._bodies[key].take(kind, payload)

    # Answers

    def answer(self, event: Event, response: Response) -> None:
        """Send what a response streams, whose head has been sent, in a task of its own."""
        key = (event.attachment, event.number)
        answer = self._answers[key] = StreamedAnswer(self._live, key, response)
        task = answer.task = asyncio.get_running_loop().create_task(answer.run())
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(key, task))

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
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
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSING_TIMEOUT_S)


class StreamedAnswer:
    """One answer on its way."""

    def __init__(self, live: LiveRoom, key: Key, response: Response) -> None:
        self.task: asyncio.Task[None]
        self._live = live
        self._attachment, self._number = key
        self._pieces = response.pieces()
        self._left_bytes = WINDOW_BYTES  # of the window
        self._granted = asyncio.Event()

    def __repr__(self) -> str:
        return f"<StreamedAnswer {self._number}, {self._left_bytes} bytes may be sent>"

    def grant(self, amount_bytes: int) -> None:
        """The client has read so much."""
        self._left_bytes += amount_bytes
        self._granted.set()

    def cancel(self) -> None:
        """End it where it is: nobody waits for it, or the room leaves."""
        self.task.cancel()

    async def run(self) -> None:
        """Send all pieces, then say whether that is all."""
        how = CUT
        try:
            async with contextlib.aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    for begin in range(0, len(piece), PIECE_BYTES_MAX):
                        await self._send(piece[begin : begin + PIECE_BYTES_MAX])
            how = b""
        except (Exception, *EXITS):
            key = self._live.key
            log.exception("party %s, room %s: a streamed answer raised", key.party, key.quoted_id)
        finally:
            self._say(Kind.END, how)

    async def _send(self, piece: bytes) -> None:
        while self._left_bytes < len(piece):
            self._granted.clear()
            await self._granted.wait()
        self._left_bytes -= len(piece)
        self._say(Kind.PIECE, piece)

    def _say(self, kind: Kind, payload: bytes) -> None:
        frame = pack(kind, self._attachment.channel, self._number, 0, payload)
        self._live.output.send(self._attachment.link, frame)


class StreamedBody:
    """The body of a request, as it arrives; iterate over it once."""

    def __init__(self, want: Callable[[int], None]) -> None:
        self._want = want
        self._pieces: deque[bytes] = deque()
        self._problem: str | None = None  # why no more comes; empty if it is whole
        self._begun = asyncio.Event()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<StreamedBody {len(self._pieces)} pieces here>"

    def take(self, kind: int, payload: bytes) -> None:
        """BODY or BODY_END."""
        if kind == Kind.BODY and payload:
            self._pieces.append(payload)
        elif kind == Kind.BODY_END and self._problem is None:
            self._problem = payload.decode()
        self._begun.set()
        self._changed.set()

    async def begin(self) -> bool:
        """Ask for the first pieces; False if the gateway has none to give any more."""
        self._want(WINDOW_BYTES)
        await self._begun.wait()
        return not self._problem or bool(self._pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        owed_bytes = 0
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                yield piece
                owed_bytes += len(piece)
                if owed_bytes >= WINDOW_BYTES // 2:
                    self._want(owed_bytes)
                    owed_bytes = 0
            if self._problem:
                raise BodyLost(f"the rest of the body does not come: {self._problem}")
            if self._problem is not None:
                return
            self._changed.clear()
            await self._changed.wait()
