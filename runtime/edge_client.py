"""A gateway's line to the edge of its node, which runs hooks and ASGI applications.

The edge of a version listens at an address of its own. One that is not there yet is waited for, a
little; one that is lost costs the questions that it had in hand their answers, and the next
question opens a new line.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..actors import messages
from ..actors.edge_bodies import EdgeBodies
from ..actors.edge_messages import EdgeAnswer, EdgeQuestion
from ..actors.frames import Kind, pack, pack_parts, unpack_parts
from ..actors.link import Link, connect
from ..actors.messages import Hello
from .http_error import HttpError

log = logging.getLogger(__name__)

EDGE_PATIENCE_S = 10.0  # for an edge that is not there: it is starting, or is started again
CONNECT_AGAIN_S = 0.1
EXCHANGES_MAX = 4000  # questions of one gateway that are under way
ASKED_BYTES_MAX = 128 * 1024 * 1024  # of the bodies that go whole with such questions
ANSWER_GRACE_S = 5.0  # beyond a hook's own time, for an edge that cannot even say that it is over


class EdgeUnavailable(HttpError):
    """There will be no answer; the text is for the client."""


class EdgeExchange(EdgeBodies):
    """One question, as the gateway has it: out goes the request's body, in comes the response's."""

    def __init__(self, link: Link, number: int) -> None:
        super().__init__(link, number)
        self._answer: asyncio.Future[tuple[EdgeAnswer, bytes]]
        self._answer = asyncio.get_running_loop().create_future()

    async def answer(self, hook_s_max: float) -> tuple[EdgeAnswer, bytes]:
        """Wait for the answer, or its beginning.

        Raises:
            EdgeUnavailable: If there will be none.
        """
        late = EdgeUnavailable(504, "there was no answer in time")
        try:
            within_s = hook_s_max + ANSWER_GRACE_S
            answer, body = await self.outgoing.answered(self._answer, within_s)
        except TimeoutError:
            raise late from None
        if answer.outcome == "late":
            raise late
        if answer.outcome == "busy":
            raise EdgeUnavailable(503, "too much is asked at once; try again later")
        return answer, body

    def on_answer(self, payload: bytes) -> None:
        """The answer has come."""
        head, body = unpack_parts(payload)
        if not self._answer.done():
            self._answer.set_result((messages.decode(head, EdgeAnswer), body))

    def lost(self) -> None:
        """The edge is gone, or gives the response up."""
        self.fail(EdgeUnavailable(503, "whoever was to answer is being restarted; try again"))

    def fail(self, error: EdgeUnavailable) -> None:
        """There will be no answer, or no more of it."""
        if not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # also if nobody waits any more
        self.break_off()


class EdgeClient:
    """Asks the edge."""

    def __init__(self, me: Hello) -> None:
        self._me = me
        self._address = ""
        self._link: Link | None = None  # to that address
        self._opening = asyncio.Lock()
        self._asked_bytes = 0
        self._numbers = itertools.count(1)
        self._exchanges: dict[tuple[Link, int], EdgeExchange] = {}

    def __repr__(self) -> str:
        return f"<EdgeClient of {self._address or 'nobody'}, {len(self._exchanges)} under way>"

    def use(self, address: str) -> None:
        """Ask the edge that listens there from now on; an empty address: there is none."""
        if address == self._address:
            return
        left, self._link, self._address = self._link, None, address
        if left is not None:
            self._close_if_done(left)

    @asynccontextmanager
    async def ask(self, question: EdgeQuestion, body: bytes = b"") -> AsyncIterator[EdgeExchange]:
        """Ask something, for as long as the answer is waited for and read.

        Raises:
            EdgeUnavailable: If the edge is not there in `EDGE_PATIENCE_S`, or too much is asked.
        """
        if len(self._exchanges) >= EXCHANGES_MAX or self._asked_bytes + len(body) > ASKED_BYTES_MAX:
            raise EdgeUnavailable(503, "too much is asked at once; try again later")
        self._asked_bytes += len(body)
        try:
            link = await self._connected()
            number = next(self._numbers)
            exchange = self._exchanges[link, number] = EdgeExchange(link, number)
            payload = pack_parts(messages.encode(question), body)
            link.write(pack(Kind.ASK, number=number, payload=payload))
            try:
                yield exchange
            finally:
                # Also for one that is over: an edge that knows it no more does nothing.
                link.write(pack(Kind.CANCEL, number=number))
                del self._exchanges[link, number]
                self._close_if_done(link)
        finally:
            self._asked_bytes -= len(body)

    def close(self) -> None:
        """Close the line."""
        for link in {each for each, _ in self._exchanges} | {self._link}:
            if link is not None:
                link.close()

    async def _connected(self) -> Link:
        give_up_s = time.monotonic() + EDGE_PATIENCE_S
        while True:
            async with self._opening:
                if self._link is not None and not self._link.lost:
                    return self._link
                address = self._address
                try:
                    link = await connect(address, self._me, self._on_frame, self._on_lost)
                except (OSError, TimeoutError) as error:
                    problem = error
                else:
                    if address == self._address:
                        self._link = link
                        return link
                    link.close()  # a new version came meanwhile
                    continue
            if time.monotonic() >= give_up_s:
                log.warning("the edge at %r cannot be reached: %s", address, problem)
                raise EdgeUnavailable(503, "whoever is to answer is not there; try again later")
            await asyncio.sleep(CONNECT_AGAIN_S)

    def _close_if_done(self, link: Link) -> None:
        """A line to the edge of an earlier version, once nothing is under way on it."""
        if link is not self._link and not any(each is link for each, _ in self._exchanges):
            link.close()

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        exchange = self._exchanges.get((link, number))
        if exchange is None:
            return
        if kind == Kind.ANSWER:
            exchange.on_answer(payload)
        elif kind == Kind.CANCEL:
            exchange.lost()
        else:
            exchange.on_frame(kind, sequence, payload)

    def _on_lost(self, link: Link) -> None:
        for key, exchange in list(self._exchanges.items()):
            if key[0] is link:
                exchange.lost()
