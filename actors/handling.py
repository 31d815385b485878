"""The events that a room has in hand: one, or with `interleave` several, each with a time limit.

By default an event is handled to its end before the next one begins. With `interleave` the rule
is Durable Objects': the next event begins as soon as no storage read is pending, so handlers take
turns where they await something else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .hooks import handle_event, take_cancellation, tell_timeout
from .mailbox import Event
from .watch import handle_watched

if TYPE_CHECKING:
    from .live_room import LiveRoom
    from .room import Room

log = logging.getLogger(__name__)

INTERLEAVED_MAX = 1000  # handlers of one room that are under way at once


class Handling:
    """Runs the hooks of one room."""

    def __init__(
        self, live: LiveRoom, room: Room, handler_s_max: float, clock: Callable[[], float]
    ) -> None:
        self._live = live
        self._room = room
        self._handler_s_max = handler_s_max
        self._clock = clock
        self._since_s: float | None = None  # when the event in hand began
        self._task: asyncio.Task[None] | None = None  # that handles it
        self._timed_out = False
        self._interleaved: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Handling {'one' if self._since_s else len(self._interleaved)} in hand>"

    @property
    def idle(self) -> bool:
        """Nothing is in hand."""
        return self._since_s is None and not self._interleaved

    @property
    def interleaving(self) -> bool:
        """Events are in hand that others need not wait for."""
        return bool(self._interleaved)

    # One at a time

    def begin_alone(self, event: Event, now_s: float) -> Awaitable[None] | None:
        """Handle an event that begins now; what is returned is to be given to `finish_alone`."""
        self._since_s = now_s
        pending: Awaitable[None] | None = None
        try:
            if self._live.watch.on:
                pending = handle_watched(self._live, self._room, event)
            else:
                pending = handle_event(self._live, self._room, event)
        finally:
            if pending is None:
                self._since_s = None
        return pending

    async def finish_alone(self, event: Event, pending: Awaitable[None]) -> None:
        """See an event to its end, or to its time limit."""
        if self._task is None:
            self._task = asyncio.current_task()  # always the room's own
        try:
            await pending
        except asyncio.CancelledError:
            if not self._timed_out:
                raise
        finally:
            self._since_s = None
        if self._timed_out:
            # Also for a hook that swallowed the cancellation: it ends here.
            self._timed_out = False
            take_cancellation()
            self._give_up(event)

    def check_time(self) -> None:
        """Cancel the event in hand if it is over its limit; called from the event loop.

        A hook that does not await anything cannot be cancelled; it is cancelled when it does. One
        that goes on after a cancellation is cancelled again and again.
        """
        if self._since_s is None:
            return
        if self._clock() - self._since_s >= self._handler_s_max and self._task is not None:
            self._timed_out = True
            self._task.cancel()

    # Interleaved

    async def begin(self, event: Event) -> None:
        """Begin an event once storage reads allow it; returns when its first step is done."""
        while len(self._interleaved) >= INTERLEAVED_MAX:
            await asyncio.wait(self._interleaved, return_when=asyncio.FIRST_COMPLETED)
        await self._live.owned.reads_settled()
        attachment = event.attachment
        attachment.begin(event.sequence)
        task = asyncio.get_running_loop().create_task(self._interleave(event))
        self._interleaved.add(task)
        task.add_done_callback(self._interleaved.discard)
        await asyncio.sleep(0)  # events begin in their order

    async def finish(self) -> None:
        """Wait for every interleaved event."""
        while self._interleaved:
            await asyncio.wait(self._interleaved)

    def cancel(self) -> None:
        """Stop whatever is in hand: the room is reset."""
        for task in self._interleaved:
            task.cancel()

    async def _interleave(self, event: Event) -> None:
        try:
            async with asyncio.timeout(self._handler_s_max):
                handle = handle_watched if self._live.watch.on else handle_event
                pending = handle(self._live, self._room, event)
                if pending is not None:
                    await pending
        except TimeoutError:
            self._give_up(event)
        except Exception as error:
            log.exception("room %s failed", self._live.key)
            self._live.break_off(f"{type(error).__name__}: {error}")
            return
        event.attachment.end(event.sequence)
        self._live.wake_up()

    def _give_up(self, event: Event) -> None:
        key = self._live.key
        log.error(
            "party %s, room %s: a hook took longer than %g s and was cancelled",
            key.party,
            key.quoted_id,
            self._handler_s_max,
        )
        tell_timeout(self._live, event)
