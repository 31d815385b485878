"""A gateway's line to the hibernation manager of its node: where is this room, and wake it."""

from __future__ import annotations

import asyncio
import itertools
import logging

from ..actors import messages
from ..actors.frames import Kind, pack
from ..actors.link import Link, connect
from ..actors.messages import Hello, Placed, RoomKey

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 20.0  # a standby may have to be started first


class CannotPlace(Exception):
    """No room actor could be had for a room, now."""


class ManagerClient:
    """Asks the manager. A line that was lost is opened again with the next question."""

    def __init__(self, address: str, hello: Hello) -> None:
        self._address = address
        self._hello = hello
        self._link: Link | None = None
        self._numbers = itertools.count(1)
        self._questions: dict[int, asyncio.Future[Placed]] = {}
        self._connecting = asyncio.Lock()

    async def place(self, key: RoomKey) -> str:
        """The address of the room actor that has the room, or may have it.

        Raises:
            CannotPlace: If the manager is not there, does not answer in `ANSWER_TIMEOUT_S`, or
                has none to give.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        self._questions[number] = answer
        try:
            link = await self._connected()
            link.write(pack(Kind.WAKE, number=number, payload=messages.encode(key)))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                placed = await answer
        except (OSError, TimeoutError) as error:
            raise CannotPlace("the hibernation manager does not answer") from error
        finally:
            del self._questions[number]
        if placed.error:
            raise CannotPlace(placed.error)
        return placed.address

    def close(self) -> None:
        """Close the line."""
        if self._link is not None:
            self._link.close()

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._link is None or self._link.lost:
                self._link = await connect(
                    self._address, self._hello, self._on_frame, self._on_lost
                )
            return self._link

    def _on_frame(
        self, link: Link, kind: int, channel: int, number: int, sequence: int, payload: bytes
    ) -> None:
        answer = self._questions.get(number)
        if kind == Kind.PLACED and answer is not None and not answer.done():
            answer.set_result(messages.decode(payload, Placed))

    def _on_lost(self, link: Link) -> None:
        log.info("the line to the hibernation manager was lost")
        for answer in self._questions.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the hibernation manager is gone"))
