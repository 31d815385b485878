"""The events of a room, taken from its mailbox and handled: one at a time, or with `interleave`
several, each with a time limit.

By default an event is handled to its end before the next one begins. With `interleave` the rule
is Durable Objects': the next event begins as soon as no storage read is pending, so handlers take
turns where they await something else. An event that may have killed a process is handled alone in
either case, and told of before it begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from .counts import PartyCounts
from .hooks import handle_event, take_cancellation, tell_handled, tell_timeout
from .lifecycle import State
from .mailbox import Event, Mailbox
from .options import RoomOptions
from .watch import handle_watched

if TYPE_CHECKING:
    from .live_room import LiveRoom
    from .room import Room

log = logging.getLogger(__name__)

EVENTS_PER_REPORT_MAX = 32  # handled before the gateways are told, when more wait
INTERLEAVED_MAX = 1000  # handlers of one room that are under way at once
_LIVE = State.LIVE  # looked up once: see the same in frames.py


class Handling:
    """Runs the hooks of one room."""

    def __init__(
        self,
        live: LiveRoom,
        room: Room,
        mailbox: Mailbox,
        options: RoomOptions,
        counts: PartyCounts,
        clock: Callable[[], float],
    ) -> None:
        self._live = live
        self._room = room
        self._mailbox = mailbox
        self._options = options
        self._counts = counts
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

    async def run(self) -> None:
        """Handle events until the room is to leave, pauses or is reset."""
        live, mailbox = self._live, self._mailbox
        since_report = 0
        # The state, for a hook that swallowed its cancellation: its room is broken all the same.
        while live.leave_reason is None and live.state is _LIVE:
            event = mailbox.take()
            if event is None:
                live.attachments.tell_done()
                if self._options.rooms_per_actor == 1:
                    # Nobody else will write in this turn of the loop: do not wait for its end.
                    live.attachments.flush()
                since_report = 0
                await mailbox.wait()
                continue
            pending = self._begin(event)
            if pending is not None:
                await pending
            since_report += 1
            if since_report >= EVENTS_PER_REPORT_MAX or live.output.full:
                since_report = 0
                live.attachments.tell_done()
                await self._pause_for_readers()

    def _begin(self, event: Event) -> Awaitable[None] | None:
        """Handle an event; what is returned, if it is not None, is to be awaited to its end.

        The path of most events: their hook ends at once, and no coroutine is made for them.
        """
        attachment, sequence = event.attachment, event.sequence
        if (
            sequence <= attachment.finished
            or sequence <= attachment.careful_until
            or self._options.interleave
        ):
            return self._handle(event)
        self._note_begin()
        pending = self._begin_alone(event)
        if pending is not None:
            return self._finish(event, pending)
        attachment.finished = sequence
        return None

    async def _finish(self, event: Event, pending: Awaitable[None]) -> None:
        await self._finish_alone(event, pending)
        event.attachment.finished = event.sequence

    async def _handle(self, event: Event) -> None:
        """Handle an event that may be done already, may kill, or runs beside others."""
        attachment = event.attachment
        if event.sequence and event.sequence <= attachment.finished:
            attachment.reported = 0  # its writes are durable already; say so again
            tell_handled(self._live, event)
            return
        if self._options.interleave and event.sequence > attachment.careful_until:
            self._note_begin()
            await self._begin_beside(event)
            return
        await self.finish()
        self._note_begin()
        careful = 0 < event.sequence <= attachment.careful_until
        if careful:
            # An earlier process died on one of these: the gateway must know which.
            self._live.attachments.tell_trying(attachment, event.sequence)
        pending = self._begin_alone(event)
        if pending is not None:
            await self._finish_alone(event, pending)
        if event.sequence:
            attachment.finished = event.sequence
            if careful:
                await self._live.owned.sync()
                self._live.attachments.tell_done()
                attachment.link.flush()

    def _note_begin(self) -> None:
        self._live.last_event_s = self._clock()
        self._counts.events += 1

    async def _pause_for_readers(self) -> None:
        if self._live.output.full:
            await self._live.owned.sync()
        for attachment in self._live.attachments:
            if attachment.link.paused:
                await attachment.link.drained()
        await asyncio.sleep(0)  # let the links of this process read and write

    # One at a time

    def _begin_alone(self, event: Event) -> Awaitable[None] | None:
        """Begin an event; what is returned, if it is not None, is for `_finish_alone`."""
        self._since_s = self._live.last_event_s
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

    async def _finish_alone(self, event: Event, pending: Awaitable[None]) -> None:
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
        if self._clock() - self._since_s >= self._options.handler_s_max and self._task is not None:
            self._timed_out = True
            self._task.cancel()

    # Interleaved

    async def _begin_beside(self, event: Event) -> None:
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
            async with asyncio.timeout(self._options.handler_s_max):
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
            self._options.handler_s_max,
        )
        tell_timeout(self._live, event)
