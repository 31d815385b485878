"""The mailbox: the events of one room, in order of arrival, taken one at a time.

The gateways bound what a room can have waiting (they keep each event until the room reports it
done, and stop reading from the sockets that fill a room); the limits here are a second line that
an orderly gateway never reaches.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from .attachment import Attachment
from .frames import Kind

EVENTS_MAX = 100_000


class Event(msgspec.Struct, gc=False):
    """One event of a room."""

    kind: int
    attachment: Attachment
    number: int
    sequence: int
    payload: bytes


class MailboxFull(Exception):
    """A gateway sent more events than a room may have waiting."""


class Mailbox:
    """A queue with one taker."""

    __slots__ = ("_events", "_waiter")

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Add an event.

        Raises:
            MailboxFull: If `EVENTS_MAX` events wait already.
        """
        if len(self._events) >= EVENTS_MAX:
            raise MailboxFull(f"{EVENTS_MAX} events wait already, no room may have more")
        self._events.append(event)
        if self._waiter is not None:
            self.wake()

    def take(self) -> Event | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def waiting(self) -> list[Event]:
        """Those that were not taken yet."""
        return list(self._events)

    def drop(self, attachment: Attachment) -> None:
        """Drop what a gateway that is gone had sent, but for the ends of connections.

        A gateway that comes back sends again what it was not told is done.
        """
        self._events = deque(
            event
            for event in self._events
            if event.attachment is not attachment or event.kind == Kind.CLOSED
        )

    def wake(self) -> None:
        """Make `wait` return although no event may have come."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for an event, or for `wake`."""
        if self._events:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
